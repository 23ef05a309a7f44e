package kernel

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// Commands and attributes of the family "nbd". Source: linux/nbd-netlink.h.
const (
	familyName = "nbd"

	commandConnect     = 1
	commandDisconnect  = 2
	commandReconfigure = 3

	attributeIndex      = 1  // 4 bytes
	attributeSize       = 2  // 8, in bytes
	attributeBlockSize  = 3  // 8, in bytes
	attributeServer     = 5  // 8, transmission flags
	attributeSockets    = 7  // nested: items
	attributeDeadTime   = 8  // 8, in seconds
	attributeIdentifier = 10 // text

	attributeItem       = 1 // in sockets; nested: a descriptor
	attributeDescriptor = 1 // in an item; 4 bytes
)

// anyIndex lets the driver choose a device.
const anyIndex = -1

// setup is what the driver is told of a device.
type setup struct {
	index      int    // of /dev/nbdN, or anyIndex
	size       uint64 // bytes
	block      int    // bytes
	flags      nbd.TransmissionFlags
	socket     int           // descriptor of the driver's end; -1 for none
	deadTime   time.Duration // whole seconds
	identifier string
}

// A driver is the nbd driver of the kernel: itself, or a stand-in in tests.
type driver interface {
	// connect makes a device, and returns its index. EBUSY: that one is in use.
	connect(s setup) (index int, err error)
	// reconfigure gives a device whose socket is dead another one, and a size.
	// It keeps quiet if the socket is not dead. EINVAL: the device is not
	// configured, or by somebody else.
	reconfigure(s setup) error
	// disconnect ends a device; those who have it open get errors.
	disconnect(index int) error
	// exclude opens a device so that nobody else can have it for himself: EBUSY
	// says that device-mapper, a mount or another such holder has it. Those who
	// just read and write are not disturbed, nor noticed.
	exclude(index int) (*os.File, error)
}

// netlink is the real one.
type netlink struct{}

func (netlink) connect(s setup) (int, error) {
	answer, err := call(commandConnect, connectAttributes(s))
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	index, ok := attribute(answer, attributeIndex)
	if !ok || len(index) != 4 {
		return 0, fmt.Errorf("connect: %w: no index", errMalformed)
	}
	return int(native.Uint32(index)), nil
}

func (netlink) reconfigure(s setup) error {
	if _, err := call(commandReconfigure, reconfigureAttributes(s)); err != nil {
		return fmt.Errorf("reconfigure /dev/nbd%d: %w", s.index, err)
	}
	return nil
}

func (netlink) disconnect(index int) error {
	if _, err := call(commandDisconnect, appendAttribute(nil, attributeIndex, uint32Value(uint32(index)))); err != nil {
		return fmt.Errorf("disconnect /dev/nbd%d: %w", index, err)
	}
	return nil
}

func (netlink) exclude(index int) (*os.File, error) {
	return os.OpenFile(node(index), os.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
}

func call(command uint8, attributes []byte) ([]byte, error) {
	family, err := familyOf(familyName)
	if err != nil {
		return nil, err
	}
	return ask(family, command, nbdVersion, attributes)
}

// connectAttributes has no timeout for a request: a write may wait for the peer
// for minutes, and the driver would kill the connection of a daemon that is
// well.
func connectAttributes(s setup) []byte {
	var b []byte
	if s.index != anyIndex {
		b = appendAttribute(nil, attributeIndex, uint32Value(uint32(s.index)))
	}
	b = appendUint64(b, attributeSize, s.size)
	b = appendUint64(b, attributeBlockSize, uint64(s.block))
	b = appendUint64(b, attributeServer, uint64(s.flags))
	b = appendUint64(b, attributeDeadTime, uint64(s.deadTime/time.Second))
	b = appendText(b, attributeIdentifier, s.identifier)
	return appendSocket(b, s.socket)
}

// reconfigureAttributes leaves the flags out, which the driver does not take
// again.
func reconfigureAttributes(s setup) []byte {
	b := appendAttribute(nil, attributeIndex, uint32Value(uint32(s.index)))
	b = appendUint64(b, attributeSize, s.size)
	b = appendUint64(b, attributeDeadTime, uint64(s.deadTime/time.Second))
	b = appendText(b, attributeIdentifier, s.identifier)
	return appendSocket(b, s.socket)
}

// appendSocket adds a list of one socket: with several, a stall longer than the
// block layer's timer lets the driver kill one that is well.
func appendSocket(b []byte, socket int) []byte {
	if socket < 0 {
		return b
	}
	item := appendAttribute(nil, attributeDescriptor, uint32Value(uint32(socket)))
	return appendAttribute(b, attributeSockets, appendAttribute(nil, attributeItem, item))
}
