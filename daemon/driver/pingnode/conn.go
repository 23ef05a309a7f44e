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

// conn is a socket for ICMP: a raw one, which root may have, or the kernel's own for pings, which the groups of
// net.ipv4.ping_group_range may have.
type conn struct {
	net.PacketConn
	raw bool
}

func openConn() (conn, error) {
	raw, err := net.ListenPacket("ip4:icmp", "0.0.0.0") //nolint:noctx // there is nothing to wait for
	if err == nil {
		return conn{raw, true}, nil
	}
	ping, pingErr := openPing()
	if pingErr != nil {
		return conn{}, errors.Join(err, fmt.Errorf("socket for pings (net.ipv4.ping_group_range says who may): %w", pingErr))
	}
	return conn{ping, false}, nil
}

func openPing() (net.PacketConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer func() { _ = f.Close() }()
	if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		return nil, err
	}
	return net.FilePacketConn(f)
}

func (c conn) send(packet []byte, to netip.Addr) error {
	var address net.Addr = &net.UDPAddr{IP: to.AsSlice()}
	if c.raw {
		address = &net.IPAddr{IP: to.AsSlice()}
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
		case *net.UDPAddr:
			from, _ = netip.AddrFromSlice(a.IP)
		}
		if err == nil || errors.Is(err, net.ErrClosed) {
			return size, from.Unmap(), err
		}
	}
}
