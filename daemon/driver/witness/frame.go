package witness

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Packets stand behind their length, two bytes, big endian.

// writeWithin is how long a packet may take to get into the socket.
const writeWithin = 10 * time.Second

func writeFrame(c net.Conn, packet []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(packet)))
	_, err := c.Write(append(b, packet...))
	return err
}

// readFrame waits for a packet, and not longer than that.
func readFrame(c net.Conn, within time.Duration) ([]byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(size[:])
	if n > witnesswire.MaxSize {
		return nil, fmt.Errorf("found a packet of %d bytes, want at most %d", n, witnesswire.MaxSize)
	}
	packet := make([]byte, n)
	_, err := io.ReadFull(c, packet)
	return packet, err
}
