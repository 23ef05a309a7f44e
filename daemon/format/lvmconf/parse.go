package lvmconf

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits that keep a broken or hostile file from costing more than a moment.
const (
	maxText  = 1 << 20
	maxDepth = 16 // of sections in sections
)

// A parser reads one file.
type parser struct {
	text string
	at   int
	pos  Pos
	to   *Config
}

// Parse reads the text of one file. A mistake is an *Error with its place; the
// first one ends the reading, as it does for LVM.
func Parse(file string, text []byte) (*Config, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("read configuration %s: %d bytes, want at most %d", file, len(text), maxText)
	}
	p := &parser{
		text: string(text),
		pos:  Pos{File: file, Line: 1, Col: 1},
		to:   &Config{settings: map[string]Setting{}},
	}
	if err := p.section("", 0); err != nil {
		return nil, err
	}
	return p.to, nil
}

// section reads assignments and sections up to a closing brace, or at depth 0
// to the end of the file.
func (p *parser) section(path string, depth int) *Error {
	start := p.pos
	for {
		p.blanks()
		at := p.pos
		switch {
		case p.at == len(p.text) && depth > 0:
			return p.wrong(at, fmt.Sprintf("'}' to close section %s of line %d", path, start.Line))
		case p.at == len(p.text):
			return nil
		case p.peek() == '}' && depth > 0:
			p.advance(1)
			return nil
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		if path != "" {
			name = path + "/" + name
		}
		p.blanks()
		switch p.peek() {
		case '{':
			if depth == maxDepth {
				return p.wrong(at, fmt.Sprintf("at most %d sections in sections", maxDepth))
			}
			p.advance(1)
			err = p.section(name, depth+1)
		case '=':
			p.advance(1)
			err = p.assign(name, at)
		default:
			err = p.wrong(p.pos, fmt.Sprintf("'=' or '{' after '%s'", name))
		}
		if err != nil {
			return err
		}
	}
}

// name reads the name of a section or setting.
func (p *parser) name() (string, *Error) {
	if c := p.peek(); c == '"' || c == '\'' {
		v, err := p.quoted()
		return v.Text, err
	}
	n := 0
	for p.at+n < len(p.text) && p.text[p.at+n] > ' ' && strings.IndexByte("#={}[],\"'", p.text[p.at+n]) < 0 {
		n++
	}
	if n == 0 {
		return "", p.wrong(p.pos, "the name of a section or setting")
	}
	return p.advance(n), nil
}

// assign reads the value of a setting. Of two values the last one counts.
func (p *parser) assign(path string, at Pos) *Error {
	values, err := p.values()
	if err != nil {
		return err
	}
	if before, again := p.to.settings[path]; again {
		p.to.Warnings = append(p.to.Warnings, Warning{
			Pos: before.Pos, Text: fmt.Sprintf("%s is void: it is set again at %s", path, at),
		})
	}
	p.to.settings[path] = Setting{Values: values, Pos: at}
	return nil
}

// values reads one value, or an array of them.
func (p *parser) values() ([]Value, *Error) {
	p.blanks()
	if p.peek() != '[' {
		v, err := p.value()
		return []Value{v}, err
	}
	p.advance(1)
	var all []Value
	for {
		p.blanks()
		if p.peek() == ']' {
			p.advance(1)
			return all, nil
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		p.blanks()
		switch p.peek() {
		case ',':
			p.advance(1)
		case ']':
		default:
			return nil, p.wrong(p.pos, "',' or ']' after a value of an array")
		}
	}
}

// value reads a string or a number.
func (p *parser) value() (Value, *Error) {
	c := p.peek()
	switch {
	case c == '"' || c == '\'':
		return p.quoted()
	case c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+':
		return p.number()
	}
	n := 0
	for p.at+n < len(p.text) && isBare(p.text[p.at+n]) {
		n++
	}
	v := Value{Kind: String, Pos: p.pos}
	if n == 0 {
		return v, p.wrong(p.pos, "a value: a string, a number or an array")
	}
	v.Text = p.advance(n)
	return v, nil
}

// isBare says whether a character of a string needs no quotes.
func isBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("@-_./:+", c) >= 0
}

func (p *parser) number() (Value, *Error) {
	v := Value{Kind: Int, Pos: p.pos}
	n := 1
	for p.at+n < len(p.text) && (p.text[p.at+n] >= '0' && p.text[p.at+n] <= '9' || p.text[p.at+n] == '.') {
		n++
	}
	v.Text = p.advance(n)
	var err error
	if strings.Contains(v.Text, ".") {
		v.Kind = Float
		_, err = strconv.ParseFloat(v.Text, 64)
	} else {
		v.Int, err = strconv.ParseInt(v.Text, 10, 64)
	}
	if err != nil {
		return v, &Error{Pos: v.Pos, Found: v.Text, Want: "a number"}
	}
	return v, nil
}

// quoted reads "…", where a backslash protects a quote or a backslash, or '…'
// as it stands. Both may go over several lines.
func (p *parser) quoted() (Value, *Error) {
	v := Value{Kind: String, Pos: p.pos}
	quote := p.peek()
	p.advance(1)
	var b strings.Builder
	for {
		switch c := p.peek(); {
		case p.at == len(p.text):
			return v, p.wrong(p.pos, fmt.Sprintf("%c to close the string of line %d", quote, v.Pos.Line))
		case c == quote:
			p.advance(1)
			v.Text = b.String()
			return v, nil
		case c == '\\' && quote == '"' && p.at+1 < len(p.text) && strings.IndexByte(`"\`, p.text[p.at+1]) >= 0:
			p.advance(1)
		}
		b.WriteString(p.advance(1))
	}
}

// peek is the next character, 0 at the end.
func (p *parser) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// advance moves n bytes on.
func (p *parser) advance(n int) string {
	s := p.text[p.at : p.at+n]
	p.at += n
	if lines := strings.Count(s, "\n"); lines > 0 {
		p.pos.Line += lines
		p.pos.Col = len(s) - strings.LastIndexByte(s, '\n')
	} else {
		p.pos.Col += n
	}
	return s
}

// blanks passes over white space and comments.
func (p *parser) blanks() {
	for p.at < len(p.text) {
		switch p.peek() {
		case ' ', '\t', '\r', '\n':
			p.advance(1)
		case '#':
			n := strings.IndexByte(p.text[p.at:], '\n')
			if n < 0 {
				n = len(p.text) - p.at
			}
			p.advance(n)
		default:
			return
		}
	}
}

// wrong is the error of what stands at the reader, reported at a place.
func (p *parser) wrong(at Pos, want string) *Error {
	found := "end of file"
	if p.at < len(p.text) {
		found = strings.Trim(strconv.QuoteRuneToASCII(rune(p.text[p.at])), "'")
	}
	return &Error{Pos: at, Found: found, Want: want}
}
