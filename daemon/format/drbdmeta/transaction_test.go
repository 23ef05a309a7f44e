package drbdmeta_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// table is a context of free slots.
func table(slots int) []uint32 {
	t := make([]uint32, slots)
	for i := range t {
		t[i] = drbdmeta.FreeExtent
	}
	return t
}

// hotFive is transaction 0 of a log of 257 slots: slot 0 gets extent 5.
var hotFive = drbdmeta.Transaction{
	Slots: 257, Updates: []drbdmeta.Update{{Slot: 0, Extent: 5}}, Context: table(257),
}

func TestTransaction(t *testing.T) {
	for name, tc := range map[string]struct {
		tr     drbdmeta.Transaction
		prefix []byte
	}{
		"the first one of 257 slots": {hotFive, words(0x69cb65a2, 0, 0x4efd323e, 0x00000001, 0x01010000)},
		"a window in the middle of 2000 slots": {
			tr: drbdmeta.Transaction{
				Number: 0xffffffff, Slots: 2000, ContextStart: 919, Context: append([]uint32{1, 2, 3}, table(916)...),
				Updates: []drbdmeta.Update{{Slot: 1999, Extent: 7}, {Slot: 3, Extent: drbdmeta.FreeExtent}},
			},
			prefix: words(0x69cb65a2, 0xffffffff),
		},
		"slots beyond the table that are not free": {
			tr: drbdmeta.Transaction{Slots: 2, Context: []uint32{1, 2, drbdmeta.FreeExtent, 3}}, prefix: words(0x69cb65a2),
		},
		"without updates": {tr: drbdmeta.Transaction{Slots: 67, Context: table(67)}, prefix: words(0x69cb65a2)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := tc.tr.Append([]byte("x"))[1:]
			g.Expect(b).To(HaveLen(drbdmeta.BlockSize))
			g.Expect(b).To(HavePrefix(string(tc.prefix)))
			got, err := drbdmeta.DecodeTransaction(b)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.tr))
		})
	}
}

func TestBlocksThatAreNoTransaction(t *testing.T) {
	g := NewWithT(t)
	initialized := drbdmeta.AppendInitialized(nil)
	g.Expect(initialized).To(HaveLen(drbdmeta.BlockSize))
	g.Expect(initialized).To(HavePrefix(string(words(0x69cb65a2, 0, 0x709cc651, 0xffff0000))), "measured")
	_, err := drbdmeta.DecodeTransaction(initialized)
	g.Expect(err).To(MatchError(drbdmeta.ErrInitialized))

	torn := hotFive.Append(nil)
	copy(torn[2048:], make([]byte, 2048))
	_, err = drbdmeta.DecodeTransaction(torn)
	g.Expect(err).To(MatchError(drbdmeta.ErrTorn))
	g.Expect(err).To(MatchError(ContainSubstring("CRC 4efd323e, its bytes have")))
	_, err = drbdmeta.DecodeTransaction(block(nil))
	g.Expect(err).To(MatchError(ContainSubstring("magic 00000000, want 69cb65a2")))
	_, err = drbdmeta.DecodeTransaction(torn[:4095])
	g.Expect(err).To(MatchError(drbdmeta.ErrTorn))

	many := drbdmeta.Transaction{Updates: make([]drbdmeta.Update, 65)}
	g.Expect(func() { many.Append(nil) }).To(PanicWith(ContainSubstring("65 updates")))
}

func TestALBlock(t *testing.T) {
	g := NewWithT(t)
	positions := func(stripes, size uint32) (at []int64) {
		for n := range uint32(9) {
			at = append(at, drbdmeta.ALBlock(n, stripes, size))
		}
		return at
	}
	g.Expect(positions(0, 0)).To(Equal([]int64{0, 1, 2, 3, 4, 5, 6, 7, 0}))
	g.Expect(positions(1, 8)).To(Equal([]int64{0, 1, 2, 3, 4, 5, 6, 7, 0}))
	g.Expect(positions(2, 4)).To(Equal([]int64{0, 4, 1, 5, 2, 6, 3, 7, 0}))
	g.Expect(positions(4, 3)).To(Equal([]int64{0, 3, 6, 9, 1, 4, 7, 10, 2}))
	g.Expect(drbdmeta.ALBlock(0xffffffff, 1, 8)).To(BeEquivalentTo(7))

	g.Expect(drbdmeta.MaxALExtents(0, 0)).To(Equal(6433))
	g.Expect(drbdmeta.MaxALExtents(1, 8)).To(Equal(6433))
	g.Expect(drbdmeta.MaxALExtents(4, 32)).To(Equal(drbdmeta.MaxSlots))
}

// ring is a log of 8 blocks that hold the transactions by their numbers.
func ring(transactions ...drbdmeta.Transaction) []byte {
	log := bytes.Repeat(drbdmeta.AppendInitialized(nil), 8)
	for _, tr := range transactions {
		copy(log[drbdmeta.ALBlock(tr.Number, 1, 8)*drbdmeta.BlockSize:], tr.Append(nil))
	}
	return log
}

