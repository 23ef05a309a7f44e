package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/format/dissect"
	"github.com/optionc/pollux/daemon/format/pcap"
)

func newDissect() *cobra.Command {
	return &cobra.Command{
		Use: "dissect FILE.pcap[.gz]", Short: "print a recorded DRBD conversation, packet by packet",
		Long: `Print what two DRBD nodes said to each other, as tcpdump -w recorded it: both TCP
connections, packet by packet, with the names and values of all fields, and the
heartbeats meanwhile. Each line has the number of the packet, the frame and the
second in which it was complete, who sent it, the connection, and the socket
that it belongs on. A recording of a live connection is read from the first
packet on that begins in it. '-' reads from stdin.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := bufio.NewWriter(cmd.OutOrStdout())
			err := dissectFile(out, args[0])
			if flushed := out.Flush(); err == nil {
				err = flushed
			}
			return err
		},
	}
}

// readRecording reads a file, and unpacks it if it is packed.
func readRecording(path string) ([]byte, error) {
	if path == "-" {
		path = "/dev/stdin"
	}
	file, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
		return file, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(file))
	if err == nil {
		file, err = io.ReadAll(unpacked)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: unpack: %w", path, err)
	}
	return file, nil
}

func dissectFile(w io.Writer, path string) error {
	file, err := readRecording(path)
	if err != nil {
		return err
	}
	// What there is of a file that ends too early is printed first.
	frames, broken := pcap.Read(file)
	var start time.Time
	var known *pcap.Conn
	packets := 0
	line := func(frame int, at time.Time, text string) {
		if start.IsZero() {
			start = frames[0].Time
		}
		_, _ = fmt.Fprintf(w, "%5d f%-5d %10.4f %s\n", packets, frame, at.Sub(start).Seconds(), text)
	}
	meet := func(c *pcap.Conn) {
		if known == nil || known.Ends[0].Host() != c.Ends[0].Host() || known.Ends[1].Host() != c.Ends[1].Host() {
			_, _ = fmt.Fprintf(w, "A = %s, B = %s\n", c.Ends[0].Host(), c.Ends[1].Host())
		}
		known = c
	}
	dissect.Frames(frames, dissect.Sink{
		Packet: func(p dissect.Packet) {
			meet(p.Conn)
			packets++
			text, err := p.Line()
			if err != nil {
				text += " MALFORMED: " + err.Error()
			}
			line(p.Frame, p.Time, text)
		},
		Trouble: func(t dissect.Trouble) {
			meet(t.Conn)
			line(t.Frame, t.Time, t.Line())
		},
		Heartbeat: func(f pcap.Frame, s pcap.Segment) {
			packets++
			text, err := dissect.Heartbeat(s.Data)
			if err != nil {
				text = "MALFORMED: " + err.Error()
			}
			line(f.Number, f.Time, fmt.Sprintf("%s>%s heartbeat %s", s.From, s.To, text))
		},
	})
	switch {
	case broken != nil:
		return fmt.Errorf("%s: %w", path, broken)
	case packets == 0:
		return fmt.Errorf("%s: %d frames, and none has a packet of DRBD or Heartbeat", path, len(frames))
	}
	return nil
}
