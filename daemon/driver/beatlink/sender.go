package beatlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/format/haconf"
)

// What Heartbeat's own sockets have.
const (
	lowDelay   = 0x10
	timeToLive = 64
)

// A sender sends to the address of one medium.
type sender struct {
	name string
	conn *net.UDPConn
	to   netip.AddrPort
	zone uint32 // of an IPv6 address of one link: the interface's index
	log  func(string)

	mu sync.Mutex
	// trouble is the last error, "" when sending works.
	trouble string
}

func openSender(ctx context.Context, m haconf.Medium, device string) (*sender, error) {
	address, options, err := destination(ctx, m, device)
	if err != nil {
		return nil, err
	}
	s := &sender{name: m.Kind.String() + " " + m.Device, to: netip.AddrPortFrom(address, uint16(m.Port))}
	local := netip.IPv4Unspecified()
	if address.Is6() {
		index, err := interfaceOf(address.Zone())
		if err != nil {
			return nil, err
		}
		local, s.zone = netip.IPv6Unspecified(), uint32(index)
	}
	s.conn, err = open(ctx, netip.AddrPortFrom(local, 0), append(options, toDevice(device))...)
	if err != nil {
		return nil, fmt.Errorf("socket to send: %w", err)
	}
	return s, nil
}

// destination is where a medium's datagrams go, and what the socket needs for
// that.
func destination(ctx context.Context, m haconf.Medium, device string) (netip.Addr, []option, error) {
	switch m.Kind {
	case haconf.Broadcast:
		address, err := broadcastOf(device)
		return address, []option{
			number(unix.SOL_SOCKET, unix.SO_BROADCAST, 1), number(unix.SOL_SOCKET, unix.SO_DONTROUTE, 1),
		}, err
	case haconf.Multicast, haconf.Multicast6:
		return groupOf(m, device)
	case haconf.Unicast6:
		address, err := resolve(ctx, "ip6", m.Address)
		return zoned(address, device), []option{
			number(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, lowDelay), number(unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, timeToLive),
		}, err
	default:
		address, err := resolve(ctx, "ip4", m.Address)
		return address, []option{
			number(unix.IPPROTO_IP, unix.IP_TOS, lowDelay), number(unix.IPPROTO_IP, unix.IP_TTL, timeToLive),
		}, err
	}
}

// zoned gives an address that means something on one link alone the interface.
func zoned(address netip.Addr, device string) netip.Addr {
	if address.Is6() && (address.IsLinkLocalUnicast() || address.IsMulticast()) {
		return address.WithZone(device)
	}
	return address
}

// groupOf is destination for a multicast.
func groupOf(m haconf.Medium, device string) (netip.Addr, []option, error) {
	kind := "IPv4"
	if m.Kind == haconf.Multicast6 {
		kind = "IPv6"
	}
	address, err := netip.ParseAddr(m.Address)
	if err != nil || address.Is6() != (m.Kind == haconf.Multicast6) || !address.IsMulticast() {
		return netip.Addr{}, nil, fmt.Errorf("%q is no %s multicast group", m.Address, kind)
	}
	index, err := interfaceOf(device)
	loop := 0
	if m.Loop {
		loop = 1
	}
	if address.Is6() {
		return zoned(address, device), []option{
			number(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, m.TTL), number(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, loop),
			number(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index),
		}, err
	}
	return address, []option{
		number(unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, m.TTL), number(unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, loop),
		func(fd int) error {
			return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)})
		},
	}, err
}

// resolve is the address of a host, of a network ip4 or ip6.
func resolve(ctx context.Context, network, host string) (netip.Addr, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address of %s: %w", host, err)
	}
	if len(addresses) == 0 {
		return netip.Addr{}, fmt.Errorf("host %s has no address of %s", host, network)
	}
	return addresses[0].Unmap(), nil
}

// send sends, or loses, a datagram.
func (s *sender) send(data []byte) {
	raw, err := s.conn.SyscallConn()
	if err == nil {
		to := s.sockaddr()
		controlled := raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), data, unix.MSG_DONTWAIT, to) })
		err = errors.Join(err, controlled)
	}
	s.note(err)
}

// sockaddr is a new one each time: a system call writes into it.
func (s *sender) sockaddr() unix.Sockaddr {
	if address := s.to.Addr(); address.Is6() {
		return &unix.SockaddrInet6{Port: int(s.to.Port()), Addr: address.As16(), ZoneId: s.zone}
	}
	return &unix.SockaddrInet4{Port: int(s.to.Port()), Addr: s.to.Addr().As4()}
}

// note logs trouble when it begins, changes and ends.
func (s *sender) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	changed := text != s.trouble
	s.trouble = text
	s.mu.Unlock()
	switch {
	case !changed || s.log == nil:
	case err != nil:
		s.log(fmt.Sprintf("send heartbeats on %s to %s: %v", s.name, s.to, err))
	default:
		s.log(fmt.Sprintf("send heartbeats on %s to %s: works again", s.name, s.to))
	}
}
