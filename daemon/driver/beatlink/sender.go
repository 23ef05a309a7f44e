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
	conn, err := open(ctx, netip.AddrPortFrom(netip.IPv4Unspecified(), 0), append(options, toDevice(device))...)
	if err != nil {
		return nil, fmt.Errorf("socket to send: %w", err)
	}
	return &sender{
		name: m.Kind.String() + " " + m.Device, conn: conn,
		to: netip.AddrPortFrom(address, uint16(m.Port)),
	}, nil
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
	case haconf.Multicast:
		address, err := netip.ParseAddr(m.Address)
		if err != nil || !address.Is4() || !address.IsMulticast() {
			return netip.Addr{}, nil, fmt.Errorf("%q is no IPv4 multicast group", m.Address)
		}
		index, err := interfaceOf(device)
		loop := 0
		if m.Loop {
			loop = 1
		}
		return address, []option{
			number(unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, m.TTL), number(unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, loop),
			func(fd int) error {
				return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)})
			},
		}, err
	default:
		address, err := resolve(ctx, m.Address)
		return address, []option{
			number(unix.IPPROTO_IP, unix.IP_TOS, lowDelay), number(unix.IPPROTO_IP, unix.IP_TTL, timeToLive),
		}, err
	}
}

// resolve is the IPv4 address of a host.
func resolve(ctx context.Context, host string) (netip.Addr, error) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address of %s: %w", host, err)
	}
	if len(addresses) == 0 {
		return netip.Addr{}, fmt.Errorf("host %s has no IPv4 address", host)
	}
	return addresses[0].Unmap(), nil
}

// send sends, or loses, a datagram.
func (s *sender) send(data []byte) {
	raw, err := s.conn.SyscallConn()
	if err == nil {
		to := unix.SockaddrInet4{Port: int(s.to.Port()), Addr: s.to.Addr().As4()}
		controlled := raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), data, unix.MSG_DONTWAIT, &to) })
		err = errors.Join(err, controlled)
	}
	s.note(err)
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
