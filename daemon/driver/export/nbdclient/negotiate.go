package nbdclient

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// exportInfo is what the server tells about an export.
type exportInfo struct {
	size             uint64
	flags            nbd.TransmissionFlags
	minimum, maximum uint32 // bytes
}

// maxReply is more than the server has to say to any option, in bytes.
const maxReply = 8 << 10

// negotiate opens the export by the option GO.
func (c *Client) negotiate(name string) error {
	if len(name) > nbd.MaxName {
		return fmt.Errorf("name of %d bytes, want at most %d", len(name), nbd.MaxName)
	}
	var hello [18]byte
	if _, err := io.ReadFull(c.reader, hello[:]); err != nil {
		return fmt.Errorf("server's greeting: %w", err)
	}
	if binary.BigEndian.Uint64(hello[:]) != nbd.ServerMagic || binary.BigEndian.Uint64(hello[8:]) != nbd.OptionMagic {
		return fmt.Errorf("server's greeting is %x, want one of the NBD newstyle", hello)
	}
	flags := binary.BigEndian.Uint16(hello[16:])
	if flags&nbd.FixedNewstyle == 0 {
		return fmt.Errorf("server's flags are %#x, want the fixed newstyle", flags)
	}
	b := binary.BigEndian.AppendUint32(nil, nbd.FixedNewstyle|uint32(flags)&nbd.NoZeroes)
	b = binary.BigEndian.AppendUint64(b, nbd.OptionMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(nbd.OptionGo))
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(name)+2+2))
	b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = binary.BigEndian.AppendUint16(b, nbd.InfoBlockSize)
	if _, err := c.socket.Write(b); err != nil {
		return fmt.Errorf("request of the export: %w", err)
	}
	c.info = exportInfo{minimum: 512, maximum: 1 << 20}
	for {
		ready, err := c.goReply()
		if err != nil {
			return err
		}
		if ready {
			return c.info.check()
		}
	}
}

// goReply takes one of the answers to GO; the last one is an acknowledgement.
func (c *Client) goReply() (ready bool, err error) {
	var head [20]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return false, fmt.Errorf("server's answer: %w", err)
	}
	magic, option := binary.BigEndian.Uint64(head[:]), nbd.Option(binary.BigEndian.Uint32(head[8:]))
	kind, length := nbd.OptionReply(binary.BigEndian.Uint32(head[12:])), binary.BigEndian.Uint32(head[16:])
	if magic != nbd.OptionReplyMagic || option != nbd.OptionGo || length > maxReply {
		return false, fmt.Errorf("server's answer starts with %x, want one to option GO", head)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.reader, data); err != nil {
		return false, fmt.Errorf("server's answer: %w", err)
	}
	switch kind {
	case nbd.ReplyAck:
		return true, nil
	case nbd.ReplyInfo:
		c.info.learn(data)
		return false, nil
	case nbd.ReplyUnknown:
		return false, fmt.Errorf("the server has no such export: %s", data)
	default:
		return false, fmt.Errorf("server refuses with %#x: %s", uint32(kind), data)
	}
}

// learn takes what it knows of one piece of information.
func (i *exportInfo) learn(data []byte) {
	if len(data) < 2 {
		return
	}
	switch kind := binary.BigEndian.Uint16(data); {
	case kind == nbd.InfoExport && len(data) == 12:
		i.size = binary.BigEndian.Uint64(data[2:])
		i.flags = nbd.TransmissionFlags(binary.BigEndian.Uint16(data[10:]))
	case kind == nbd.InfoBlockSize && len(data) == 14:
		i.minimum = binary.BigEndian.Uint32(data[2:])
		i.maximum = binary.BigEndian.Uint32(data[10:])
	}
}

func (i *exportInfo) check() error {
	if i.flags&nbd.HasFlags == 0 {
		return fmt.Errorf("the server does not say what the export is")
	}
	if bits.OnesCount32(i.minimum) != 1 || i.maximum < i.minimum || i.maximum%i.minimum != 0 || i.size > 1<<62 {
		return fmt.Errorf("export of %d bytes with requests of %d to %d bytes makes no sense", i.size, i.minimum, i.maximum)
	}
	return nil
}
