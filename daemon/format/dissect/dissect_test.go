package dissect_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/dissect"
	"github.com/optionc/pollux/daemon/format/pcap"
)

// recording is one that package drbdwire checks line by line; here are the
// ways in which one may be damaged.
func recording(tb testing.TB) []pcap.Frame {
	tb.Helper()
	g := NewWithT(tb)
	packed, err := os.ReadFile("../drbdwire/testdata/drbd84/c16-trim.pcap.gz")
	g.Expect(err).NotTo(HaveOccurred())
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	g.Expect(err).NotTo(HaveOccurred())
	file, err := io.ReadAll(unpacked)
	g.Expect(err).NotTo(HaveOccurred())
	frames, err := pcap.Read(file)
	g.Expect(err).NotTo(HaveOccurred())
	return frames
}

// lines are the packets and troubles of frames.
func lines(tb testing.TB, frames []pcap.Frame) (packets, troubles []string) {
	tb.Helper()
	dissect.Frames(frames, dissect.Sink{
		Packet: func(p dissect.Packet) {
			line, err := p.Line()
			NewWithT(tb).Expect(err).NotTo(HaveOccurred())
			packets = append(packets, line)
		},
		Trouble:   func(t dissect.Trouble) { troubles = append(troubles, t.Line()) },
		Heartbeat: func(pcap.Frame, pcap.Segment) {},
	})
	return packets, troubles
}

func TestARecordingThatBeginsLateIsReadFromTheNextPacketOn(t *testing.T) {
	g := NewWithT(t)
	frames := recording(t)
	all, _ := lines(t, frames)
	for from := range frames {
		some, troubles := lines(t, frames[from:])
		g.Expect(troubles).To(BeEmpty())
		g.Expect(len(some)).To(BeNumerically("<=", len(all)))
		g.Expect(len(some) > 0 || from > len(frames)/2).To(BeTrue(), "from frame %d on", from+1)
	}
}

func TestALostFrameIsNamed(t *testing.T) {
	g := NewWithT(t)
	frames := recording(t)
	named := 0
	for lost := range frames {
		if s, ok := frames[lost].Segment(); !ok || len(s.Data) == 0 {
			continue
		}
		rest := append(append([]pcap.Frame{}, frames[:lost]...), frames[lost+1:]...)
		_, troubles := lines(t, rest)
		for _, trouble := range troubles {
			named++
			g.Expect(trouble).To(MatchRegexp(`^[AB]>[AB] c\d UNREADABLE from here on: \d+ bytes are not in the recording`))
		}
	}
	g.Expect(named).To(BeNumerically(">", 0))
}

func TestWhatIsNoDRBDIsPassedOver(t *testing.T) {
	g := NewWithT(t)
	frames := recording(t)
	for i := range frames {
		if s, ok := frames[i].Segment(); ok && len(s.Data) > 0 {
			data := bytes.Clone(frames[i].Data)
			for at := len(data) - len(s.Data); at < len(data); at++ {
				data[at] ^= 0x55
			}
			frames[i].Data = data
		}
	}
	packets, troubles := lines(t, frames)
	g.Expect(packets).To(BeEmpty())
	g.Expect(troubles).To(BeEmpty())
}

func FuzzFrames(f *testing.F) {
	for _, frame := range recording(f) {
		if s, ok := frame.Segment(); ok && len(s.Data) > 0 {
			f.Add(s.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := pcap.Frame{Number: 1}
		packets := 0
		head := append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2},
			0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0)
		frame.Link, frame.Data = pcap.LinkRaw, append(head, data...)
		dissect.Frames([]pcap.Frame{frame}, dissect.Sink{
			Packet: func(p dissect.Packet) {
				packets++
				_, _ = p.Line()
			},
			Trouble: func(dissect.Trouble) {},
		})
		if packets > len(data) {
			t.Errorf("%d packets in %d bytes", packets, len(data))
		}
	})
}
