// Package journal is the encoding of what happened to a node: each input of
// its machine with its time, and what the machine wanted done about it, in
// short. The same inputs give the same effects, so a journal is all that is
// needed to see again what a node did, and why. Payloads are handles, and are
// left out; what the core looks into is kept.
//
// An entry is, one after the other:
//
//	uvarint   time since the entry before, ns
//	byte      part of the machine
//	uvarint   index of the resource
//	4 bytes   which fields of the part's input follow, the first in the lowest bit
//	fields    numbers as uvarint, bytes and text with their length in front
//	uvarint   number of effects; of each a byte for its part and one for its kind
//	4 bytes   Digest of the effects
//
// Integers of a fixed size are little endian.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// ErrShort is wrapped by the error about an entry that ends too early.
var ErrShort = errors.New("the entry ends too early")

// Did is an effect in short: which part wanted what.
type Did struct {
	Part machine.Part
	Kind uint8
}

// Entry is one input and what came of it.
type Entry struct {
	At     time.Duration // on the node's monotonic clock
	Input  machine.Input
	Did    []Did
	Digest uint32 // of the effects
}

// Append encodes an input at a time, the one before it being at last, and its
// effects.
func Append(b []byte, last, at time.Duration, in *machine.Input, effects []machine.Effect) []byte {
	b = binary.AppendUvarint(b, uint64(at-last))
	b = append(b, byte(in.Part))
	b = binary.AppendUvarint(b, uint64(in.Resource))
	c := coder{b: append(b, 0, 0, 0, 0), mask: len(b)}
	c.input(in)
	binary.LittleEndian.PutUint32(c.b[c.mask:], c.present)
	b = binary.AppendUvarint(c.b, uint64(len(effects)))
	for i := range effects {
		d := DidOf(&effects[i])
		b = append(b, byte(d.Part), d.Kind)
	}
	return binary.LittleEndian.AppendUint32(b, Digest(effects))
}

// Decode reads the entry at the front of b, the one before it being at last.
// The entry aliases b.
func Decode(b []byte, last time.Duration) (e Entry, rest []byte, err error) {
	c := coder{b: b, decodes: true}
	e.At = last + time.Duration(c.uvarint())
	e.Input.Part = machine.Part(c.take(1)[0])
	e.Input.Resource = int(c.uvarint())
	c.present = binary.LittleEndian.Uint32(c.take(4))
	c.input(&e.Input)
	n := c.uvarint()
	if c.err == nil && n > uint64(len(c.b))/2 {
		c.err = ErrShort
	}
	for i := uint64(0); i < n && c.err == nil; i++ {
		did := c.take(2)
		e.Did = append(e.Did, Did{machine.Part(did[0]), did[1]})
	}
	e.Digest = binary.LittleEndian.Uint32(c.take(4))
	if c.err == nil && e.Input.Part > machine.Lease {
		c.err = fmt.Errorf("part %d is none of a machine's", e.Input.Part)
	}
	if c.err != nil {
		return Entry{}, nil, c.err
	}
	return e, c.b, nil
}

// coder goes through the fields of an input, and writes or reads them: one
// list of fields is both directions.
type coder struct {
	b       []byte
	decodes bool
	mask    int    // where the mask stands, when encoding
	present uint32 // fields that are not zero
	field   int
	err     error
}

// next counts a field, and tells whether there is something to read or write.
func (c *coder) next(zero bool) bool {
	bit := uint32(1) << c.field
	c.field++
	if !c.decodes && !zero {
		c.present |= bit
	}
	return c.present&bit != 0
}

func (c *coder) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.err, c.b = ErrShort, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// take reads n bytes; zeros when there are none.
func (c *coder) take(n uint64) []byte {
	if uint64(len(c.b)) < n {
		c.err, c.b = ErrShort, nil
		return make([]byte, min(n, 4))
	}
	if n == 0 {
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

// number is for fields of every integer type.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int | ~int64](c *coder, at *T) {
	switch {
	case !c.next(*at == 0):
	case c.decodes:
		*at = T(c.uvarint())
	default:
		c.b = binary.AppendUvarint(c.b, uint64(*at))
	}
}

func (c *coder) flag(at *bool) {
	if c.next(!*at) {
		*at = true
	}
}

func (c *coder) bytes(at *[]byte) {
	switch {
	case !c.next(len(*at) == 0):
	case c.decodes:
		*at = c.take(c.uvarint())
	default:
		c.b = append(binary.AppendUvarint(c.b, uint64(len(*at))), *at...)
	}
}

func (c *coder) text(at *string) {
	switch {
	case !c.next(*at == ""):
	case c.decodes:
		*at = string(c.take(c.uvarint()))
	default:
		c.b = append(binary.AppendUvarint(c.b, uint64(len(*at))), *at...)
	}
}

func (c *coder) message(at *hbwire.Message) {
	switch {
	case !c.next(len(*at) == 0):
	case c.decodes:
		for n := c.uvarint(); n > 0 && c.err == nil; n-- {
			f := hbwire.Field{Name: string(c.take(c.uvarint()))}
			f.Type = hbwire.Type(c.uvarint())
			f.Value = c.take(c.uvarint())
			*at = append(*at, f)
		}
	default:
		c.b = binary.AppendUvarint(c.b, uint64(len(*at)))
		for _, f := range *at {
			c.b = append(binary.AppendUvarint(c.b, uint64(len(f.Name))), f.Name...)
			c.b = binary.AppendUvarint(c.b, uint64(f.Type))
			c.b = append(binary.AppendUvarint(c.b, uint64(len(f.Value))), f.Value...)
		}
	}
}
