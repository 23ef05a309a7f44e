package lvmconf

import (
	"fmt"
	"strings"
)

// A regex is a pattern of LVM: characters, . [ ] ( ) | * + ? and \, and ^ and $
// as two more characters that stand before and after every name. That they
// are characters shows: a . or a [^x] matches them too. A match may begin
// anywhere.
type regex struct {
	code []step
}

// A step of a regex matches one symbol, goes to one or two other steps
// without, or ends the match.
type step struct {
	op   opcode
	set  symbols // of opSymbol
	x, y int     // where to go on: opSymbol x, opSplit x and y
}

type opcode uint8

const (
	opSymbol opcode = 0
	opSplit  opcode = 1
	opMatch  opcode = 2
)

// symbols is a set of the 256 bytes, begin and end.
type symbols [5]uint64

const (
	begin = 256
	end   = 257
)

func (s *symbols) add(c int)      { s[c/64] |= 1 << (c % 64) }
func (s *symbols) has(c int) bool { return s[c/64]&(1<<(c%64)) != 0 }
func (s *symbols) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// match says whether the pattern is found in a name. It takes no longer than
// the lengths of both multiplied.
func (r *regex) match(name string) bool {
	now, next := newThreads(len(r.code)), newThreads(len(r.code))
	for i := -1; i <= len(name); i++ {
		c := begin
		switch {
		case i == len(name):
			c = end
		case i >= 0:
			c = int(name[i])
		}
		if r.enter(now, 0) {
			return true
		}
		for _, at := range now.list {
			if s := &r.code[at]; s.op == opSymbol && s.set.has(c) && r.enter(next, s.x) {
				return true
			}
		}
		now, next = next, now
		next.clear()
	}
	return false
}

// threads are the steps that a match has come to.
type threads struct {
	list []int
	in   []bool
}

func newThreads(n int) *threads { return &threads{in: make([]bool, n)} }

func (t *threads) clear() {
	for _, at := range t.list {
		t.in[at] = false
	}
	t.list = t.list[:0]
}

// enter adds a step and all that follow it without a symbol; it says whether
// the match is complete.
func (r *regex) enter(t *threads, at int) bool {
	for stack := []int{at}; len(stack) > 0; {
		at, stack = stack[len(stack)-1], stack[:len(stack)-1]
		if t.in[at] {
			continue
		}
		t.in[at] = true
		t.list = append(t.list, at)
		switch s := &r.code[at]; s.op {
		case opMatch:
			return true
		case opSplit:
			stack = append(stack, s.x, s.y)
		case opSymbol: // match tries it on the next symbol
		}
	}
	return false
}

// Limits of a pattern: how long it is, and groups in groups.
const (
	maxPattern = 4096
	maxNesting = 200
)

// A compiler makes a regex of a text. Each of its methods appends steps that
// go on at the step after them.
type compiler struct {
	text  string
	at    int
	code  []step
	depth int
	wrong string // what is wrong with the text; empty while nothing is
}

// compile reads a pattern; wrong says why it is none.
func compile(text string) (r *regex, wrong string) {
	if len(text) > maxPattern {
		return nil, fmt.Sprintf("a pattern of at most %d characters", maxPattern)
	}
	c := &compiler{text: text}
	c.alternatives()
	if c.wrong == "" && c.at < len(c.text) {
		c.wrong = "a '(' for every ')'"
	}
	if c.wrong != "" {
		return nil, c.wrong
	}
	c.emit(step{op: opMatch})
	return &regex{code: c.code}, ""
}

func (c *compiler) emit(s step) { c.code = append(c.code, s) }

func (c *compiler) fail(wrong string) {
	if c.wrong == "" {
		c.wrong = wrong
	}
	c.at = len(c.text)
}

func (c *compiler) more() bool { return c.at < len(c.text) }

// next says whether one of these characters comes next.
func (c *compiler) next(chars string) bool {
	return c.more() && strings.IndexByte(chars, c.text[c.at]) >= 0
}

// insert makes room for a split at step i and corrects what points behind it.
func (c *compiler) insert(i int) {
	c.code = append(c.code, step{})
	copy(c.code[i+1:], c.code[i:])
	for j := i + 1; j < len(c.code); j++ {
		s := &c.code[j]
		s.x++
		s.y++
	}
}

// alternatives reads a|b|c.
func (c *compiler) alternatives() {
	var jumps []int // from the end of an alternative over those that follow
	for {
		start := len(c.code)
		c.sequence()
		if !c.next("|") {
			break
		}
		c.at++
		c.insert(start)
		jumps = append(jumps, len(c.code))
		c.emit(step{op: opSplit})
		c.code[start] = step{op: opSplit, x: start + 1, y: len(c.code)}
	}
	for _, j := range jumps {
		c.code[j].x, c.code[j].y = len(c.code), len(c.code)
	}
}

// sequence reads what follows each other up to | or ).
func (c *compiler) sequence() {
	if !c.more() || c.next("|)") {
		c.fail("something to match, not nothing")
	}
	for c.more() && !c.next("|)") {
		c.repeated()
	}
}

// repeated reads one thing with any number of * + ? after it.
func (c *compiler) repeated() {
	start := len(c.code)
	c.single()
	for c.next("*+?") {
		op := c.text[c.at]
		c.at++
		if op == '+' {
			c.emit(step{op: opSplit, x: start, y: len(c.code) + 1})
			continue
		}
		c.insert(start)
		if op == '*' {
			c.emit(step{op: opSplit, x: start, y: start})
		}
		c.code[start] = step{op: opSplit, x: start + 1, y: len(c.code)}
	}
}

// single reads a character, a class or a group.
func (c *compiler) single() {
	var s symbols
	char := c.text[c.at]
	c.at++
	switch char {
	case '(':
		if c.depth++; c.depth > maxNesting {
			c.fail("fewer groups in groups")
			return
		}
		c.alternatives()
		c.depth--
		if c.wrong == "" && !c.next(")") {
			c.fail("a ')' for every '('")
		}
		c.at++
		return
	case '*', '+', '?':
		c.fail("something before '" + string(char) + "'")
	case '.':
		s.invert()
	case '^':
		s.add(begin)
	case '$':
		s.add(end)
	case '[':
		s = c.class()
	case '\\':
		if !c.more() {
			c.fail("a character after '\\'")
			return
		}
		s.add(int(escaped(c.text[c.at])))
		c.at++
	default:
		s.add(int(char))
	}
	c.emit(step{op: opSymbol, set: s, x: len(c.code) + 1})
}

// class reads the rest of [abc], [a-z] or [^a-z].
func (c *compiler) class() (s symbols) {
	negated := c.next("^")
	if negated {
		c.at++
	}
	for last := -1; ; {
		if !c.more() {
			c.fail("a ']' for every '['")
			return s
		}
		char := c.text[c.at]
		c.at++
		switch {
		case char == ']':
			if negated {
				s.invert()
			}
			return s
		case char == '-' && last >= 0 && c.more():
			// Whatever follows ends the range, even a ].
			to := int(c.text[c.at])
			c.at++
			for i := min(last, to); i <= max(last, to); i++ {
				s.add(i)
			}
			last = -1
			continue
		case char == '\\' && c.more():
			char = escaped(c.text[c.at])
			c.at++
		}
		last = int(char)
		s.add(last)
	}
}

// escaped is what a character after a backslash means.
func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c
	}
}
