package drbdwire_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/dissect"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/pcap"
)

// TestCapturedBitmaps merges every bitmap that one kernel sent to another, and
// then sends the result: the same packets must come out.
func TestCapturedBitmaps(t *testing.T) {
	recordings, _ := filepath.Glob(captures + "/*.pcap.gz")
	transfers := 0
	for _, path := range recordings {
		sectors := map[*pcap.Conn]*[2]uint64{} // of the device, as each side has it
		under := map[sender]*transfer{}
		for _, p := range packetsOf(t, path) {
			from := 0
			if !p.FromA {
				from = 1
			}
			if sectors[p.Conn] == nil {
				sectors[p.Conn] = &[2]uint64{}
			}
			switch p.Header.Command {
			case drbdwire.CmdSizes:
				s, err := drbdwire.DecodeSizes(p.Payload)
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				sectors[p.Conn][from] = s.Current
			case drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap:
				st := sender{p.Conn, from}
				if under[st] == nil {
					transfers++
					under[st] = newTransfer(p, *sectors[p.Conn])
				}
				if under[st].take(t, p) {
					under[st].sendAgain(t, filepath.Base(path))
					delete(under, st)
				}
			default:
			}
		}
		NewWithT(t).Expect(under).To(BeEmpty(), "unfinished transfers in "+path)
	}
	NewWithT(t).Expect(transfers).To(Equal(52)) // 49 in one compressed packet, 2 plain, 1 of both kinds
}

// A sender is one end of a connection.
type sender struct {
	conn *pcap.Conn
	side int
}

// A transfer is a whole bitmap on its way.
type transfer struct {
	bits     uint64
	words    []uint64
	receiver drbdwire.BitmapReceiver
	packets  []dissect.Packet
	rle      bool
}

// newTransfer starts on a device as large as the smaller of two sizes; a side
// that did not tell in the recording has 0.
func newTransfer(p dissect.Packet, sectors [2]uint64) *transfer {
	agreed := min(sectors[0], sectors[1])
	if agreed == 0 {
		agreed = max(sectors[0], sectors[1])
	}
	x := &transfer{bits: (agreed + 7) / 8}
	x.words = make([]uint64, (x.bits+63)/64)
	x.receiver = drbdwire.NewBitmapReceiver(x.words, x.bits, drbdwire.BitmapRoom(p.Format))
	return x
}

func (x *transfer) take(t *testing.T, p dissect.Packet) (done bool) {
	t.Helper()
	done, err := x.receiver.Take(p.Header.Command, p.Payload)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	x.packets = append(x.packets, p)
	x.rle = x.rle || p.Header.Command == drbdwire.CmdCompressedBitmap
	return done
}

func (x *transfer) sendAgain(t *testing.T, name string) {
	t.Helper()
	g := NewWithT(t)
	sender := drbdwire.NewBitmapSender(x.words, x.bits)
	for i, p := range x.packets {
		cmd, payload, done := sender.Next(drbdwire.BitmapRoom(p.Format), x.rle, []byte{})
		g.Expect(cmd).To(Equal(p.Header.Command), "packet %d in %s", i, name)
		g.Expect(payload).To(Equal(p.Payload), "packet %d in %s", i, name)
		g.Expect(done).To(Equal(i == len(x.packets)-1), "packet %d in %s", i, name)
	}
}

// bitmapOf is a bitmap of alternating runs.
func bitmapOf(set bool, runs ...uint64) (words []uint64, bits uint64) {
	for _, run := range runs {
		bits += run
	}
	words = make([]uint64, (bits+63)/64)
	at := uint64(0)
	for _, run := range runs {
		for end := at + run; at < end; at++ {
			if set {
				words[at/64] |= 1 << (at % 64)
			}
		}
		set = !set
	}
	return words, bits
}

