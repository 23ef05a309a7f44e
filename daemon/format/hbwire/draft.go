package hbwire

import (
	"fmt"
	"strconv"
)

// A Draft is a message that is being written, in memory that the next one uses again: a node sends heartbeats all day.
// The zero Draft is an empty message.
type Draft struct {
	Message Message // valid until New, as its values are
	values  []byte
	lines   []byte // what the field auth signs
}

// New begins an empty message.
func (d *Draft) New() *Draft {
	d.Message, d.values = d.Message[:0], d.values[:0]
	return d
}

// Text sets a field of text. Text with a NUL byte cannot be sent.
func (d *Draft) Text(name, value string) *Draft {
	at := len(d.values)
	d.values = append(d.values, value...)
	return d.set(name, String, at)
}

// Hex sets a field that holds a number in lower-case hexadecimal without prefix.
func (d *Draft) Hex(name string, value uint64) *Draft {
	at := len(d.values)
	d.values = strconv.AppendUint(d.values, value, 16)
	return d.set(name, String, at)
}

// Decimal sets a field that holds a number in decimal.
func (d *Draft) Decimal(name string, value uint64) *Draft {
	at := len(d.values)
	d.values = strconv.AppendUint(d.values, value, 10)
	return d.set(name, String, at)
}

// Bytes sets a field of bytes.
func (d *Draft) Bytes(name string, value []byte) *Draft {
	at := len(d.values)
	d.values = append(d.values, value...)
	return d.set(name, Binary, at)
}

// Add appends the fields of another message. It aliases their values.
func (d *Draft) Add(m Message) *Draft {
	d.Message = append(d.Message, m...)
	return d
}

// set takes the value from what was appended to values last.
func (d *Draft) set(name string, t Type, at int) *Draft {
	end := len(d.values)
	d.Message.Set(Field{Name: name, Type: t, Value: d.values[at:end:end]})
	return d
}

// Sign returns the datagram that carries the message, signed with the current key. A field auth that the message has
// already is dropped.
//
// It fails with ErrMalformed, ErrLimit or ErrUnknownKey.
func (d *Draft) Sign(k *Keys, e Encoding) ([]byte, error) {
	if d.Message.index(FieldAuth) >= 0 {
		d.Message = d.Message.without(FieldAuth)
	}
	datagram, err := d.seal(k, e)
	if err == nil && len(datagram) > MaxDatagram {
		err = fmt.Errorf("%w: %d bytes, want at most %d", ErrLimit, len(datagram), MaxDatagram)
	}
	if err != nil {
		return nil, fmt.Errorf("write a heartbeat packet %.40q: %w", d.Message.Text(FieldType), err)
	}
	return datagram, nil
}

func (d *Draft) seal(k *Keys, e Encoding) (_ []byte, err error) {
	m := d.Message
	if err := m.check(0); err != nil {
		return nil, err
	}
	if e != BareNetstring {
		d.lines = m.appendLines(d.lines[:0], 0)
		at := len(d.values)
		if d.values, err = k.appendSignature(d.values, d.lines); err != nil {
			return nil, err
		}
		m = append(m, Field{Name: FieldAuth, Value: d.values[at:]})
		d.Message = m[:len(m)-1]
	}
	if e == Classic {
		for _, f := range m {
			if f.Type == Struct || f.Type == Compressed {
				return nil, fmt.Errorf("%w: field %.40q has type %d, want netstring for it", ErrMalformed, f.Name, f.Type)
			}
		}
		return append(m.AppendClassic(nil), 0), nil
	}
	datagram := m.appendNetstring(make([]byte, 0, usualSize))
	var own [signatureSize]byte
	signature, err := k.appendSignature(own[:0], datagram)
	if err != nil {
		return nil, err
	}
	datagram = strconv.AppendInt(datagram, int64(len(signature)), 10)
	datagram = append(datagram, ':')
	datagram = append(datagram, signature...)
	return append(datagram, ','), nil
}
