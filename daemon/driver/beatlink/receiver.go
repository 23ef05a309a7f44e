package beatlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// maxDrain bounds how many datagrams one drain takes, so that a flood can't
// keep it from ending. A socket's buffer holds fewer.
const maxDrain = 4096

// A place is where a receiver listens.
type place struct {
	device string
	bind   netip.Addr
	group  netip.Addr // of a multicast
	port   int
	six    bool // IPv6
}

// A receiver takes the datagrams of one place.
type receiver struct {
	medium string
	where  place
	conn   *net.UDPConn

	// mu is held from taking a datagram to having handed it over.
	mu   sync.Mutex
	data []byte
}

// openReceiver listens at a place. shared: other sockets have the same port.
func openReceiver(ctx context.Context, medium string, where place, shared bool) (*receiver, error) {
	// Without the second one it would hear groups that other sockets joined.
	notAll := number(unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
	local := netip.IPv4Unspecified()
	if where.six {
		notAll, local = number(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0), netip.IPv6Unspecified()
	}
	options := []option{toDevice(where.device), notAll}
	if shared {
		options = append(options, number(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	}
	switch {
	case where.group.IsValid():
		local = where.group
		index, err := interfaceOf(where.device)
		if err != nil {
			return nil, err
		}
		options = append(options, joins(where.group, index))
	case where.device == "" && where.bind.IsValid():
		local = where.bind
	}
	conn, err := open(ctx, netip.AddrPortFrom(local, uint16(where.port)), options...)
	if err != nil {
		return nil, fmt.Errorf("socket to receive: %w", err)
	}
	return &receiver{medium: medium, where: where, conn: conn, data: make([]byte, MaxDatagram)}, nil
}

// joins makes a socket hear a group.
func joins(group netip.Addr, index int) option {
	return func(fd int) error {
		if group.Is6() {
			return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
				&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
		}
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	}
}

// run hands over what comes, until the socket is closed.
func (r *receiver) run(sink Sink) {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return
	}
	// The only error is the end of the socket.
	_ = raw.Read(func(fd uintptr) bool {
		for r.one(fd, sink) {
			continue
		}
		return false
	})
}

// drain hands over what lies in the socket.
func (r *receiver) drain(sink Sink) {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		for range maxDrain {
			if !r.one(fd, sink) {
				return
			}
		}
	})
}

// one hands over one datagram, and says whether there may be more.
func (r *receiver) one(fd uintptr, sink Sink) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _, err := unix.Recvfrom(int(fd), r.data, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		// An ICMP error of something that was sent, or EINTR; it is used up.
		return true
	case n <= len(r.data):
		sink.Datagram(r.medium, r.data[:n])
	}
	return true
}
