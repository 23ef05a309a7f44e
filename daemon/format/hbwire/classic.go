package hbwire

import (
	"bytes"
	"encoding/base64"
	"fmt"
)

const (
	classicStart = ">>>\n"
	classicEnd   = "<<<\n"
)

// lineBreak stands for a line break inside text, since the lines of the classic encoding end with one.
const lineBreak = 0x13

// nestedBreaks stand for the line breaks of a nested message, one for each depth.
var nestedBreaks = [maxDepth + 1]byte{20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 15, 16, 17, 18}

// AppendClassic appends the message as classic text: a line >>>, one line for each field, a line <<<. Datagrams and
// API records put a NUL byte behind it. Source: Heartbeat wire, section 1.4.
func (m Message) AppendClassic(dst []byte) []byte {
	dst = append(dst, classicStart...)
	dst = m.appendLines(dst, 0)
	return append(dst, classicEnd...)
}

// appendLines appends the fields alone: what the field auth signs.
func (m Message) appendLines(dst []byte, depth int) []byte {
	for _, f := range m {
		if f.Type != String {
			dst = append(dst, '(', '0'+byte(f.Type), ')')
		}
		dst = append(dst, f.Name...)
		dst = append(dst, '=')
		switch f.Type {
		case String:
			at := len(dst)
			dst = append(dst, f.Value...)
			for i := range dst[at:] {
				if dst[at+i] == '\n' {
					dst[at+i] = lineBreak
				}
			}
		case Binary, Compressed:
			dst = base64.StdEncoding.AppendEncode(dst, f.Value)
		case Struct:
			dst = appendNested(dst, f.Value, depth)
		default:
			dst = append(dst, f.Value...)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendNested turns a nested message from netstring into classic text on one line.
func appendNested(dst, netstring []byte, depth int) []byte {
	nested, _, err := readNetstring(nil, netstring, depth+1)
	if err != nil {
		return dst // a message that check has passed has no such field
	}
	text := append([]byte(classicStart), nested.appendLines(nil, depth+1)...)
	text = append(text, classicEnd...)
	return append(dst, bytes.ReplaceAll(text, []byte{'\n'}, nestedBreaks[depth:depth+1])...)
}

// readClassic splits b into a message, which is appended to fields, and what follows its line <<<. Text values alias b; the caller checks the
// message. Empty lines are skipped, as Heartbeat does.
func readClassic(fields Message, b []byte, depth int) (m Message, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("%w: messages nested more than %d deep", ErrLimit, maxDepth)
	}
	rest, ok := bytes.CutPrefix(b, []byte(classicStart))
	if !ok {
		return nil, nil, fmt.Errorf("%w: found %.8q, want a line >>>", ErrMalformed, b)
	}
	m = fields
	for {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		switch {
		case !ended:
			return nil, nil, fmt.Errorf("%w: found no line <<< behind %d fields", ErrMalformed, len(m))
		case string(line) == "<<<":
			return m, after, nil
		case len(line) > 0:
			f, err := readLine(line, depth)
			if err != nil {
				return nil, nil, fmt.Errorf("field %d: %w", len(m)+1, err)
			}
			m = append(m, f)
		}
		rest = after
	}
}

// readLine reads [(TYPE)]NAME=VALUE.
func readLine(line []byte, depth int) (Field, error) {
	name, text, found := bytes.Cut(line, []byte("="))
	if !found {
		return Field{}, fmt.Errorf("%w: found %.40q, want NAME=VALUE", ErrMalformed, line)
	}
	f := Field{Type: String}
	if len(name) > 0 && name[0] == '(' {
		if len(name) < 3 || name[2] != ')' || name[1] < '0' || name[1] > '9' {
			return Field{}, fmt.Errorf("%w: found %.40q, want (TYPE)NAME=VALUE", ErrMalformed, line)
		}
		f.Type, name = Type(name[1]-'0'), name[3:]
	}
	f.Name = word(name)
	var err error
	switch f.Type {
	case String:
		f.Value = bytes.ReplaceAll(text, []byte{lineBreak}, []byte{'\n'})
	case Binary, Compressed:
		f.Value, err = base64.StdEncoding.Strict().AppendDecode([]byte{}, text)
		if err != nil {
			err = fmt.Errorf("%w: %.40q: found %.40q, want base64: %w", ErrMalformed, name, text, err)
		}
	case Struct:
		f.Value, err = readNested(text, depth)
	default:
		f.Value = text
	}
	return f, err
}

// readNested turns a nested message from classic text on one line into netstring.
func readNested(text []byte, depth int) ([]byte, error) {
	lines := bytes.ReplaceAll(text, nestedBreaks[depth:depth+1], []byte{'\n'})
	nested, rest, err := readClassic(nil, lines, depth+1)
	switch {
	case err != nil:
		return nil, err
	case len(rest) > 0:
		return nil, fmt.Errorf("%w: %d bytes behind the nested message", ErrMalformed, len(rest))
	}
	return nested.appendNetstring(nil), nil
}