func TestRunLengths(t *testing.T) {
	for name, tc := range map[string]struct {
		set  bool
		runs []uint64
		want string
	}{
		"the four shortest levels": {
			set: true, runs: []uint64{1, 2, 3, 4, 5}, want: "",
		},
		"a device of 1000108 blocks": {
			runs: []uint64{100, 3, 1000000, 5}, want: "52df4cfe1e42de00",
		},
		"both ends of the levels up to the eighth": {
			runs: []uint64{1, 2, 3, 4, 5, 8, 9, 16, 17, 48, 49, 304, 305, 8496, 8497, 2105648, 2105649},
			want: "02988e7db83ff0fe07f0fdff00809fffff070000fefeffff2f00000000",
		},
		"an entirely clean bitmap is one code word": {runs: []uint64{246}, want: "225f31"},
		"an entirely dirty one too":                 {set: true, runs: []uint64{246}, want: "a25f31"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			words, bits := bitmapOf(tc.set, tc.runs...)
			out, next, ok := drbdwire.AppendRLE([]byte("before"), words, bits, 0, 4080)
			if tc.want == "" { // 15 bits of code take 2 bytes, and so do 15 bits of bitmap
				g.Expect(ok).To(BeFalse())
				g.Expect(string(out)).To(Equal("before"))
				g.Expect(next).To(BeZero())
				return
			}
			g.Expect(ok).To(BeTrue())
			g.Expect(next).To(Equal(bits))
			g.Expect(string(out[:6])).To(Equal("before"))
			g.Expect(hex.EncodeToString(out[6:])).To(Equal(tc.want))

			back := make([]uint64, len(words))
			next, set, err := drbdwire.DecodeRLE(out[6:], back, bits, 0)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(next).To(Equal(bits))
			g.Expect(set).To(Equal(count(words)))
			g.Expect(back).To(Equal(words))
		})
	}
}

func count(words []uint64) (set uint64) {
	for _, w := range words {
		for ; w != 0; w &= w - 1 {
			set++
		}
	}
	return set
}

func TestDecodeRLE(t *testing.T) {
	for name, tc := range map[string]struct {
		payload   string
		bits      uint64
		from      uint64
		before    uint64 // the first word
		want      uint64
		next, set uint64
		err       string
	}{
		"runs of 1 2 3 4 5, the first clear": {
			payload: "12980e", bits: 64, want: 0b0_0000_1111_0001_10, next: 15, set: 6,
		},
		"runs of 1 2 3 4 5, the first set": {
			payload: "92980e", bits: 64, want: 0b1_1111_0000_1110_01, next: 15, set: 9,
		},
		"a run goes on where the last packet ended": {
			payload: "92980e", bits: 64, from: 49, want: 0b1_1111_0000_1110_01 << 49, next: 64, set: 9,
		},
		"bits that were set stay so and are not counted": {
			payload: "12980e", bits: 64, before: 0b111, want: 0b0_0000_1111_0001_11, next: 15, set: 4,
		},
		"another code":               {payload: "11980e", bits: 64, err: "uses code 1, want 2"},
		"no code byte":               {payload: "12", bits: 64, err: "of 1 bytes, want 2 to 4088"},
		"a word cut by the padding":  {payload: "22980e", bits: 64, err: "ends inside a code word, 4 bits"},
		"a single bit":               {payload: "7200", bits: 64, err: "ends inside a code word, 1 bits"},
		"a set run past the end":     {payload: "92980e", bits: 14, err: "a run of 5 bits at bit 10, want its end at bit 14"},
		"a clear run past the end":   {payload: "42df4cfe1e42de00", bits: 1000, err: "a run of 1000000 bits at bit 103"},
		"the longest run of all":     {payload: "02ffffffffffffffff", bits: 1 << 51, err: "a run of 72057611219902768 bits"},
		"a packet after the last":    {payload: "92980e", bits: 64, from: 64, err: "at bit 64"},
		"a packet behind the bitmap": {payload: "92980e", bits: 64, from: 65, err: "at bit 65"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			payload, _ := hex.DecodeString(tc.payload)
			words := make([]uint64, 16)
			words[0] = tc.before
			next, set, err := drbdwire.DecodeRLE(payload, words, tc.bits, tc.from)
			if tc.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(fmt.Sprintf("%b", words[0])).To(Equal(fmt.Sprintf("%b", tc.want)))
			g.Expect(next).To(Equal(tc.next))
			g.Expect(set).To(Equal(tc.set))
		})
	}
}

