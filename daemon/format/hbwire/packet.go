package hbwire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Limits, in bytes.
const (
	MaxMessage  = 256 << 10 // of what Decode reads
	MaxDatagram = 65507     // of what Sign makes: the most that UDP carries
)

// The size of a usual message: fields, and bytes of the packet that carries it.
const (
	usual     = 16
	usualSize = 384
)

// maxDepth bounds the messages nested in a message: the classic encoding has no more symbols for line breaks.
const maxDepth = 15

// Why a packet is dropped. None of them is answered; they are counted.
var (
	ErrMalformed  = errors.New("malformed heartbeat packet")
	ErrLimit      = errors.New("heartbeat packet beyond a limit")
	ErrUnsigned   = errors.New("heartbeat packet without signature")
	ErrUnknownKey = errors.New("no such key in authkeys")
	ErrDigest     = errors.New("wrong digest")
	ErrField      = errors.New("heartbeat message lacks a valid field")
)

// An Encoding is how a message becomes a datagram.
type Encoding uint8

// The encodings.
const (
	Netstring     Encoding = 0 // signed twice: in the field auth, and behind the message. What 3.0.6 sends by default
	BareNetstring Encoding = 1 // without the field auth: what 3.0.6 sends with "msgfmt netstring"
	Classic       Encoding = 2 // for peers that are heard in classic alone: they may know nothing else
)

// A Packet is a datagram that has been read, but not yet verified.
type Packet struct {
	Message   Message // includes the field auth, if there was one
	Encoding  Encoding
	signed    []byte
	signature string // "NUMBER DIGEST" of signed; empty if the packet has none
}

// Decode reads a datagram in either encoding. The packet does not alias it.
//
// It fails with ErrMalformed or ErrLimit. Nothing in the packet may be believed before Keys.Verify.
func Decode(datagram []byte) (Packet, error) {
	if len(datagram) > MaxMessage {
		return Packet{}, fmt.Errorf("read a heartbeat packet: %w: %d bytes, want at most %d", ErrLimit, len(datagram),
			MaxMessage)
	}
	b := bytes.Clone(datagram)
	read := readClassicPacket
	if bytes.HasPrefix(b, []byte(netstringStart)) {
		read = readNetstringPacket
	}
	p, err := read(b)
	if err == nil {
		err = p.Message.check(0)
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read a heartbeat packet: %w", err)
	}
	if p.Encoding == Classic {
		p.signature = p.Message.Text(FieldAuth)
		p.signed = p.Message.without(FieldAuth).appendLines(nil, 0)
	}
	return p, nil
}

func readNetstringPacket(b []byte) (Packet, error) {
	m, rest, err := readNetstring(b, 0)
	if err != nil {
		return Packet{}, err
	}
	p := Packet{Message: m, Encoding: BareNetstring, signed: b[:len(b)-len(rest)]}
	if m.index(FieldAuth) >= 0 {
		p.Encoding = Netstring
	}
	if len(rest) == 0 {
		return p, nil
	}
	signature, rest, err := takeNetstring(rest)
	switch {
	case err != nil:
		return Packet{}, fmt.Errorf("signature: %w", err)
	case len(rest) > 0:
		return Packet{}, fmt.Errorf("%w: %d bytes behind the signature", ErrMalformed, len(rest))
	}
	p.signature = string(signature)
	return p, nil
}

func readClassicPacket(b []byte) (Packet, error) {
	m, rest, err := readClassic(b, 0)
	if err != nil {
		return Packet{}, err
	}
	if len(rest) > 1 || len(rest) == 1 && rest[0] != 0 {
		return Packet{}, fmt.Errorf("%w: %d bytes behind the line <<<", ErrMalformed, len(rest))
	}
	return Packet{Message: m, Encoding: Classic}, nil
}

// Verify says whether a peer that knows a key of ours made the packet. It takes the key that the packet names.
//
// A netstring packet is judged by the signature behind it, which covers its field auth too; that field may be missing.
// It fails with ErrUnsigned, ErrUnknownKey or ErrDigest. Source: Heartbeat wire, section 2.2.
func (k Keys) Verify(p Packet) error {
	err := ErrUnsigned
	if p.signature != "" {
		err = k.verify(p.signature, p.signed)
	}
	if err != nil {
		return fmt.Errorf("verify a heartbeat packet of %.40q: %w", p.Message.Text(FieldSource), err)
	}
	return nil
}

// Sign returns the datagram that carries a message, signed with the current key. A field auth that the message has
// already is replaced.
//
// It fails with ErrMalformed, ErrLimit or ErrUnknownKey.
func (k Keys) Sign(m Message, e Encoding) ([]byte, error) {
	datagram, err := k.sealed(m.without(FieldAuth), e)
	if err == nil && len(datagram) > MaxDatagram {
		err = fmt.Errorf("%w: %d bytes, want at most %d", ErrLimit, len(datagram), MaxDatagram)
	}
	if err != nil {
		return nil, fmt.Errorf("write a heartbeat packet %.40q: %w", m.Text(FieldType), err)
	}
	return datagram, nil
}

func (k Keys) sealed(m Message, e Encoding) ([]byte, error) {
	if err := m.check(0); err != nil {
		return nil, err
	}
	if e != BareNetstring {
		signature, err := k.sign(m.appendLines(make([]byte, 0, usualSize), 0))
		if err != nil {
			return nil, err
		}
		m = append(m, Text(FieldAuth, signature))
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
	signature, err := k.sign(datagram)
	if err != nil {
		return nil, err
	}
	datagram = strconv.AppendInt(datagram, int64(len(signature)), 10)
	datagram = append(datagram, ':')
	datagram = append(datagram, signature...)
	return append(datagram, ','), nil
}
