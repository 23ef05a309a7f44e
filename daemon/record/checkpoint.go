package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"unsafe"

	"github.com/optionc/pollux/daemon/core/foreign"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
)

// A checkpoint is all of a machine's memory as bytes: field by field, slices
// and maps with their lengths in front, runs of equal words in large bitmaps
// shortened. It fits only a version whose machine has the same fields, which
// Layout tells.

// checkpoint appends m to b.
func checkpoint(b []byte, m *machine.Machine) ([]byte, error) {
	e := walker{b: b, self: reflect.ValueOf(m)}
	e.value(reflect.ValueOf(m).Elem())
	return e.b, e.err
}

// restore makes a machine out of a checkpoint.
func restore(b []byte) (m *machine.Machine, err error) {
	m = &machine.Machine{}
	d := walker{b: b, self: reflect.ValueOf(m), decodes: true}
	d.value(reflect.ValueOf(m).Elem())
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes are left over", len(d.b))
	}
	return m, d.err
}

// Layout is a number that differs between versions whose checkpoints do not
// fit each other.
func Layout() uint32 {
	seen := map[reflect.Type]bool{}
	var text []byte
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		text = append(append(text, t.String()...), t.Kind().String()...)
		if seen[t] {
			return
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Struct:
			for f := range t.Fields() {
				text = append(text, f.Name...)
				walk(f.Type)
			}
		case reflect.Map:
			walk(t.Key())
			walk(t.Elem())
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(t.Elem())
		default:
		}
	}
	for _, t := range variants {
		walk(t)
	}
	return crc32.ChecksumIEEE(text)
}

// walker goes through a value and writes or reads it.
type walker struct {
	b       []byte
	self    reflect.Value // the machine, to which a part may point back
	decodes bool
	err     error
}

var errTruncated = errors.New("the checkpoint ends too early")

func (w *walker) number(v uint64) uint64 {
	if !w.decodes {
		w.b = binary.AppendUvarint(w.b, v)
		return v
	}
	v, n := binary.Uvarint(w.b)
	if n <= 0 {
		w.err, w.b = errTruncated, nil
		return 0
	}
	w.b = w.b[n:]
	return v
}

// value goes through anything that a machine is made of.
func (w *walker) value(v reflect.Value) {
	if v.CanAddr() { // also what only its package may set
		v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	}
	if w.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		bit := uint64(0)
		if v.Bool() {
			bit = 1
		}
		if bit = w.number(bit); w.decodes {
			v.SetBool(bit != 0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := w.number(uint64(v.Int())); w.decodes {
			v.SetInt(int64(n))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := w.number(v.Uint()); w.decodes {
			v.SetUint(n)
		}
	case reflect.String:
		w.text(v)
	case reflect.Struct:
		for _, f := range v.Fields() {
			w.value(f)
		}
	case reflect.Array:
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Slice:
		w.slice(v)
	case reflect.Map:
		w.dictionary(v)
	case reflect.Pointer:
		w.pointer(v)
	case reflect.Interface:
		w.variant(v)
	default:
		w.err = fmt.Errorf("a machine has a %v", v.Type())
	}
}

// variants are what an interface in a machine may hold. The first is a part's
// view of the machine itself.
var variants = [...]reflect.Type{
	reflect.TypeFor[*machine.Machine](), reflect.TypeFor[*replica.Resource](), reflect.TypeFor[*foreign.Resource](),
}

func (w *walker) variant(v reflect.Value) {
	which := 0 // nil
	if !v.IsNil() {
		which = 1 + slices.Index(variants[:], v.Elem().Type())
		if which == 0 {
			w.err = fmt.Errorf("a machine has a %v in a %v", v.Elem().Type(), v.Type())
			return
		}
	}
	which = int(w.number(uint64(which)))
	switch {
	case which == 0 || w.err != nil:
	case which > len(variants):
		w.err = errTruncated
	case which == 1:
		if w.decodes {
			v.Set(w.self)
		}
	case w.decodes:
		one := reflect.New(variants[which-1].Elem())
		w.value(one.Elem())
		v.Set(one)
	default:
		w.value(v.Elem().Elem())
	}
}

func boolOf(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

func (w *walker) text(v reflect.Value) {
	n := w.number(uint64(v.Len()))
	switch {
	case !w.decodes:
		w.b = append(w.b, v.String()...)
	case uint64(len(w.b)) < n:
		w.err = errTruncated
	default:
		v.SetString(string(w.b[:n]))
		w.b = w.b[n:]
	}
}

func (w *walker) pointer(v reflect.Value) {
	if w.number(boolOf(!v.IsNil())) == 0 || w.err != nil {
		return
	}
	if w.decodes {
		v.Set(reflect.New(v.Type().Elem()))
	}
	w.value(v.Elem())
}

// most is more than any slice of a machine has: what says it has more is
// damaged.
const most = 1 << 32

func (w *walker) slice(v reflect.Value) {
	n := w.number(uint64(v.Len()))
	if w.decodes {
		if n > most || n > uint64(len(w.b)) && v.Type().Elem().Kind() != reflect.Uint64 {
			w.err = errTruncated
			return
		}
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), int(n), int(n)))
	}
	if v.Type().Elem().Kind() == reflect.Uint64 && n > 0 {
		w.words(unsafe.Slice((*uint64)(v.UnsafePointer()), int(n)))
		return
	}
	for i := range int(n) {
		w.value(v.Index(i))
	}
}

// words goes through a slice of words as runs of equal ones.
func (w *walker) words(words []uint64) {
	for i := 0; i < len(words) && w.err == nil; {
		run := 1
		if !w.decodes {
			for i+run < len(words) && words[i+run] == words[i] {
				run++
			}
		}
		run = int(w.number(uint64(run)))
		value := w.number(words[i])
		if run < 1 || run > len(words)-i {
			w.err = errTruncated
			return
		}
		if w.decodes {
			for j := range run {
				words[i+j] = value
			}
		}
		i += run
	}
}

// dictionary goes through a map in an order of its own: equal machines have
// equal checkpoints.
func (w *walker) dictionary(v reflect.Value) {
	n := w.number(uint64(v.Len()))
	if !w.decodes {
		var entries [][]byte
		for it := v.MapRange(); it.Next(); {
			one := walker{self: w.self}
			one.value(addressable(it.Key()))
			one.value(addressable(it.Value()))
			entries = append(entries, one.b)
		}
		slices.SortFunc(entries, func(a, b []byte) int { return slices.Compare(a, b) })
		w.b = append(w.b, slices.Concat(entries...)...)
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := uint64(0); i < n && w.err == nil; i++ {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		w.value(key)
		w.value(value)
		v.SetMapIndex(key, value)
	}
}

// addressable is a copy of a value whose fields can be gone through.
func addressable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}
