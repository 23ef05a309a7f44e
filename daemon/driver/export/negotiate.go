package export

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

const (
	// maxOption is the longest option data that is read, in bytes: a name and
	// what goes with it. Longer ones are skipped and refused.
	maxOption = nbd.MaxName + 1024
	// absurdOption is more than anybody skips.
	absurdOption = 1 << 20
	// maxOptions is how many options a client may try before it must decide.
	maxOptions = 256
)

// negotiate does the handshake in the fixed newstyle. After it the client may
// send requests.
//
// Source: NBD protocol, sections "Fixed newstyle negotiation" and "Option
// types".
func (c *connection) negotiate() error {
	if err := c.socket.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if err := c.handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return c.socket.SetDeadline(time.Time{})
}

func (c *connection) handshake() error {
	hello := binary.BigEndian.AppendUint64(nil, nbd.ServerMagic)
	hello = binary.BigEndian.AppendUint64(hello, nbd.OptionMagic)
	hello = binary.BigEndian.AppendUint16(hello, nbd.FixedNewstyle|nbd.NoZeroes)
	if _, err := c.socket.Write(hello); err != nil {
		return err
	}
	var head [16]byte
	if _, err := io.ReadFull(c.reader, head[:4]); err != nil {
		return fmt.Errorf("client flags: %w", err)
	}
	flags := binary.BigEndian.Uint32(head[:])
	if flags&^(nbd.FixedNewstyle|nbd.NoZeroes) != 0 {
		return fmt.Errorf("client flags %#x, want at most %#x", flags, nbd.FixedNewstyle|nbd.NoZeroes)
	}
	for range maxOptions {
		if _, err := io.ReadFull(c.reader, head[:]); err != nil {
			return fmt.Errorf("option: %w", err)
		}
		if magic := binary.BigEndian.Uint64(head[:]); magic != nbd.OptionMagic {
			return fmt.Errorf("option starts with %#x, want %#x", magic, uint64(nbd.OptionMagic))
		}
		option := nbd.Option(binary.BigEndian.Uint32(head[8:]))
		data, err := c.optionData(option, binary.BigEndian.Uint32(head[12:]))
		if errors.Is(err, errTooBig) {
			continue
		}
		if err != nil {
			return err
		}
		if ready, err := c.option(option, data, flags); ready || err != nil {
			return err
		}
	}
	return fmt.Errorf("%d options and still no decision", maxOptions)
}

var errTooBig = errors.New("option data too long")

// optionData reads what goes with an option. Too much is refused with
// errTooBig.
func (c *connection) optionData(option nbd.Option, length uint32) ([]byte, error) {
	if length > absurdOption || length > maxOption && option == nbd.OptionExportName {
		return nil, fmt.Errorf("option %d with %d bytes, want at most %d", option, length, maxOption)
	}
	if length > maxOption {
		if _, err := c.reader.Discard(int(length)); err != nil {
			return nil, fmt.Errorf("data of option %d: %w", option, err)
		}
		if err := c.replyOption(option, nbd.ReplyTooBig, []byte("too long")); err != nil {
			return nil, err
		}
		return nil, errTooBig
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.reader, data); err != nil {
		return nil, fmt.Errorf("data of option %d: %w", option, err)
	}
	return data, nil
}

// option answers one option; ready means that the client will send requests
// next.
func (c *connection) option(option nbd.Option, data []byte, flags uint32) (ready bool, err error) {
	switch option {
	case nbd.OptionExportName:
		if !c.isNamed(string(data)) {
			return false, fmt.Errorf("no export %q, want %q", data, c.spec.Name) // there is no other answer
		}
		if err := c.opens(c); err != nil {
			return false, err
		}
		_, err := c.socket.Write(c.exportName(flags))
		return err == nil, err
	case nbd.OptionAbort:
		// The client need not wait for the answer, so an error means nothing.
		_ = c.replyOption(option, nbd.ReplyAck, nil)
		return false, errAborted
	case nbd.OptionList:
		return false, c.list(data)
	case nbd.OptionInfo, nbd.OptionGo:
		return c.info(option, data)
	default:
		return false, c.replyOption(option, nbd.ReplyUnsupported, nil)
	}
}

