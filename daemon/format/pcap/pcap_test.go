package pcap_test

import (
	"encoding/binary"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/pcap"
)

// file makes a recording of frames a second apart.
func file(order binary.AppendByteOrder, magic uint32, link pcap.Link, frames ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = append(b, make([]byte, 16)...)
	b = order.AppendUint32(b, uint32(link))
	for i, f := range frames {
		b = order.AppendUint32(b, uint32(1000+i))
		b = order.AppendUint32(b, 7)
		b = order.AppendUint32(b, uint32(len(f)))
		b = order.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

func TestFilesOfEitherOrderAndUnit(t *testing.T) {
	for name, tc := range map[string]struct {
		file []byte
		unit time.Duration
	}{
		"little, microseconds": {file(binary.LittleEndian, 0xa1b2c3d4, 1, []byte("a"), []byte("bc")), time.Microsecond},
		"big, microseconds":    {file(binary.BigEndian, 0xa1b2c3d4, 1, []byte("a"), []byte("bc")), time.Microsecond},
		"little, nanoseconds":  {file(binary.LittleEndian, 0xa1b23c4d, 1, []byte("a"), []byte("bc")), time.Nanosecond},
		"big, nanoseconds":     {file(binary.BigEndian, 0xa1b23c4d, 1, []byte("a"), []byte("bc")), time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			frames, err := pcap.Read(tc.file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(frames).To(HaveLen(2))
			g.Expect(frames[1]).To(Equal(pcap.Frame{
				Number: 2, Time: time.Unix(1001, 0).Add(7 * tc.unit).UTC(), Link: pcap.LinkEthernet, Data: []byte("bc"),
			}))
			for cut := 1; cut < 18; cut++ {
				frames, err = pcap.Read(tc.file[:len(tc.file)-cut])
				g.Expect(err).To(MatchError(ContainSubstring("frame 2")))
				g.Expect(frames).To(HaveLen(1), "what there is")
			}
		})
	}
}

func TestWhatIsNoPcapSaysWhatToDo(t *testing.T) {
	g := NewWithT(t)
	_, err := pcap.Read(append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, make([]byte, 40)...))
	g.Expect(err).To(MatchError(pcap.ErrNG))
	_, err = pcap.Read([]byte("\x7fELF and so on, for a while"))
	g.Expect(err).To(MatchError(ContainSubstring("starts with 7f454c46, want the magic a1b2c3d4 or a1b23c4d")))
	_, err = pcap.Read(nil)
	g.Expect(err).To(MatchError(ContainSubstring("a file of 0 bytes")))
}

// tcp is an IPv4 packet from 10.0.0.1:1 to 10.0.0.2:2, or back.
func tcp(back bool, flags byte, seq uint32, data string) []byte {
	ip := make([]byte, 20, 64)
	ip[0], ip[9] = 0x45, 6
	binary.BigEndian.PutUint16(ip[2:], uint16(40+len(data)))
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	segment := make([]byte, 20)
	segment[1], segment[3] = 1, 2
	if back {
		ip[15], ip[19], segment[1], segment[3] = 2, 1, 2, 1
	}
	binary.BigEndian.PutUint32(segment[4:], seq)
	segment[12], segment[13] = 5<<4, flags
	return append(append(ip, segment...), data...)
}

func TestFramesOfEveryLink(t *testing.T) {
	packet := tcp(true, 0x10, 5, "hello")
	v6 := append([]byte{0x60, 0, 0, 0, 0, 9, 17, 64}, make([]byte, 32)...)
	v6[23], v6[39] = 1, 2
	v6 = append(v6, 0, 1, 2, 0xb6, 0, 9, 0, 0, 'x')
	for name, tc := range map[string]struct {
		link   pcap.Link
		header []byte
		packet []byte
		want   string
	}{
		"ethernet":    {pcap.LinkEthernet, append(make([]byte, 12), 8, 0), packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"VLAN":        {pcap.LinkEthernet, append(make([]byte, 12), 0x81, 0, 0, 5, 8, 0), packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"any":         {pcap.LinkCooked, append(make([]byte, 14), 8, 0), packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"any, newer":  {pcap.LinkCooked2, append([]byte{8, 0}, make([]byte, 18)...), packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"loopback":    {pcap.LinkNull, make([]byte, 4), packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"nothing":     {pcap.LinkRaw, nil, packet, "10.0.0.2:2 10.0.0.1:1 hello"},
		"IPv6, UDP":   {pcap.LinkRaw, nil, v6, "[0:0:0:0:0:0:0:1]:1 [0:0:0:0:0:0:0:2]:694 x"},
		"ARP":         {pcap.LinkEthernet, append(make([]byte, 12), 8, 6), packet, ""},
		"another one": {77, nil, packet, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := pcap.Frame{Link: tc.link, Data: append(tc.header, tc.packet...)}
			s, ok := f.Segment()
			g.Expect(ok).To(Equal(tc.want != ""))
			if ok {
				g.Expect(s.From.String() + " " + s.To.String() + " " + string(s.Data)).To(Equal(tc.want))
			}
			for range len(f.Data) {
				f.Data = f.Data[:len(f.Data)-1]
				_, _ = f.Segment() // no panic
			}
		})
	}
}

func TestBytesComeInOrder(t *testing.T) {
	const syn, ack = 2, 16
	type part struct {
		back  bool
		flags byte
		seq   uint32
		data  string
	}
	for name, tc := range map[string]struct {
		parts []part
		want  string // of the first direction; | between connections
	}{
		"as they were sent":      {[]part{{false, syn, 9, ""}, {true, syn | ack, 70, ""}, {false, ack, 10, "ab"}, {true, ack, 71, "XY"}, {false, ack, 12, "c"}}, "abc"},
		"one overtook another":   {[]part{{false, syn, 9, ""}, {false, ack, 12, "c"}, {false, ack, 13, "d"}, {false, ack, 10, "ab"}}, "abcd"},
		"one was sent again":     {[]part{{false, syn, 9, ""}, {false, ack, 10, "ab"}, {false, ack, 10, "ab"}, {false, ack, 11, "bc"}}, "abc"},
		"numbers wrap":           {[]part{{false, syn, 0xfffffffe, ""}, {false, ack, 1, "c"}, {false, ack, 0xffffffff, "ab"}}, "abc"},
		"from the middle on":     {[]part{{false, ack, 500, "mid"}, {false, ack, 503, "dle"}}, "middle"},
		"one is missing":         {[]part{{false, syn, 9, ""}, {false, ack, 10, "ab"}, {false, ack, 14, "e"}}, "ab"},
		"the same ends, anew":    {[]part{{false, syn, 9, ""}, {false, ack, 10, "ab"}, {false, syn, 900, ""}, {false, ack, 901, "cd"}}, "ab|cd"},
		"the SYN was sent again": {[]part{{false, syn, 9, ""}, {false, syn, 9, ""}, {false, ack, 10, "ab"}}, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var conns pcap.Conns
			got := map[*pcap.Conn]string{}
			for _, p := range tc.parts {
				s, ok := pcap.Frame{Link: pcap.LinkRaw, Data: tcp(p.back, p.flags, p.seq, p.data)}.Segment()
				g.Expect(ok).To(BeTrue())
				for _, piece := range conns.Add(s) {
					if piece.Side == 0 {
						got[piece.Conn] += string(piece.Data)
					}
				}
			}
			text := ""
			for c := range got {
				g.Expect(c.Missing(0)).To(BeEquivalentTo(map[bool]int{true: 2}[name == "one is missing"]))
			}
			for n := 1; n <= len(got); n++ {
				for c, data := range got {
					if c.Number == n {
						text += data + "|"
					}
				}
			}
			g.Expect(text).To(Equal(tc.want + "|"))
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(binary.LittleEndian, 0xa1b2c3d4, pcap.LinkRaw, tcp(false, 2, 9, ""), tcp(false, 16, 10, "ab")))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, _ := pcap.Read(b)
		var conns pcap.Conns
		total := 0
		for _, frame := range frames {
			s, ok := frame.Segment()
			if !ok || s.Protocol != pcap.TCP {
				continue
			}
			for _, piece := range conns.Add(s) {
				total += len(piece.Data)
			}
		}
		if total > len(b) {
			t.Errorf("%d bytes of a file of %d", total, len(b))
		}
	})
}
