package witnesswire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Memory is what is known of a pair of nodes where a witness only stores. It is
// text, a line for each node that has written and for each group:
//
//	pollux-witness 1 5577006791947779410
//	node milo1 17
//	group drbddisk::r1 holder=milo1 turn=16 ms=30000 ahead=milo1 equal=yes clear=milo2
//
// What is not so is left out. Names have no blanks and no commas.
type Memory struct {
	// Life is the Incarnation of answers. It is another one when the store was
	// empty, or has gone back to what it was before.
	Life   uint64
	Nodes  []Writer  // at most two
	Groups []Promise // sorted by name
}

// Writer is a node, and how often it has written. The number only grows.
type Writer struct {
	Name string
	Turn uint64
}

// Promise is what is known of one group.
type Promise struct {
	Group  string
	Holder string        // who has the vote; empty: nobody had it yet
	Turn   uint64        // of the holder, when it got the vote last
	Length time.Duration // whole milliseconds from then; 0: it was given back
	Ahead  string        // a node that has gone on alone
	Equal  bool          // both nodes' data were equal, and no node has gone on alone since
	Clear  []string      // nodes that say that they do not hold the group
}

// memoryVersion is the only one there is; maxMemory bounds the text.
const (
	memoryTitle   = "pollux-witness"
	memoryVersion = "1"
	maxMemory     = 1 << 20
)

// Append writes the text.
func (m Memory) Append(b []byte) []byte {
	b = fmt.Appendf(b, "%s %s %d\n", memoryTitle, memoryVersion, m.Life)
	for _, n := range m.Nodes {
		b = fmt.Appendf(b, "node %s %d\n", n.Name, n.Turn)
	}
	for _, p := range m.Groups {
		b = append(append(b, "group "...), p.Group...)
		if p.Holder != "" {
			b = fmt.Appendf(b, " holder=%s turn=%d ms=%d", p.Holder, p.Turn, p.Length.Milliseconds())
		}
		if p.Ahead != "" {
			b = fmt.Appendf(b, " ahead=%s", p.Ahead)
		}
		if p.Equal {
			b = append(b, " equal=yes"...)
		}
		if len(p.Clear) > 0 {
			b = fmt.Appendf(b, " clear=%s", strings.Join(p.Clear, ","))
		}
		b = append(b, '\n')
	}
	return b
}

// DecodeMemory reads the text.
func DecodeMemory(b []byte) (m Memory, err error) {
	if len(b) > maxMemory {
		return Memory{}, fmt.Errorf("memory of a witness: found %d bytes, want at most %d", len(b), maxMemory)
	}
	number := 0
	for line := range strings.Lines(string(b)) {
		number++
		if err := m.line(number, strings.Fields(line)); err != nil {
			return Memory{}, fmt.Errorf("memory of a witness, line %d: found %.80q, want %w", number, line, err)
		}
	}
	if number == 0 {
		return Memory{}, errors.New("memory of a witness: found nothing")
	}
	return m, nil
}

func (m *Memory) line(number int, words []string) (err error) {
	switch {
	case number == 1:
		if len(words) != 3 || words[0] != memoryTitle || words[1] != memoryVersion {
			return fmt.Errorf("%s %s and a number", memoryTitle, memoryVersion)
		}
		m.Life, err = strconv.ParseUint(words[2], 10, 64)
		return err
	case len(words) == 3 && words[0] == "node" && len(m.Nodes) < 2:
		turn, err := strconv.ParseUint(words[2], 10, 64)
		m.Nodes = append(m.Nodes, Writer{Name: words[1], Turn: turn})
		return err
	case len(words) >= 2 && words[0] == "group":
		p := Promise{Group: words[1]}
		if n := len(m.Groups); n > 0 && m.Groups[n-1].Group >= p.Group {
			return errors.New("groups in order")
		}
		for _, w := range words[2:] {
			if err := p.set(w); err != nil {
				return err
			}
		}
		m.Groups = append(m.Groups, p)
		return nil
	default:
		return errors.New("at most two nodes, and groups")
	}
}

// maxLength is the longest promise that is believed: no lease is as long.
const maxLength = 24 * time.Hour

func (p *Promise) set(word string) error {
	name, value, _ := strings.Cut(word, "=")
	if value == "" {
		return errors.New("NAME=VALUE")
	}
	var err error
	switch name {
	case "holder":
		p.Holder = value
	case "turn":
		p.Turn, err = strconv.ParseUint(value, 10, 64)
	case "ms":
		var ms uint64
		ms, err = strconv.ParseUint(value, 10, 32)
		if p.Length = time.Duration(ms) * time.Millisecond; p.Length > maxLength {
			return fmt.Errorf("at most %v", maxLength)
		}
	case "ahead":
		p.Ahead = value
	case "equal":
		p.Equal = value == "yes"
	case "clear":
		p.Clear = strings.Split(value, ",")
	default:
		return errors.New("holder, turn, ms, ahead, equal or clear")
	}
	return err
}

// Writer finds how often a node has written.
func (m *Memory) Writer(name string) *Writer {
	i := slices.IndexFunc(m.Nodes, func(w Writer) bool { return w.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Nodes[i]
}
