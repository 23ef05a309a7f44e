package hbwire

import (
	"bytes"
	"fmt"
	"strconv"
)

const (
	netstringStart = "###\n"
	netstringEnd   = "%%%\n"
)

// appendNetstring appends the fields between start and end line, without the signature. Each field is
//
//	LEN ":" "(" TYPE ")" NAME "=" VALUE ","
//
// with LEN counting from "(" to the end of VALUE. Source: Heartbeat wire, section 1.3.
func (m Message) appendNetstring(dst []byte) []byte {
	dst = append(dst, netstringStart...)
	for _, f := range m {
		dst = strconv.AppendInt(dst, int64(len("(0)=")+len(f.Name)+len(f.Value)), 10)
		dst = append(dst, ':', '(', '0'+byte(f.Type), ')')
		dst = append(dst, f.Name...)
		dst = append(dst, '=')
		dst = append(dst, f.Value...)
		dst = append(dst, ',')
	}
	return append(dst, netstringEnd...)
}

// readNetstring splits b into a message, which is appended to fields, and what follows it. Values alias b; the caller
// checks the message.
func readNetstring(fields Message, b []byte, depth int) (m Message, rest []byte, err error) {
	if depth > maxDepth {
		return nil, nil, fmt.Errorf("%w: messages nested more than %d deep", ErrLimit, maxDepth)
	}
	rest, ok := bytes.CutPrefix(b, []byte(netstringStart))
	if !ok {
		return nil, nil, fmt.Errorf("%w: found %.8q, want a line ###", ErrMalformed, b)
	}
	m = fields
	for {
		if after, ended := bytes.CutPrefix(rest, []byte(netstringEnd)); ended {
			return m, after, nil
		}
		var text []byte
		if text, rest, err = takeNetstring(rest); err != nil {
			return nil, nil, fmt.Errorf("field %d: %w", len(m)+1, err)
		}
		if len(text) < 3 || text[0] != '(' || text[2] != ')' || text[1] < '0' || text[1] > '9' {
			return nil, nil, fmt.Errorf("field %d: %w: found %.40q, want (TYPE)NAME=VALUE", len(m)+1, ErrMalformed, text)
		}
		name, value, found := bytes.Cut(text[3:], []byte("="))
		if !found {
			return nil, nil, fmt.Errorf("field %d: %w: found %.40q, want NAME=VALUE", len(m)+1, ErrMalformed, text)
		}
		m = append(m, Field{Name: word(name), Type: Type(text[1] - '0'), Value: value})
	}
}

// takeNetstring splits b behind its first LEN:TEXT, and aliases it. LEN has no leading zero.
func takeNetstring(b []byte) (text, rest []byte, err error) {
	const digits = 6 // enough for MaxMessage
	n, at := 0, 0
	for ; at < min(len(b), digits) && b[at] >= '0' && b[at] <= '9'; at++ {
		n = 10*n + int(b[at]-'0')
	}
	if at == 0 || at == len(b) || b[at] != ':' || at > 1 && b[0] == '0' {
		return nil, nil, fmt.Errorf("%w: found %.12q, want LENGTH:TEXT", ErrMalformed, b)
	}
	body := b[at+1:]
	if n >= len(body) || body[n] != ',' {
		return nil, nil, fmt.Errorf("%w: no comma behind the %d bytes that %.12q announces", ErrMalformed, n, b)
	}
	return body[:n], body[n+1:], nil
}
