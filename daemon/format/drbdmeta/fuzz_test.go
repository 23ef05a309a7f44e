package drbdmeta_test

import (
	"bytes"
	"hash/crc32"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

func FuzzDecodeSuperblock(f *testing.F) {
	for _, v := range loadVectors(f) {
		_, l := v.superblock(f)
		f.Add(v.at(l.Superblock, 96), uint64(v.disk)/512)
	}
	f.Add(fresh64M, uint64(131072))
	f.Fuzz(func(t *testing.T, b []byte, sectors uint64) {
		g := NewWithT(t)
		s, err := drbdmeta.DecodeSuperblock(block(b[:min(len(b), drbdmeta.BlockSize)]))
		if err != nil {
			return
		}
		again, err := drbdmeta.DecodeSuperblock(s.Append(nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(s))
		sectors %= 1 << 50
		for _, kind := range []drbdmeta.Kind{drbdmeta.KindInternal, drbdmeta.KindFlexible, drbdmeta.KindIndexed} {
			at := int64(0)
			if kind == drbdmeta.KindInternal {
				at = max(0, int64(sectors/8*8-8)*512)
			}
			if s.Validate(kind, at, sectors) != nil {
				continue
			}
			l := s.Layout(at)
			g.Expect(s.At(l).Layout(at)).To(Equal(l))
			g.Expect(l.Bitmap).To(BeNumerically(">=", 0))
			g.Expect(l.Bitmap + l.BitmapSize).To(BeNumerically("<=", sectors*512))
			g.Expect(l.ActivityLog + l.ALSize).To(BeNumerically("<=", sectors*512))
			g.Expect(l.BitmapSize*8*8).To(BeNumerically(">=", s.Size), "one bit for 8 sectors")
		}
	})
}

// The bytes get the magic and the CRC that they need: those keep a fuzzer out.
func FuzzDecodeTransaction(f *testing.F) {
	f.Add(hotFive.Append(nil)[12:440])
	f.Add(drbdmeta.AppendInitialized(nil)[12:40])
	f.Fuzz(func(t *testing.T, rest []byte) {
		g := NewWithT(t)
		if _, err := drbdmeta.DecodeTransaction(rest); len(rest) < drbdmeta.BlockSize {
			g.Expect(err).To(MatchError(drbdmeta.ErrTorn))
		}
		b := block(append(words(0x69cb65a2, 1, 0), rest[:min(len(rest), 4084)]...))
		crc := ^crc32.Update(0xffffffff, crc32.MakeTable(crc32.Castagnoli), b)
		copy(b[8:], words(crc))
		tr, err := drbdmeta.DecodeTransaction(b)
		if err != nil {
			g.Expect(err).To(Or(MatchError(drbdmeta.ErrInitialized), MatchError(drbdmeta.ErrInvalid)))
			return
		}
		again, err := drbdmeta.DecodeTransaction(tr.Append(nil))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(tr))
	})
}

// The log is made of whole blocks, with what the input says in them.
func FuzzReplay(f *testing.F) {
	f.Add(uint32(3), uint16(257), uint16(0), []byte{0, 1, 0, 0, 0, 5}, uint32(1), uint32(8), true)
	f.Add(uint32(0xffffffff), uint16(67), uint16(60000), []byte{255, 255, 0, 0, 0, 5}, uint32(3), uint32(3), false)
	f.Fuzz(func(t *testing.T, number uint32, slots, start uint16, raw []byte, stripes, size uint32, clean bool) {
		tr := drbdmeta.Transaction{Number: number, Slots: int(slots), ContextStart: int(start)}
		for len(raw) >= 6 && len(tr.Updates) < drbdmeta.MaxUpdates {
			tr.Updates = append(tr.Updates, drbdmeta.Update{
				Slot: uint16(raw[0])<<8 | uint16(raw[1]), Extent: uint32(raw[2])<<24 | uint32(raw[5]),
			})
			tr.Context = append(tr.Context, uint32(raw[3]))
			raw = raw[6:]
		}
		next := tr
		next.Number++
		log := append(next.Append(nil), raw...)
		log = append(log, tr.Append(nil)...)
		log = append(log, bytes.Repeat(drbdmeta.AppendInitialized(nil), 7)...)
		s := drbdmeta.Superblock{
			Flags: drbdmeta.MDPrimaryInd, Clean: clean, Stripes: stripes, StripeSize4k: size, ALExtents: 257,
		}
		replayed, err := drbdmeta.Replay(s, log)
		g := NewWithT(t)
		if err == nil {
			g.Expect(replayed.Hot).NotTo(ContainElement(drbdmeta.FreeExtent))
		}
		if _, err := drbdmeta.Replay(s, raw); err != nil {
			g.Expect(err).To(MatchError(drbdmeta.ErrLogLost))
		}
	})
}

func FuzzDecodeV07(f *testing.F) {
	f.Add(words(0, 1024, 3, 1, 2, 3, 4, 0x8374026a))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := drbdmeta.DecodeV07(b)
		if err == nil && v.Size%2 != 0 {
			t.Errorf("decoded %+v: the size is in whole KiB", v)
		}
	})
}
