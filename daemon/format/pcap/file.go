// Package pcap reads recordings of networks: files of tcpdump and its kin, the
// TCP and UDP segments in their frames, and the bytes of a TCP connection in
// the order in which they were sent.
package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A Link is what a frame begins with.
type Link uint32

// The links. Source: the list of link types at tcpdump.org.
const (
	LinkNull     Link = 0   // loopback of BSD: 4 bytes of address family
	LinkEthernet Link = 1   // 14 bytes, more with a VLAN tag
	LinkRaw      Link = 101 // nothing: an IP packet
	LinkCooked   Link = 113 // 16 bytes of Linux, of "tcpdump -i any"
	LinkCooked2  Link = 276 // 20 bytes of the same, newer
)

// A Frame is one packet of a recording.
type Frame struct {
	Number int // from 1
	Time   time.Time
	Link   Link
	Data   []byte // as much of it as was recorded
}

const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
	magicNG    = 0x0a0d0d0a

	fileHeader   = 24
	recordHeader = 16
)

// ErrNG is a recording in the newer format, which this package does not read.
var ErrNG = errors.New("a pcapng file, want pcap: convert it with 'editcap -F pcap FILE.pcapng FILE.pcap', " +
	"or record with 'tcpdump -w'")

// Read gives the frames of a recording, which alias it. A recording that ends
// within a frame gives those before, and an error.
//
//	offset  size  field
//	0       4     magic, which tells the byte order, and micro- or nanoseconds
//	4       16    version, time zone, accuracy, most bytes of a frame
//	20      4     Link
//
// and for each frame
//
//	0       4     seconds since 1970
//	4       4     micro- or nanoseconds
//	8       4     bytes that follow
//	12      4     bytes that there were
func Read(file []byte) ([]Frame, error) {
	if len(file) < fileHeader {
		return nil, fmt.Errorf("a file of %d bytes, want a pcap of at least %d", len(file), fileHeader)
	}
	var order binary.ByteOrder = binary.LittleEndian
	unit := time.Microsecond
	switch little, big := binary.LittleEndian.Uint32(file), binary.BigEndian.Uint32(file); {
	case little == magicMicro:
	case little == magicNano:
		unit = time.Nanosecond
	case big == magicMicro:
		order = binary.BigEndian
	case big == magicNano:
		order, unit = binary.BigEndian, time.Nanosecond
	case big == magicNG:
		return nil, ErrNG
	default:
		return nil, fmt.Errorf("a file that starts with %08x, want the magic %08x or %08x of a pcap", big,
			uint32(magicMicro), uint32(magicNano))
	}
	link := Link(order.Uint32(file[20:]) & 0x0fffffff)
	var frames []Frame
	for rest := file[fileHeader:]; len(rest) > 0; {
		number := len(frames) + 1
		if len(rest) < recordHeader {
			return frames, fmt.Errorf("frame %d: the file ends within it", number)
		}
		seconds, part, size := order.Uint32(rest), order.Uint32(rest[4:]), order.Uint32(rest[8:])
		rest = rest[recordHeader:]
		if uint64(size) > uint64(len(rest)) {
			return frames, fmt.Errorf("frame %d of %d bytes: the file ends within it", number, size)
		}
		at := time.Unix(int64(seconds), int64(part)*int64(unit)).UTC()
		frames = append(frames, Frame{Number: number, Time: at, Link: link, Data: rest[:size]})
		rest = rest[size:]
	}
	return frames, nil
}