func TestReplay(t *testing.T) {
	slot := func(number uint32, context []uint32, slot uint16, extent uint32) drbdmeta.Transaction {
		return drbdmeta.Transaction{
			Number: number, Slots: 257, Context: append(context, table(257-len(context))...),
			Updates: []drbdmeta.Update{{Slot: slot, Extent: extent}},
		}
	}
	tear := func(log []byte, blocks ...int) []byte {
		for _, b := range blocks {
			log[b*drbdmeta.BlockSize+100]++
		}
		return log
	}
	first := slot(0, nil, 0, 5)
	first.Updates = append(first.Updates, drbdmeta.Update{Slot: 1, Extent: 6})
	measured := ring(first, slot(1, []uint32{5, 6}, 2, 7), slot(2, []uint32{5, 6, 7}, 0, 1))
	empty := ring()
	for name, tc := range map[string]struct {
		log     []byte
		flags   drbdmeta.Flags
		clean   bool
		want    []uint32
		torn    int
		wantErr bool
	}{
		"three transactions, measured with apply-al": {log: measured, flags: 0x13, want: []uint32{1, 6, 7}},
		"a Secondary's log counts for nothing":       {log: measured, flags: 0x11},
		"the newest transaction is torn": {
			log: tear(bytes.Clone(measured), 2), flags: 0x13, want: []uint32{5, 6, 7}, torn: 1,
		},
		"the oldest transaction is torn": {
			log: tear(bytes.Clone(measured), 0), flags: 0x13, want: []uint32{1, 6, 7}, torn: 1,
		},
		"numbers that wrap": {
			log:   ring(slot(0xffffffff, []uint32{5, 6}, 0, 8), slot(0, []uint32{8, 6}, 1, 9)),
			flags: 0x12, want: []uint32{8, 9},
		},
		"a slot that is freed": {
			log: ring(first, slot(1, []uint32{5, 6}, 1, drbdmeta.FreeExtent)), flags: 2, want: []uint32{5},
		},
		"an extent in two slots counts once": {
			log: ring(first, slot(1, []uint32{5, 6}, 9, 5)), flags: 2, want: []uint32{5, 6},
		},
		"an empty log":                              {log: empty, flags: 2},
		"an empty log that says it is clean":        {log: empty, flags: 0x82, clean: true},
		"the first transaction ever is torn":        {log: tear(bytes.Clone(empty), 0), flags: 2, torn: 1},
		"another block of an empty log is torn":     {log: tear(bytes.Clone(empty), 3), flags: 2, torn: 1, wantErr: true},
		"two blocks of an empty log are torn":       {log: tear(bytes.Clone(empty), 0, 1), flags: 2, torn: 2, wantErr: true},
		"zeros are a lost log":                      {log: make([]byte, 32768), flags: 2, torn: 8, wantErr: true},
		"zeros under a Secondary":                   {log: make([]byte, 32768), torn: 8},
		"zeros under a clean superblock are of 8.3": {log: make([]byte, 32768), flags: 2, clean: true},
		"nothing at all":                            {flags: 2, wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := drbdmeta.Replay(drbdmeta.Superblock{Flags: tc.flags, Clean: tc.clean, ALExtents: 257}, tc.log)
			g.Expect(got).To(Equal(drbdmeta.Replayed{Hot: tc.want, Torn: tc.torn}))
			if tc.wantErr {
				g.Expect(err).To(MatchError(drbdmeta.ErrLogLost))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
			}
		})
	}
}

func TestReplayOfStripes(t *testing.T) {
	g := NewWithT(t)
	s := drbdmeta.Superblock{Flags: drbdmeta.MDPrimaryInd, Stripes: 4, StripeSize4k: 3}
	log := bytes.Repeat(drbdmeta.AppendInitialized(nil), 12)
	slots := table(67)
	for n := range uint32(20) {
		tr := drbdmeta.Transaction{
			Number: n, Slots: 67, Context: slots, Updates: []drbdmeta.Update{{Slot: uint16(n % 3), Extent: n}},
		}
		copy(log[drbdmeta.ALBlock(n, 4, 3)*drbdmeta.BlockSize:], tr.Append(nil))
		slots[n%3] = n
	}
	got, err := drbdmeta.Replay(s, log)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Hot).To(Equal([]uint32{17, 18, 19}))
}

// oldSector is a sector of a log of 8.3: the update, then context.
func oldSector(number uint32, entries ...drbdmeta.Update) []byte {
	b := words(0x83740267, number)
	xor := uint32(0)
	for i := range 62 {
		u := drbdmeta.Update{Extent: drbdmeta.FreeExtent}
		if i < len(entries) {
			u = entries[i]
		}
		b = append(b, words(uint32(u.Slot), u.Extent)...)
		xor ^= u.Extent
	}
	return binary.BigEndian.AppendUint32(b, xor)
}

func TestReplayOfAnOldLog(t *testing.T) {
	g := NewWithT(t)
	s := drbdmeta.Superblock{Flags: drbdmeta.MDPrimaryInd, Clean: true, ALExtents: 127}
	log := make([]byte, 32768)
	copy(log[1536:], oldSector(7, drbdmeta.Update{Slot: 0, Extent: 40}, drbdmeta.Update{Slot: 2, Extent: 50}))
	copy(log[0:], oldSector(8, drbdmeta.Update{Slot: 1, Extent: 41}, drbdmeta.Update{Slot: 0, Extent: 40}))
	copy(log[512:], oldSector(9, drbdmeta.Update{Slot: 0, Extent: 42}, drbdmeta.Update{Slot: 0, Extent: 40}))
	// 1 + ceil(127/61) sectors are in use: this one is not.
	copy(log[2048:], oldSector(10, drbdmeta.Update{Slot: 5, Extent: 60}))
	got, err := drbdmeta.Replay(s, log)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(drbdmeta.Replayed{Hot: []uint32{41, 42, 50}}))

	log[512+20]++
	got, err = drbdmeta.Replay(s, log)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Hot).To(Equal([]uint32{40, 41, 50}), "a sector with a wrong sum counts for nothing")
}
