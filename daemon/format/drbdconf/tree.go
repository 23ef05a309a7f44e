package drbdconf

import (
	"fmt"
)

// A statement is words up to a semicolon or a block. The whole grammar has
// this shape; what the words mean is for later.
type statement struct {
	args  []token // at least one; the first is a keyword
	end   token   // the ; or { after them
	block bool
	body  []statement
}

// word is the keyword that the statement begins with.
func (s statement) word() string { return s.args[0].text }

// pos is where the statement begins.
func (s statement) pos() Pos { return s.args[0].Pos }

// after is the token that follows args[:n]: an argument too many, or the end.
func (s statement) after(n int) token {
	if n < len(s.args) {
		return s.args[n]
	}
	return s.end
}

// A tree makes statements of one file's tokens.
type tree struct {
	tokens []token
	at     int
}

// parseTree reads a whole file. The first mistake ends it: after a missing
// brace everything that follows would be wrong too.
func parseTree(file, text string) ([]statement, *Error) {
	t := tree{tokens: lex(file, text)}
	return t.statements(nil, 0)
}

func (t *tree) peek() token { return t.tokens[t.at] }

// take returns the next token; the end of the file stays.
func (t *tree) take() token {
	tok := t.tokens[t.at]
	if tok.kind != tokenEnd {
		t.at++
	}
	return tok
}

// statements reads up to the brace that closes the block of open, or to the
// end of the file if open is nil.
func (t *tree) statements(open *statement, depth int) ([]statement, *Error) {
	if depth > maxDepth {
		return nil, &Error{Pos: open.pos(), Found: open.word(), Want: fmt.Sprintf("at most %d blocks in blocks", maxDepth)}
	}
	var all []statement
	for {
		switch tok := t.peek(); {
		case tok.kind == tokenEnd && open == nil:
			return all, nil
		case tok.kind == tokenEnd:
			return nil, tok.wrong(fmt.Sprintf("'}' to close '%s {' of line %d", open.word(), open.pos().Line))
		case tok.is("}") && open != nil:
			t.take()
			return all, nil
		case tok.isWord("skip"):
			if err := t.skip(); err != nil {
				return nil, err
			}
		case tok.kind != tokenWord && open != nil:
			return nil, tok.wrong(fmt.Sprintf("a word of section %s, or '}'", open.word()))
		case tok.kind != tokenWord:
			return nil, tok.wrong("resource, global, common, include or skip")
		default:
			s, err := t.statement(depth)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
}

func (t *tree) statement(depth int) (statement, *Error) {
	s := statement{args: []token{t.take()}}
	for {
		tok := t.take()
		switch {
		case tok.is(";"):
			s.end = tok
			return s, nil
		case tok.is("{"):
			s.end, s.block = tok, true
			var err *Error
			s.body, err = t.statements(&s, depth+1)
			return s, err
		case tok.kind == tokenEnd, tok.kind == tokenBad, tok.is("}"):
			last := s.args[len(s.args)-1]
			return s, tok.wrong(fmt.Sprintf("';' or '{' after '%s'", clip(last.text)))
		default:
			s.args = append(s.args, tok)
		}
	}
}

// skip passes over "skip … { … }", whatever it holds. What stands before the
// brace is usually the section that somebody switched off.
func (t *tree) skip() *Error {
	start := t.take()
	for !t.peek().is("{") {
		if tok := t.take(); tok.kind == tokenEnd || tok.is(";") {
			return tok.wrong("'{' after 'skip'")
		}
	}
	for depth := 0; ; {
		switch tok := t.take(); {
		case tok.is("{"):
			depth++
		case tok.is("}"):
			depth--
		case tok.kind == tokenEnd:
			return tok.wrong(fmt.Sprintf("'}' to close 'skip {' of line %d", start.Line))
		}
		if depth == 0 {
			return nil
		}
	}
}
