package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The sizes of the headers of the transmission phase, in bytes.
const (
	RequestSize = 28
	ReplySize   = 16
)

const (
	requestMagic = 0x25609513
	replyMagic   = 0x67446698
)

// ErrMagic is returned for bytes that are no header; nothing after them can be
// understood either.
var ErrMagic = errors.New("wrong magic number")

// Request heads each request of the transmission phase.
//
//	offset  size  field
//	0       4     0x25609513
//	4       2     Flags
//	6       2     Command
//	8       8     Cookie    opaque, echoed in the reply
//	16      8     Offset    bytes
//	24      4     Length    bytes
//	28      -     the payload of a write, Length bytes
//
// Source: NBD protocol, section "Request message".
type Request struct {
	Flags   CommandFlags
	Command Command
	Cookie  uint64
	Offset  uint64
	Length  uint32
}

// Append adds the header to b.
func (r Request) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, requestMagic)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Flags))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Command))
	b = binary.BigEndian.AppendUint64(b, r.Cookie)
	b = binary.BigEndian.AppendUint64(b, r.Offset)
	return binary.BigEndian.AppendUint32(b, r.Length)
}

// DecodeRequest reads the header in b; it fails with ErrMagic only.
func DecodeRequest(b *[RequestSize]byte) (Request, error) {
	if magic := binary.BigEndian.Uint32(b[:]); magic != requestMagic {
		return Request{}, fmt.Errorf("request starts with %#08x, want %#08x: %w", magic, requestMagic, ErrMagic)
	}
	return Request{
		Flags:   CommandFlags(binary.BigEndian.Uint16(b[4:])),
		Command: Command(binary.BigEndian.Uint16(b[6:])),
		Cookie:  binary.BigEndian.Uint64(b[8:]),
		Offset:  binary.BigEndian.Uint64(b[16:]),
		Length:  binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// Reply heads each simple reply.
//
//	offset  size  field
//	0       4     0x67446698
//	4       4     Error
//	8       8     Cookie
//	16      -     the payload of a good read, as long as was asked
//
// Source: NBD protocol, section "Simple reply message".
type Reply struct {
	Error  ReplyError
	Cookie uint64
}

// Append adds the header to b.
func (r Reply) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, replyMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Error))
	return binary.BigEndian.AppendUint64(b, r.Cookie)
}

// DecodeReply reads the header in b; it fails with ErrMagic only.
func DecodeReply(b *[ReplySize]byte) (Reply, error) {
	if magic := binary.BigEndian.Uint32(b[:]); magic != replyMagic {
		return Reply{}, fmt.Errorf("reply starts with %#08x, want %#08x: %w", magic, replyMagic, ErrMagic)
	}
	return Reply{
		Error:  ReplyError(binary.BigEndian.Uint32(b[4:])),
		Cookie: binary.BigEndian.Uint64(b[8:]),
	}, nil
}