// exportName is the answer to EXPORT_NAME, which has no header.
func (c *connection) exportName(flags uint32) []byte {
	b := binary.BigEndian.AppendUint64(nil, c.size.Load())
	b = binary.BigEndian.AppendUint16(b, uint16(c.transmissionFlags()))
	if flags&nbd.NoZeroes == 0 {
		b = append(b, make([]byte, 124)...)
	}
	return b
}

// list answers LIST: one export.
func (c *connection) list(data []byte) error {
	if len(data) != 0 {
		return c.replyOption(nbd.OptionList, nbd.ReplyInvalid, []byte("LIST has no data"))
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(c.spec.Name)))
	b = append(b, c.spec.Name...)
	if err := c.replyOption(nbd.OptionList, nbd.ReplyServer, b); err != nil {
		return err
	}
	return c.replyOption(nbd.OptionList, nbd.ReplyAck, nil)
}

// info answers INFO and GO. Their data:
//
//	offset  size  field
//	0       4     length of the name
//	4       -     the name
//	-       2     number of information kinds that are asked for
//	-       2 *   the kinds
//
// What there is to say is so little that it is said unasked.
func (c *connection) info(option nbd.Option, data []byte) (ready bool, err error) {
	name, ok := splitInfo(data)
	if !ok {
		return false, c.replyOption(option, nbd.ReplyInvalid, []byte("malformed request"))
	}
	if !c.isNamed(name) {
		text := fmt.Sprintf("the export here is %q", c.spec.Name)
		return false, c.replyOption(option, nbd.ReplyUnknown, []byte(text))
	}
	b := binary.BigEndian.AppendUint16(nil, nbd.InfoExport)
	b = binary.BigEndian.AppendUint64(b, c.size.Load())
	b = binary.BigEndian.AppendUint16(b, uint16(c.transmissionFlags()))
	if err := c.replyOption(option, nbd.ReplyInfo, b); err != nil {
		return false, err
	}
	b = binary.BigEndian.AppendUint16(nil, nbd.InfoBlockSize)
	b = binary.BigEndian.AppendUint32(b, uint32(c.spec.LogicalBlock))
	b = binary.BigEndian.AppendUint32(b, uint32(max(c.spec.PhysicalBlock, 4096)))
	b = binary.BigEndian.AppendUint32(b, MaxRequest)
	if err := c.replyOption(option, nbd.ReplyInfo, b); err != nil {
		return false, err
	}
	ready = option == nbd.OptionGo
	if ready {
		if err := c.opens(c); err != nil {
			return false, err
		}
	}
	return ready, c.replyOption(option, nbd.ReplyAck, nil)
}

func splitInfo(data []byte) (name string, ok bool) {
	if len(data) < 6 {
		return "", false
	}
	length := binary.BigEndian.Uint32(data)
	rest := data[4:]
	if length > nbd.MaxName || int(length) > len(rest)-2 {
		return "", false
	}
	name, rest = string(rest[:length]), rest[length:]
	return name, len(rest) == 2+2*int(binary.BigEndian.Uint16(rest))
}

// isNamed accepts the resource's name, and the empty one as the default.
func (c *connection) isNamed(name string) bool { return name == "" || name == c.spec.Name }

// transmissionFlags include CAN_MULTI_CONN: a flush is a Request like any
// other and has no connection, so it covers what was answered on all of them.
func (c *connection) transmissionFlags() nbd.TransmissionFlags {
	flags := nbd.HasFlags | nbd.SendFlush | nbd.SendFUA | nbd.SendWriteZeroes | nbd.CanMultiConn
	if !c.spec.NoTrim {
		flags |= nbd.SendTrim
	}
	return flags
}

func (c *connection) replyOption(option nbd.Option, kind nbd.OptionReply, data []byte) error {
	b := binary.BigEndian.AppendUint64(nil, nbd.OptionReplyMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(option))
	b = binary.BigEndian.AppendUint32(b, uint32(kind))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	_, err := c.socket.Write(append(b, data...))
	return err
}
