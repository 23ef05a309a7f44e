package ipaddr

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

const macSize = 6

// arpPacket is a gratuitous ARP request, which is what all neighbours heed:
// both addresses are the sender's. Source: RFC 826, RFC 5227 section 3.
//
//	offset  size  field
//	0       2     hardware type   1, Ethernet
//	2       2     protocol        0x0800, IPv4
//	4       1     length of a hardware address, 6
//	5       1     length of an address, 4
//	6       2     operation       1, request
//	8       6, 4  sender's hardware address, and address
//	18      6, 4  target's
func arpPacket(ip netip.Addr, mac []byte) []byte {
	b := []byte{0, 1, 8, 0, macSize, 4, 0, 1}
	b = append(append(b, mac...), ip.AsSlice()...)
	b = append(b, make([]byte, macSize)...)
	return append(b, ip.AsSlice()...)
}

// neighbourPacket is an unsolicited neighbour advertisement with the override
// flag. The kernel fills the checksum in. Source: RFC 4861, sections 4.4, 4.6.1.
func neighbourPacket(ip netip.Addr, mac []byte) []byte {
	const advertisement, override, targetLinkLayer = 136, 0x20, 2
	b := []byte{advertisement, 0, 0, 0, override, 0, 0, 0}
	b = append(b, ip.AsSlice()...)
	return append(append(b, targetLinkLayer, 1), mac...)
}

func tellARP(ip netip.Addr, p *place) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket for ARP: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	to := unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ARP), Ifindex: p.index, Halen: macSize}
	copy(to.Addr[:], "\xff\xff\xff\xff\xff\xff")
	return unix.Sendto(fd, arpPacket(ip, p.mac), 0, &to)
}

// networkOrder gives a number the bytes that it has on the wire.
func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

func tellNeighbours(ip netip.Addr, p *place) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return fmt.Errorf("socket for ICMPv6: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	const hops = 255 // others are thrown away
	for _, o := range []struct{ name, value int }{
		{unix.IPV6_MULTICAST_HOPS, hops}, {unix.IPV6_MULTICAST_IF, p.index},
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o.name, o.value); err != nil {
			return fmt.Errorf("socket for ICMPv6: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet6{Addr: ip.As16(), ZoneId: uint32(p.index)}); err != nil {
		return fmt.Errorf("send from %s: %w", ip, err)
	}
	allNodes := unix.SockaddrInet6{Addr: netip.MustParseAddr("ff02::1").As16(), ZoneId: uint32(p.index)}
	return unix.Sendto(fd, neighbourPacket(ip, p.mac), 0, &allNodes)
}
