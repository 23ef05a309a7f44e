package pingnode

import (
	"encoding/binary"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// An ICMP echo. Source: RFC 792, and RFC 4443 for IPv6.
//
//	offset  size  field
//	0       1     type        8 is a question, 0 the answer to it; 128 and 129 with IPv6
//	1       1     code        0
//	2       2     checksum    the kernel makes that of IPv6, which is over addresses too
//	4       2     identifier  who asks
//	6       2     sequence
//	8       -     the message, which comes back
//
// Integers are big endian.
const echoSize = 8

// A family is one of the two versions of IP, and its sockets.
type family struct {
	question, answer byte // types of ICMP
	raw, anywhere    string
	domain, protocol int
}

// The families. An address says itself of which it is.
var (
	ip4 = family{8, 0, "ip4:icmp", "0.0.0.0", unix.AF_INET, unix.IPPROTO_ICMP}
	ip6 = family{128, 129, "ip6:ipv6-icmp", "::", unix.AF_INET6, unix.IPPROTO_ICMPV6}
)

func familyOf(a netip.Addr) family {
	if a.Is6() {
		return ip6
	}
	return ip4
}

// appendEcho encodes a question.
func appendEcho(b []byte, f family, identifier, sequence uint16, message []byte) []byte {
	start := len(b)
	b = append(b, f.question, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, identifier)
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = append(b, message...)
	binary.BigEndian.PutUint16(b[start+2:], checksum(b[start:]))
	return b
}

// checksum is that of RFC 1071, of bytes in which its own place is 0.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// statusOf is the message that a ping node would send if it were a member.
func statusOf(n *node, now time.Time) hbwire.Message {
	return hbwire.Message{
		hbwire.Text(hbwire.FieldType, hbwire.MsgPing), hbwire.Text(hbwire.FieldStatus, Alive),
		hbwire.Text(hbwire.FieldInfo, n.kind), hbwire.Text(hbwire.FieldSource, n.name),
		hbwire.Hex(hbwire.FieldTime, uint64(now.Unix())),
	}
}

// question is what a host of a node is asked, at an address of that family.
func (p *Pinger) question(n *node, f family, sequence uint16, now time.Time) ([]byte, error) {
	message, err := p.cfg.Keys.Sign(statusOf(n, now), p.cfg.Encoding)
	if err != nil {
		return nil, err
	}
	return appendEcho(nil, f, uint16(os.Getpid()), sequence, message), nil
}

// answer is which node a packet is an answer of.
func (p *Pinger) answer(packet []byte, f family) (name string, ok bool) {
	if len(packet) < echoSize || packet[0] != f.answer || packet[1] != 0 {
		return "", false
	}
	m, err := hbwire.Decode(packet[echoSize:])
	if err != nil || p.cfg.Keys.Verify(m) != nil || m.Message.Text(hbwire.FieldType) != hbwire.MsgPing {
		return "", false
	}
	return m.Message.Text(hbwire.FieldSource), true
}
