package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// maxFrame bounds a frame's length in bytes.
const maxFrame = 64 << 10

// plugIn makes the card eth0, whose frames go to and come from a switch.
func plugIn(cable, mac, address string) error {
	tap, err := openTap("eth0")
	if err != nil {
		return err
	}
	wire, err := net.Dial("unix", cable)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "set", "eth0", "address", mac},
		{"address", "add", address, "broadcast", "+", "dev", "eth0"},
		{"link", "set", "eth0", "up"},
	} {
		if said, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, said)
		}
	}
	// A switch that is gone is a cable that is unplugged.
	go func() { _ = outward(tap, wire) }()
	go func() { _ = inward(tap, wire) }()
	return nil
}

// openTap makes a card whose frames this process carries.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// outward carries frames to the switch, each with its length before it, as
// QEMU's netdev stream does.
func outward(tap io.Reader, wire io.Writer) error {
	frame := make([]byte, 4+maxFrame)
	for {
		n, err := tap.Read(frame[4:])
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(frame, uint32(n))
		if _, err := wire.Write(frame[:4+n]); err != nil {
			return err
		}
	}
}

// inward carries frames from the switch to the card.
func inward(tap io.Writer, wire io.Reader) error {
	frame := make([]byte, maxFrame)
	for {
		var head [4]byte
		if _, err := io.ReadFull(wire, head[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > maxFrame {
			return fmt.Errorf("frame of %d bytes, want at most %d", n, maxFrame)
		}
		if _, err := io.ReadFull(wire, frame[:n]); err != nil {
			return err
		}
		if _, err := tap.Write(frame[:n]); err != nil {
			continue // a card that is down takes none
		}
	}
}
