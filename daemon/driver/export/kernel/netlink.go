package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A message of generic netlink, as this package sends it:
//
//	offset  size  field
//	0       4     length of all
//	4       2     type: the number of the family
//	6       2     flags
//	8       4     sequence number
//	12      4     port of the sender; 0 is the kernel's to fill in
//	16      1     command
//	17      1     version of the family
//	18      2     0
//	20      -     attributes: length (2), type (2), value, padded to 4 bytes
//
// Integers are in the order of the machine. Source: linux/netlink.h and
// linux/genetlink.h.
const (
	netlinkHeader   = 16
	headers         = netlinkHeader + 4
	attributeHeader = 4
)

// The controller knows the numbers of the families. Source: linux/genetlink.h.
const (
	controllerVersion = 2
	nbdVersion        = 1
)

// netlinkWait is how long the kernel may take to answer. A disconnect waits for
// what the driver has under way.
const netlinkWait = 30 // seconds

var native = binary.NativeEndian

// appendAttribute adds one attribute; nested ones are the value of another.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = native.AppendUint16(b, uint16(attributeHeader+len(value)))
	b = native.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func uint32Value(n uint32) []byte { return native.AppendUint32(nil, n) }

func appendUint64(b []byte, kind uint16, value uint64) []byte {
	return appendAttribute(b, kind, native.AppendUint64(nil, value))
}

// appendText adds a string with its final zero.
func appendText(b []byte, kind uint16, value string) []byte {
	return appendAttribute(b, kind, append([]byte(value), 0))
}

// appendMessage adds a request that is to be acknowledged.
func appendMessage(b []byte, family uint16, sequence uint32, command, version uint8, attributes []byte) []byte {
	b = native.AppendUint32(b, uint32(headers+len(attributes)))
	b = native.AppendUint16(b, family)
	b = native.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = native.AppendUint32(b, sequence)
	b = native.AppendUint32(b, 0)
	b = append(b, command, version, 0, 0)
	return append(b, attributes...)
}

// attribute finds the value of the first attribute of that kind.
func attribute(attributes []byte, kind uint16) ([]byte, bool) {
	for len(attributes) >= attributeHeader {
		length := int(native.Uint16(attributes))
		if length < attributeHeader || length > len(attributes) {
			return nil, false
		}
		if native.Uint16(attributes[2:])&^unix.NLA_F_NESTED == kind {
			return attributes[attributeHeader:length], true
		}
		attributes = attributes[min((length+3)&^3, len(attributes)):]
	}
	return nil, false
}

var errMalformed = errors.New("malformed answer of the kernel")

// reply is what the kernel said to one request.
type reply struct {
	attributes []byte // of its answer; nil if it only acknowledged
	done       bool   // the acknowledgement has come
}

// read takes what one datagram has to say to the request of that number. An
// error of the kernel is returned as its errno.
func (r *reply) read(datagram []byte, sequence uint32) error {
	for len(datagram) >= netlinkHeader {
		length := int(native.Uint32(datagram))
		if length < netlinkHeader || length > len(datagram) {
			return fmt.Errorf("%w: message of %d bytes in a datagram of %d", errMalformed, length, len(datagram))
		}
		message := datagram[:length]
		datagram = datagram[min((length+3)&^3, len(datagram)):]
		if native.Uint32(message[8:]) != sequence {
			continue
		}
		if native.Uint16(message[4:]) != unix.NLMSG_ERROR {
			if length < headers {
				return fmt.Errorf("%w: %d bytes, want at least %d", errMalformed, length, headers)
			}
			r.attributes = message[headers:]
			continue
		}
		if length < netlinkHeader+4 {
			return fmt.Errorf("%w: acknowledgement of %d bytes", errMalformed, length)
		}
		r.done = true
		if errno := int32(native.Uint32(message[netlinkHeader:])); errno != 0 {
			return unix.Errno(-errno)
		}
	}
	return nil
}

// ask sends one request to a family and waits for the end of its answer, whose
// attributes it returns.
func ask(family uint16, command, version uint8, attributes []byte) (answer []byte, err error) {
	const sequence = 1 // each request has a socket of its own
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: netlinkWait})
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	message := appendMessage(nil, family, sequence, command, version, attributes)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var r reply
	for buffer := make([]byte, 8192); !r.done; {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("answer of the kernel: %w", err)
		}
		if err := r.read(append([]byte(nil), buffer[:n]...), sequence); err != nil {
			return nil, err
		}
	}
	return r.attributes, nil
}

// familyOf asks for the number of a family: ENOENT if its module is not loaded.
func familyOf(name string) (uint16, error) {
	attributes := appendText(nil, unix.CTRL_ATTR_FAMILY_NAME, name)
	answer, err := ask(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, controllerVersion, attributes)
	if err != nil {
		return 0, fmt.Errorf("netlink family %s: %w", name, err)
	}
	id, ok := attribute(answer, unix.CTRL_ATTR_FAMILY_ID)
	if !ok || len(id) != 2 {
		return 0, fmt.Errorf("netlink family %s: %w: no number", name, errMalformed)
	}
	return native.Uint16(id), nil
}
