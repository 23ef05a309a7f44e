// Package nbd has the numbers and headers of the Network Block Device
// protocol, for the server in package export and its client. Integers are big
// endian.
//
// Source: NBD protocol, sections "Newstyle negotiation" and "Values".
package nbd

import "fmt"

// What the two sides say first.
const (
	ServerMagic      = 0x4e42444d41474943 // "NBDMAGIC"
	OptionMagic      = 0x49484156454f5054 // "IHAVEOPT"
	OptionReplyMagic = 0x0003e889045565a9
)

// Handshake flags: the server's of 16 bits, which the client returns in 32.
const (
	FixedNewstyle = 1 << 0
	NoZeroes      = 1 << 1
)

// Option is what a client asks for before the transmission phase.
type Option uint32

// The options that this project answers.
const (
	OptionExportName Option = 1
	OptionAbort      Option = 2
	OptionList       Option = 3
	OptionInfo       Option = 6
	OptionGo         Option = 7
)

// OptionReply is the kind of an answer to an option.
type OptionReply uint32

// The answers to options; errors have the highest bit.
const (
	ReplyAck         OptionReply = 1
	ReplyServer      OptionReply = 2
	ReplyInfo        OptionReply = 3
	ReplyUnsupported OptionReply = 1<<31 + 1
	ReplyInvalid     OptionReply = 1<<31 + 3
	ReplyUnknown     OptionReply = 1<<31 + 6
	ReplyTooBig      OptionReply = 1<<31 + 9
)

// Information kinds within ReplyInfo, 16 bits.
const (
	InfoExport    = 0 // size in bytes (8), transmission flags (2)
	InfoBlockSize = 3 // minimum, preferred, maximum in bytes (4 each)
)

// MaxName is the longest export name in bytes.
const MaxName = 4096

// TransmissionFlags say what the server can do.
type TransmissionFlags uint16

// The transmission flags that this project sets.
const (
	HasFlags        TransmissionFlags = 1 << 0
	SendFlush       TransmissionFlags = 1 << 2
	SendFUA         TransmissionFlags = 1 << 3
	SendTrim        TransmissionFlags = 1 << 5
	SendWriteZeroes TransmissionFlags = 1 << 6
	CanMultiConn    TransmissionFlags = 1 << 8
)

// Command is what a request of the transmission phase wants.
type Command uint16

// The commands.
const (
	CommandRead        Command = 0
	CommandWrite       Command = 1
	CommandDisconnect  Command = 2
	CommandFlush       Command = 3
	CommandTrim        Command = 4
	CommandWriteZeroes Command = 6
)

// CommandFlags are modifiers of a command.
type CommandFlags uint16

// The command flags.
const (
	// FUA: on stable storage before the reply.
	FUA CommandFlags = 1 << 0
	// NoHole: WRITE_ZEROES keeps the space allocated.
	NoHole CommandFlags = 1 << 1
)

// DefaultMaxPayload is what a server must take from a client that did not
// ask for its limits, in bytes.
const DefaultMaxPayload = 32 << 20

// ReplyError is the error of a reply; zero is success.
type ReplyError uint32

// The errors that a server may give.
const (
	EPERM     ReplyError = 1
	EIO       ReplyError = 5
	ENOMEM    ReplyError = 12
	EINVAL    ReplyError = 22
	ENOSPC    ReplyError = 28
	EOVERFLOW ReplyError = 75
	ENOTSUP   ReplyError = 95
	ESHUTDOWN ReplyError = 108
)

func (e ReplyError) Error() string {
	switch e {
	case EPERM:
		return "operation not permitted"
	case EIO:
		return "input/output error"
	case ENOMEM:
		return "out of memory"
	case EINVAL:
		return "invalid argument"
	case ENOSPC:
		return "no space left on device"
	case EOVERFLOW:
		return "value too large"
	case ENOTSUP:
		return "operation not supported"
	case ESHUTDOWN:
		return "server is shutting down"
	default:
		return fmt.Sprintf("NBD error %d", uint32(e))
	}
}
