package beatlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// An option is a setting of a socket that is made before its bind.
type option func(fd int) error

func number(level, name, value int) option {
	return func(fd int) error { return unix.SetsockoptInt(fd, level, name, value) }
}

// toDevice binds a socket to an interface; "" is none. Who may not do that
// goes without: only the choice of the interface is lost.
func toDevice(device string) option {
	return func(fd int) error {
		if device == "" {
			return nil
		}
		err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device)
		switch {
		case errors.Is(err, unix.EPERM):
			return nil
		case errors.Is(err, unix.ENODEV):
			return fmt.Errorf("there is no network interface %s; 'ip link' shows them", device)
		default:
			return err
		}
	}
}

// open makes a UDP socket with an address and options.
func open(ctx context.Context, local netip.AddrPort, options ...option) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlled := raw.Control(func(fd uintptr) {
			for _, set := range options {
				err = errors.Join(err, set(int(fd)))
			}
		})
		return errors.Join(controlled, err)
	}}
	network := "udp4"
	if local.Addr().Is6() {
		network = "udp6" // and not IPv4 as well: another socket may have the port there
	}
	conn, err := config.ListenPacket(ctx, network, local.String())
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("socket of type %T, want UDP", conn), conn.Close())
	}
	return udp, nil
}

// interfaceOf finds an interface by name; index 0 is for the kernel to choose.
func interfaceOf(device string) (index int, err error) {
	if device == "" {
		return 0, nil
	}
	i, err := net.InterfaceByName(device)
	if err != nil {
		return 0, fmt.Errorf("network interface %s: %w", device, err)
	}
	return i.Index, nil
}

// broadcastOf is the broadcast address of an interface's first IPv4 network.
func broadcastOf(device string) (netip.Addr, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("network interface %q: %w", device, err)
	}
	addresses, err := i.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses of %s: %w", device, err)
	}
	for _, address := range addresses {
		network, ok := address.(*net.IPNet)
		if !ok || network.IP.To4() == nil || len(network.Mask) != net.IPv4len {
			continue
		}
		b := [4]byte(network.IP.To4())
		for j := range b {
			b[j] |= ^network.Mask[j]
		}
		return netip.AddrFrom4(b), nil
	}
	return netip.Addr{}, fmt.Errorf("network interface %s has no IPv4 address, and so no broadcast address", device)
}
