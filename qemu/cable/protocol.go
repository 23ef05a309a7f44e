package cable

import "encoding/binary"

// A Protocol is what IPv4 carries, by its number there.
type Protocol uint8

// The protocols of the nodes.
const (
	TCP Protocol = 6  // replication
	UDP Protocol = 17 // heartbeats
)

// protocolOf is the protocol of an Ethernet frame; 0 is none of IPv4.
func protocolOf(frame []byte) Protocol {
	const (
		kindAt, ipv4 = 12, 0x0800
		protocolAt   = 14 + 9
	)
	if len(frame) <= protocolAt || binary.BigEndian.Uint16(frame[kindAt:]) != ipv4 {
		return 0
	}
	return Protocol(frame[protocolAt])
}
