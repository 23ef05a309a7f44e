package pingnode

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// maxPacket is the most that is read of a packet; questions are far shorter.
const maxPacket = 4 << 10

// conn is a socket for ICMP of one family: a raw one, which root may have, or the kernel's own for pings, which the
// groups of net.ipv4.ping_group_range may have, for IPv6 too.
type conn struct {
	net.PacketConn
	raw bool
}

func openConn(f family) (conn, error) {
	raw, err := net.ListenPacket(f.raw, f.anywhere) //nolint:noctx // there is nothing to wait for
	if err == nil {
		return conn{raw, true}, nil
	}
	ping, pingErr := openPing(f)
	if pingErr != nil {
		return conn{}, errors.Join(err, fmt.Errorf("socket for pings (net.ipv4.ping_group_range says who may): %w", pingErr))
	}
	return conn{ping, false}, nil
}

func openPing(f family) (net.PacketConn, error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, f.protocol)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "ping")
	defer func() { _ = file.Close() }()
	var anywhere unix.Sockaddr = &unix.SockaddrInet4{}
	if f.domain == unix.AF_INET6 {
		anywhere = &unix.SockaddrInet6{}
	}
	if err := unix.Bind(fd, anywhere); err != nil {
		return nil, err
	}
	return net.FilePacketConn(file)
}

func (c conn) send(packet []byte, to netip.Addr) error {
	var address net.Addr = &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	if c.raw {
		address = &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	}
	_, err := c.WriteTo(packet, address)
	return err
}

// receive waits for a packet. It fails when the socket is closed.
func (c conn) receive(data []byte) (size int, from netip.Addr, err error) {
	for {
		size, address, err := c.ReadFrom(data)
		switch a := address.(type) {
		case *net.IPAddr:
			from, _ = netip.AddrFromSlice(a.IP)
			from = from.Unmap().WithZone(a.Zone)
		case *net.UDPAddr:
			from = a.AddrPort().Addr().Unmap()
		}
		if err == nil || errors.Is(err, net.ErrClosed) {
			return size, from, err
		}
	}
}
