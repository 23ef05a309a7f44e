package hbwire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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
	signature []byte // "NUMBER DIGEST" of signed; empty if the packet has none
}

// Decode reads a datagram in either encoding. The packet does not alias it.
//
// It fails with ErrMalformed or ErrLimit. Nothing in the packet may be believed before Keys.Verify.
func Decode(datagram []byte) (Packet, error) {
	return DecodeIn(make(Message, 0, usual), bytes.Clone(datagram))
}

// DecodeIn is Decode without memory of its own: the packet has its fields in that of fields, and aliases the datagram.
func DecodeIn(fields Message, datagram []byte) (Packet, error) {
	if len(datagram) > MaxMessage {
		return Packet{}, fmt.Errorf("read a heartbeat packet: %w: %d bytes, want at most %d", ErrLimit, len(datagram),
			MaxMessage)
	}
	read := readClassicPacket
	if bytes.HasPrefix(datagram, []byte(netstringStart)) {
		read = readNetstringPacket
	}
	p, err := read(fields[:0], datagram)
	if err == nil {
		err = p.Message.check(0)
	}
	if err != nil {
		return Packet{}, fmt.Errorf("read a heartbeat packet: %w", err)
	}
	if p.Encoding == Classic {
		if f, ok := p.Message.Get(FieldAuth); ok && f.Type == String {
			p.signature = f.Value
		}
		p.signed = p.Message.without(FieldAuth).appendLines(nil, 0)
	}
	return p, nil
}

func readNetstringPacket(fields Message, b []byte) (Packet, error) {
	m, rest, err := readNetstring(fields, b, 0)
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
	p.signature = signature
	return p, nil
}

func readClassicPacket(fields Message, b []byte) (Packet, error) {
	m, rest, err := readClassic(fields, b, 0)
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
	if len(p.signature) > 0 {
		err = k.verify(p.signature, p.signed)
	}
	if err != nil {
		return fmt.Errorf("verify a heartbeat packet of %.40q: %w", p.Message.Text(FieldSource), err)
	}
	return nil
}

// Sign is Draft.Sign for one message.
func (k Keys) Sign(m Message, e Encoding) ([]byte, error) {
	d := Draft{Message: slices.Clip(m)}
	return d.Sign(&k, e)
}