func TestBitmapTransfer(t *testing.T) {
	mixed, mixedBits := make([]uint64, 2000), uint64(2000*64-17)
	for i := range 700 {
		mixed[i+700] = 0x5555555555555555 // the worst case: 2 bits of code for each
	}
	for name, tc := range map[string]struct {
		words []uint64
		bits  uint64
		room  int
		rle   bool
		want  []string // command and length
	}{
		"plain chunks fill the room, and an empty one ends it": {
			words: mixed, bits: mixedBits, room: 4080,
			want: []string{"P_BITMAP 4080", "P_BITMAP 4080", "P_BITMAP 4080", "P_BITMAP 3760", "P_BITMAP 0"},
		},
		"with the short header a chunk has a word more": {
			words: mixed, bits: mixedBits, room: 4088,
			want: []string{"P_BITMAP 4088", "P_BITMAP 4088", "P_BITMAP 4088", "P_BITMAP 3736", "P_BITMAP 0"},
		},
		"what does not compress goes plain, the rest compressed": {
			words: mixed, bits: mixedBits, room: 4080, rle: true,
			want: []string{"P_COMPRESSED_BITMAP 4080", "P_BITMAP 4080", "P_COMPRESSED_BITMAP 5"},
		},
		"a clean bitmap is one packet": {
			words: make([]uint64, 2000), bits: mixedBits, room: 4080, rle: true, want: []string{"P_COMPRESSED_BITMAP 5"},
		},
		"a bitmap that never compresses ends with the empty packet": {
			words: []uint64{0x5a5a123456789abc}, bits: 64, room: 4080, rle: true, want: []string{"P_BITMAP 8", "P_BITMAP 0"},
		},
		"a device without blocks has the empty packet only": {
			words: []uint64{}, room: 4080, rle: true, want: []string{"P_BITMAP 0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if n := len(tc.words); n > 0 && tc.bits%64 != 0 {
				tc.words[n-1] &= 1<<(tc.bits%64) - 1
			}
			sender := drbdwire.NewBitmapSender(tc.words, tc.bits)
			back := make([]uint64, len(tc.words))
			receiver := drbdwire.NewBitmapReceiver(back, tc.bits, tc.room)
			var got []string
			for done := false; !done && len(got) < 10; {
				var cmd drbdwire.Command
				var payload []byte
				cmd, payload, done = sender.Next(tc.room, tc.rle, nil)
				got = append(got, fmt.Sprintf("%s %d", cmd, len(payload)))
				received, err := receiver.Take(cmd, payload)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(received).To(Equal(done))
			}
			g.Expect(got).To(Equal(tc.want))
			g.Expect(back).To(Equal(tc.words))
		})
	}
}

func TestBitmapReceiverRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		cmd     drbdwire.Command
		payload []byte
		err     string
	}{
		"a chunk that is too short":  {drbdwire.CmdBitmap, make([]byte, 8), "P_BITMAP of 8 bytes at word 0 of 2"},
		"a chunk that is too long":   {drbdwire.CmdBitmap, make([]byte, 24), "want P_BITMAP of 16"},
		"an end before the last bit": {drbdwire.CmdBitmap, nil, "want P_BITMAP of 16"},
		"any other packet":           {drbdwire.CmdState, make([]byte, 16), "P_STATE of 16 bytes at word 0"},
		"a code word cut short":      {drbdwire.CmdCompressedBitmap, []byte{2, 0xff}, "inside a code word"},
	} {
		t.Run(name, func(t *testing.T) {
			receiver := drbdwire.NewBitmapReceiver(make([]uint64, 2), 100, 4080)
			_, err := receiver.Take(tc.cmd, tc.payload)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.err)))
		})
	}
}

func TestBitmapReceiverDropsBitsPastTheEnd(t *testing.T) {
	g := NewWithT(t)
	words := []uint64{1, 0}
	receiver := drbdwire.NewBitmapReceiver(words, 70, 4080)
	_, err := receiver.Take(drbdwire.CmdBitmap, drbdwire.AppendWords(nil, []uint64{3, ^uint64(0)}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(words).To(Equal([]uint64{3, 0x3f}))
}

func TestMergeWords(t *testing.T) {
	g := NewWithT(t)
	words := []uint64{0, 1, 0}
	set, err := drbdwire.MergeWords(words, []byte{3, 0, 0, 0, 0, 0, 0, 0x80}, 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(words).To(Equal([]uint64{0, 1<<63 | 3, 0}))
	g.Expect(set).To(Equal(uint64(2)))
	for _, bad := range []struct {
		bytes  int
		offset uint64
	}{{7, 0}, {8, 3}, {16, 2}, {0, 4}, {8, 1<<64 - 1}} {
		_, err = drbdwire.MergeWords(words, make([]byte, bad.bytes), bad.offset)
		g.Expect(err).To(MatchError(ContainSubstring("want whole words that lie inside")))
	}
}
