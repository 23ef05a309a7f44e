// Package hbwire is Heartbeat's datagram: an ordered list of named fields, in one of two encodings, signed with a key
// that both nodes share. What the messages mean, and when to send them, is for package liveness and package failover.
//
//	netstring   ###\n 11:(0)t=status, 8:(0)st=up, … %%%\n 10:1 e9f42509,      (no blanks; what Heartbeat 3.0.6 sends)
//	classic     >>>\n t=status\n st=up\n … auth=1 546431d7\n <<<\n NUL        (what Heartbeat 1.2 and 2 send)
//
// Decode reads both, Keys.Verify says whether a peer with a key made the packet, Keys.Sign writes either encoding.
package hbwire

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// A Type says what a field's value is. Source: Heartbeat wire, section 1.2.
type Type uint8

// The types on the wire. Clusters with haresources use String and Binary alone; the others are carried.
const (
	String     Type = 0 // text without NUL
	Binary     Type = 1
	Struct     Type = 2 // a nested message: ###\n…%%%\n without a signature, whichever encoding the packet had
	List       Type = 3 // strings, each as LEN:TEXT,
	Compressed Type = 4 // opaque; nothing here unpacks it
)

// A Field is one name=value of a message. The value is as netstring packets carry it, not escaped.
type Field struct {
	Name  string
	Type  Type
	Value []byte
}

// A Message is its fields in the order of the wire. Names are unique, but for lists.
//
// Look fields up by name: their order differs between senders, and counts for the signature alone.
type Message []Field

// UUID names a node for good, while its name may change. The zero UUID stands for none.
type UUID [16]byte

// Text is a field of text. Text with a NUL byte cannot be sent.
func Text(name, value string) Field { return Field{Name: name, Value: []byte(value)} }

// Hex is a field that holds a number in lower-case hexadecimal without prefix.
func Hex(name string, value uint64) Field {
	return Field{Name: name, Value: strconv.AppendUint(nil, value, 16)}
}

// Get returns the field called name, and whether there is one.
func (m Message) Get(name string) (Field, bool) {
	i := m.index(name)
	if i < 0 {
		return Field{}, false
	}
	return m[i], true
}

// Text returns the value of a field of text, or "" if there is none.
func (m Message) Text(name string) string {
	f, ok := m.Get(name)
	if !ok || f.Type != String {
		return ""
	}
	return word(f.Value)
}

// textLike is Text, in the memory of before if that is the same.
func (m Message) textLike(name, before string) string {
	if f, ok := m.Get(name); ok && f.Type == String && string(f.Value) == before {
		return before
	}
	return m.Text(name)
}

// Hex returns a number that is sent in hexadecimal. It fails if the field is missing or is no such number.
func (m Message) Hex(name string) (uint64, error) { return m.number(name, 16) }

// Decimal returns a number that is sent in decimal. It fails if the field is missing or is no such number.
func (m Message) Decimal(name string) (uint64, error) { return m.number(name, 10) }

// UUID returns a node's uuid. It is zero if the field is missing, or is not 16 bytes.
func (m Message) UUID(name string) (u UUID) {
	if f, ok := m.Get(name); ok && f.Type == Binary && len(f.Value) == len(u) {
		copy(u[:], f.Value)
	}
	return u
}

// Clone copies a message and its values.
func (m Message) Clone() Message {
	out := slices.Clone(m)
	for i := range out {
		out[i].Value = bytes.Clone(out[i].Value)
	}
	return out
}

// Set gives the field of that name a new type and value where it stands, or appends it.
func (m *Message) Set(f Field) {
	if i := m.index(f.Name); i >= 0 {
		(*m)[i] = f
		return
	}
	*m = append(*m, f)
}

// without returns a copy of the message that lacks one field, with room for one.
func (m Message) without(name string) Message {
	out := make(Message, 0, len(m)+1)
	for _, f := range m {
		if f.Name != name {
			out = append(out, f)
		}
	}
	return out
}

func (m Message) index(name string) int {
	for i := range m {
		if m[i].Name == name {
			return i
		}
	}
	return -1
}

func (m Message) number(name string, base int) (uint64, error) {
	f, ok := m.Get(name)
	if !ok {
		return 0, fmt.Errorf("field %s of %q: %w: found none, want a %s number", name, m.Text(FieldType), ErrField,
			baseNames[base])
	}
	n, err := strconv.ParseUint(string(f.Value), base, 64)
	if err != nil || f.Type != String {
		return 0, fmt.Errorf("field %s of %q: %w: found %.40q, want a %s number", name, m.Text(FieldType), ErrField,
			f.Value, baseNames[base])
	}
	return n, nil
}

var baseNames = map[int]string{10: "decimal", 16: "hexadecimal"}

// check says why the message cannot be sent, or must not be believed: depth is how many messages it is nested in.
func (m Message) check(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: messages nested more than %d deep", ErrLimit, maxDepth)
	}
	if err := m.checkNames(); err != nil {
		return err
	}
	for _, f := range m {
		if err := f.check(depth); err != nil {
			return err
		}
	}
	return nil
}

// few fields are compared each with each; nobody may send many and keep this node busy.
const few = 32

// checkNames fails if a field stands twice that may not.
func (m Message) checkNames() error {
	var seen map[string]bool
	if len(m) > few {
		seen = make(map[string]bool, len(m))
	}
	for i, f := range m {
		twice := seen[f.Name] || seen == nil && m[:i].index(f.Name) >= 0
		if twice && f.Type != List {
			return fmt.Errorf("%w: field %.40q stands twice", ErrMalformed, f.Name)
		}
		if seen != nil {
			seen[f.Name] = true
		}
	}
	return nil
}

// check keeps out what one of the two encodings could not carry: a signature covers the classic text, even in a
// netstring packet, so a line break smuggled into a name would make two messages one.
func (f Field) check(depth int) error {
	switch {
	case f.Name == "", f.Name[0] == '(', !isName(f.Name):
		return fmt.Errorf("%w: field name %.40q, want a word without '=', not starting with '('", ErrMalformed, f.Name)
	case f.Type == String && bytes.IndexByte(f.Value, 0) >= 0:
		return fmt.Errorf("%w: field %.40q is text, and holds a NUL byte", ErrMalformed, f.Name)
	case f.Type == Struct:
		nested, rest, err := readNetstring(nil, f.Value, depth+1)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%w: %d bytes behind the nested message", ErrMalformed, len(rest))
		}
		if err == nil {
			err = nested.check(depth + 1)
		}
		if err != nil {
			return fmt.Errorf("field %.40q: %w", f.Name, err)
		}
	case f.Type == List:
		return checkList(f)
	case f.Type > Compressed:
		return fmt.Errorf("%w: field %.40q has type %d, want 0 to 4", ErrMalformed, f.Name, f.Type)
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] == '=' || s[i] == '\n' || s[i] == 0 {
			return false
		}
	}
	return true
}

func checkList(f Field) error {
	for rest := f.Value; len(rest) > 0; {
		element, after, err := takeNetstring(rest)
		if err != nil {
			return fmt.Errorf("list %.40q: %w", f.Name, err)
		}
		if bytes.ContainsAny(element, "\n\x00") {
			return fmt.Errorf("%w: list %.40q has a line break or NUL byte in an element", ErrMalformed, f.Name)
		}
		rest = after
	}
	return nil
}
