package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A Protocol is what an IP packet carries.
type Protocol uint8

// The protocols that are taken apart.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// An Endpoint is one end of a connection.
type Endpoint struct {
	IP   [16]byte // an IPv4 address stands in the last four
	IPv6 bool
	Port uint16
}

// Host is the address as people write it.
func (e Endpoint) Host() string {
	if !e.IPv6 {
		return fmt.Sprintf("%d.%d.%d.%d", e.IP[12], e.IP[13], e.IP[14], e.IP[15])
	}
	var groups [8]string
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(binary.BigEndian.Uint16(e.IP[2*i:])), 16)
	}
	return strings.Join(groups[:], ":")
}

// String is host and port.
func (e Endpoint) String() string {
	if e.IPv6 {
		return fmt.Sprintf("[%s]:%d", e.Host(), e.Port)
	}
	return fmt.Sprintf("%s:%d", e.Host(), e.Port)
}

// Compare orders endpoints by address, then port.
func (e Endpoint) Compare(o Endpoint) int {
	if c := bytes.Compare(e.IP[:], o.IP[:]); c != 0 {
		return c
	}
	return int(e.Port) - int(o.Port)
}

// A Segment is what matters of a frame with TCP or UDP in it.
type Segment struct {
	Protocol      Protocol
	From, To      Endpoint
	SYN, ACK, RST bool   // of TCP
	Seq           uint32 // of TCP: number of the first byte of Data
	Data          []byte
}

// Segment takes a frame apart; not if it holds anything else, or a fragment.
func (f Frame) Segment() (Segment, bool) {
	ip, ok := f.ip()
	if !ok || len(ip) == 0 {
		return Segment{}, false
	}
	var s Segment
	var rest []byte
	switch ip[0] >> 4 {
	case 4:
		rest, ok = s.ipv4(ip)
	case 6:
		rest, ok = s.ipv6(ip)
	default:
		return Segment{}, false
	}
	if !ok {
		return Segment{}, false
	}
	switch s.Protocol {
	case TCP:
		return s, s.tcp(rest)
	case UDP:
		return s, s.udp(rest)
	default:
		return Segment{}, false
	}
}

// ip finds the IP packet in a frame.
func (f Frame) ip() ([]byte, bool) {
	const ipv4, ipv6, vlan = 0x0800, 0x86dd, 0x8100
	header, typeAt := 0, -1
	switch f.Link {
	case LinkEthernet:
		header, typeAt = 14, 12
	case LinkCooked:
		header, typeAt = 16, 14
	case LinkCooked2:
		header, typeAt = 20, 0
	case LinkNull:
		header = 4
	case LinkRaw:
	default:
		return nil, false
	}
	if len(f.Data) < header {
		return nil, false
	}
	if typeAt < 0 {
		return f.Data[header:], true
	}
	kind, data := binary.BigEndian.Uint16(f.Data[typeAt:]), f.Data[header:]
	for kind == vlan && len(data) >= 4 {
		kind, data = binary.BigEndian.Uint16(data[2:]), data[4:]
	}
	return data, kind == ipv4 || kind == ipv6
}

func (s *Segment) ipv4(ip []byte) ([]byte, bool) {
	if len(ip) < 20 {
		return nil, false
	}
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if total == 0 {
		total = len(ip) // the network card was to cut it
	}
	fragment := binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
	if header < 20 || total < header || total > len(ip) || fragment {
		return nil, false
	}
	s.Protocol = Protocol(ip[9])
	copy(s.From.IP[12:], ip[12:16])
	copy(s.To.IP[12:], ip[16:20])
	return ip[header:total], true
}

func (s *Segment) ipv6(ip []byte) ([]byte, bool) {
	const header = 40
	if len(ip) < header {
		return nil, false
	}
	size := int(binary.BigEndian.Uint16(ip[4:]))
	if size > len(ip)-header {
		return nil, false
	}
	s.Protocol = Protocol(ip[6])
	s.From.IPv6, s.To.IPv6 = true, true
	copy(s.From.IP[:], ip[8:24])
	copy(s.To.IP[:], ip[24:40])
	return ip[header : header+size], true
}

func (s *Segment) tcp(b []byte) bool {
	const syn, rst, ack = 2, 4, 16
	if len(b) < 20 {
		return false
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) {
		return false
	}
	s.From.Port, s.To.Port = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.SYN, s.RST, s.ACK = b[13]&syn != 0, b[13]&rst != 0, b[13]&ack != 0
	s.Data = b[header:]
	return true
}

func (s *Segment) udp(b []byte) bool {
	const header = 8
	if len(b) < header {
		return false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < header || size > len(b) {
		return false
	}
	s.From.Port, s.To.Port = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.Data = b[header:size]
	return true
}
