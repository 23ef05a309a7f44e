package drbdwire_test

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/optionc/pollux/daemon/format/dissect"
	"github.com/optionc/pollux/daemon/format/pcap"
)

// packetsOf cuts a recording into packets, in the order in which they were
// complete.
func packetsOf(tb testing.TB, path string) (packets []dissect.Packet) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	in, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	recording, err := io.ReadAll(in)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	frames, err := pcap.Read(recording)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	dissect.Frames(frames, dissect.Sink{
		Packet:  func(p dissect.Packet) { packets = append(packets, p) },
		Trouble: func(t dissect.Trouble) { tb.Fatalf("%s: frame %d: %s", path, t.Frame, t.Line()) },
	})
	return packets
}
