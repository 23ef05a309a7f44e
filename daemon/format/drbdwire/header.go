// Package drbdwire turns DRBD 8.4's packets into values and back: protocol
// versions 86 to 101, the two sockets, three header formats.
//
// A payload type has Append, which adds its bytes (without a header) to a
// slice, and a Decode function, which checks the length and never keeps the
// bytes it was given. Integers are big endian unless a type says otherwise. A
// decoder judges the form of a packet, and ranges that no device can have; what
// a well-formed value means for a connection is for the cores to judge.
//
// The order on the wire is header, then the fixed part of the payload (to which
// an integrity digest belongs), then the bulk data; Split says how long each is
// before any byte of the payload has been read.
//
// There is no order between the two sockets. Who needs one makes it: a target
// sends a P_PING after its last acks, and ends a resync when the answer is
// there. A kernel also pings on the meta socket as soon as its own part of the
// handshake is over, so that a P_PING may be read before the P_FEATURES or
// P_AUTH_RESPONSE that were sent before it on the data socket; it wants the
// answer within ping-timeout all the same (seen with 8.4.11 on Linux 6.1).
package drbdwire

import (
	"encoding/binary"
	"fmt"
)

// A HeaderFormat is one of the three layouts of a packet header. Integers are
// big endian; Length counts the bytes after the header.
//
//	       H80             H95             H100
//	size   8               8               16
//	0      magic 83740267  magic 835a      magic 8620ec20
//	2                      command
//	4      command         length, 4 bytes volume, 2 bytes
//	6      length, 2 bytes                 command
//	8                                      length, 4 bytes
//	12                                     0, 4 bytes
//
// Source: DRBD 8.4 wire, section 2.
type HeaderFormat uint8

// The header formats, named after the protocol version that brought them.
const (
	H80  HeaderFormat = 1
	H95  HeaderFormat = 2
	H100 HeaderFormat = 3
)

const (
	magic80  = 0x83740267
	magic95  = 0x835a
	magic100 = 0x8620ec20

	// maxH80 is where a sender of versions 95 to 99 changes to H95.
	maxH80 = 32768
)

// Size is the number of bytes of a header.
func (f HeaderFormat) Size() int {
	if f == H100 {
		return 16
	}
	return 8
}

// Header is what stands before every payload. H80 and H95 carry no Volume: it
// is 0 there, and H80 carries a Length of at most 65535 bytes.
type Header struct {
	Command Command
	Volume  uint16
	Length  uint32 // of the payload, in bytes
}

// FormatFor is the format that a packet of length bytes is sent in.
// agreedVersion is below 95 until the features are exchanged (0 will do).
func FormatFor(agreedVersion int, length uint32) HeaderFormat {
	switch {
	case agreedVersion >= 100:
		return H100
	case agreedVersion >= 95 && length > maxH80:
		return H95
	default:
		return H80
	}
}

// AppendHeader adds the bytes of h to dst.
func AppendHeader(dst []byte, f HeaderFormat, h Header) []byte {
	switch f {
	case H100:
		dst = binary.BigEndian.AppendUint32(dst, magic100)
		dst = binary.BigEndian.AppendUint16(dst, h.Volume)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Command))
		dst = binary.BigEndian.AppendUint32(dst, h.Length)
		return binary.BigEndian.AppendUint32(dst, 0)
	case H95:
		dst = binary.BigEndian.AppendUint16(dst, magic95)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Command))
		return binary.BigEndian.AppendUint32(dst, h.Length)
	default:
		dst = binary.BigEndian.AppendUint32(dst, magic80)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Command))
		return binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	}
}

// HeaderSize says from the first 4 bytes of a header how long all of it is.
func HeaderSize(first []byte) (int, error) {
	f, err := formatOf(first)
	if err != nil {
		return 0, err
	}
	return f.Size(), nil
}

// DecodeHeader reads the header at the start of b; what follows it is ignored.
func DecodeHeader(b []byte) (Header, HeaderFormat, error) {
	f, err := formatOf(b)
	if err != nil {
		return Header{}, 0, err
	}
	if len(b) < f.Size() {
		return Header{}, 0, fmt.Errorf("packet header of %d bytes, want %d", len(b), f.Size())
	}
	switch f {
	case H100:
		if pad := binary.BigEndian.Uint32(b[12:]); pad != 0 {
			return Header{}, 0, fmt.Errorf("packet header %x ends in %08x, want 0", b[:16], pad)
		}
		return Header{
			Volume:  binary.BigEndian.Uint16(b[4:]),
			Command: Command(binary.BigEndian.Uint16(b[6:])),
			Length:  binary.BigEndian.Uint32(b[8:]),
		}, f, nil
	case H95:
		return Header{
			Command: Command(binary.BigEndian.Uint16(b[2:])),
			Length:  binary.BigEndian.Uint32(b[4:]),
		}, f, nil
	default:
		return Header{
			Command: Command(binary.BigEndian.Uint16(b[4:])),
			Length:  uint32(binary.BigEndian.Uint16(b[6:])),
		}, f, nil
	}
}

func formatOf(b []byte) (HeaderFormat, error) {
	if len(b) < 4 {
		return 0, fmt.Errorf("start of a packet header of %d bytes, want 4", len(b))
	}
	switch magic := binary.BigEndian.Uint32(b); {
	case magic == magic80:
		return H80, nil
	case magic == magic100:
		return H100, nil
	case magic>>16 == magic95:
		return H95, nil
	default:
		return 0, fmt.Errorf("packet starts with %08x, want the magic %08x, %04x.... or %08x",
			magic, uint32(magic80), magic95, uint32(magic100))
	}
}
