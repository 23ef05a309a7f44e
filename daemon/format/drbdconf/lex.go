package drbdconf

import (
	"fmt"
	"strings"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = 0 // end of the file
	tokenWord   tokenKind = 1 // letters, digits and / . _ -
	tokenQuoted tokenKind = 2 // text is what the quotes hold, unescaped
	tokenPunct  tokenKind = 3 // one of { } ; [ ] : %
	tokenBad    tokenKind = 4 // nothing that the grammar knows; want says what would be
)

// A token is one word of a file. Source: drbd.conf, section 2.
type token struct {
	kind tokenKind
	text string
	want string
	Pos
}

const (
	maxWord   = 128
	maxQuoted = 255 // counted without the escapes
)

// is says whether the token is this punctuation.
func (t token) is(punct string) bool { return t.kind == tokenPunct && t.text == punct }

// isWord says whether the token is this keyword; a quoted word never is one.
func (t token) isWord(word string) bool { return t.kind == tokenWord && t.text == word }

// isText says whether the token can be a name or a value.
func (t token) isText() bool { return t.kind == tokenWord || t.kind == tokenQuoted }

// found is the token as an error names it.
func (t token) found() string {
	if t.kind == tokenEnd {
		return "end of file"
	}
	return t.text
}

// wrong is the error of this token standing where something else belongs.
func (t token) wrong(want string) *Error {
	if t.kind == tokenBad {
		want = t.want
	}
	return &Error{Pos: t.Pos, Found: t.found(), Want: want}
}

// A lexer cuts one file into tokens.
type lexer struct {
	text string
	at   int
	pos  Pos
}

// lex cuts a file into tokens; the last one is tokenEnd. What is wrong becomes
// a tokenBad, because inside skip { } nobody minds.
func lex(file, text string) []token {
	l := lexer{text: text, pos: Pos{File: file, Line: 1, Col: 1}}
	var all []token
	for {
		t := l.next()
		all = append(all, t)
		if t.kind == tokenEnd {
			return all
		}
	}
}

// advance moves n bytes on; none of them is a newline.
func (l *lexer) advance(n int) string {
	s := l.text[l.at : l.at+n]
	l.at += n
	l.pos.Col += n
	return s
}

func (l *lexer) blanks() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; c {
		case ' ', '\t', '\r':
			l.advance(1)
		case '\n':
			l.at++
			l.pos.Line, l.pos.Col = l.pos.Line+1, 1
		case '#':
			l.advance(l.restOfLine())
		default:
			return
		}
	}
}

// restOfLine counts the bytes up to the next newline.
func (l *lexer) restOfLine() int {
	if n := strings.IndexByte(l.text[l.at:], '\n'); n >= 0 {
		return n
	}
	return len(l.text) - l.at
}

func (l *lexer) next() token {
	l.blanks()
	t := token{Pos: l.pos}
	if l.at == len(l.text) {
		return t
	}
	c := l.text[l.at]
	switch {
	case strings.IndexByte("{};[]:%", c) >= 0:
		t.kind, t.text = tokenPunct, l.advance(1)
	case c == '"':
		l.quoted(&t)
	case isBare(c):
		n := 1
		for l.at+n < len(l.text) && isBare(l.text[l.at+n]) {
			n++
		}
		t.kind, t.text = tokenWord, l.advance(n)
		if n > maxWord {
			t.kind, t.want = tokenBad, fmt.Sprintf("a word of at most %d characters, or quotes around it", maxWord)
		}
	default:
		t.kind, t.text = tokenBad, printable(l.advance(1))
		t.want = "letters, digits, / . _ - or a quoted text"
	}
	return t
}

// quoted reads "…" on one line; a backslash takes the next character as it is.
func (l *lexer) quoted(t *token) {
	var b strings.Builder
	line := l.text[l.at : l.at+l.restOfLine()]
	for i := 1; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '"':
			l.advance(i + 1)
			t.kind, t.text = tokenQuoted, b.String()
			if b.Len() > maxQuoted {
				t.kind, t.want = tokenBad, fmt.Sprintf("at most %d characters in quotes", maxQuoted)
			}
			return
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			l.advance(len(line))
			t.kind, t.text, t.want = tokenBad, printable(string(c)), "no control characters in quotes"
			return
		case c == '\\' && i+1 < len(line):
			i++
			c = line[i]
		}
		b.WriteByte(c)
	}
	l.advance(len(line))
	t.kind, t.text, t.want = tokenBad, line, "a closing quote before the end of the line"
}

// isBare says whether a character needs no quotes.
func isBare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._-", c) >= 0
}

// quote writes a value so that lex reads it back.
func quote(s string) string {
	bare := s != "" && len(s) <= maxWord
	for i := range len(s) {
		bare = bare && isBare(s[i])
	}
	if bare {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// printable shows a byte that may not be one of a text.
func printable(s string) string { return strings.Trim(fmt.Sprintf("%+q", s), `"`) }
