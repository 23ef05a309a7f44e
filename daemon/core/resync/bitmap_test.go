package resync_test

import (
	"bytes"
	"math/rand"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/resync"
)

// setBits lists the blocks out of sync.
func setBits(b *resync.Bitmap) []uint64 {
	var all []uint64
	for bit, ok := b.NextSet(0); ok; bit, ok = b.NextSet(bit + 1) {
		all = append(all, bit)
	}
	return all
}

func TestRounding(t *testing.T) {
	for name, tc := range map[string]struct {
		sectors uint64
		sector  uint64
		size    uint32
		touched []uint64
		covered []uint64
	}{
		"a whole block is touched and covered":        {80, 8, 4096, []uint64{1}, []uint64{1}},
		"one sector touches its block and covers no":  {80, 17, 512, []uint64{2}, nil},
		"two halves touch both and cover none":        {80, 4, 4096, []uint64{0, 1}, nil},
		"three blocks, off by one sector, cover two":  {80, 7, 3 * 4096, []uint64{0, 1, 2, 3}, []uint64{1, 2}},
		"no bytes do nothing":                         {80, 8, 0, nil, nil},
		"the partial last block, up to the end":       {83, 80, 1536, []uint64{10}, []uint64{10}},
		"the partial last block, not up to the end":   {83, 80, 1024, []uint64{10}, nil},
		"the end of the last block only":              {83, 81, 1024, []uint64{10}, nil},
		"a range over the end is cut":                 {83, 72, 1 << 20, []uint64{9, 10}, []uint64{9, 10}},
		"a range behind the end does nothing":         {83, 83, 4096, nil, nil},
		"a block number that overflows does nothing":  {83, ^uint64(0), 4096, nil, nil},
		"an empty device":                             {0, 0, 4096, nil, nil},
		"across a word, 63 to 64":                     {8192, 63 * 8, 8192, []uint64{63, 64}, []uint64{63, 64}},
		"a device of one sector is covered by one":    {1, 0, 512, []uint64{0}, []uint64{0}},
		"an odd number of bytes touches the last one": {80, 8, 4097, []uint64{1, 2}, []uint64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := resync.NewBitmap(tc.sectors)
			g.Expect(b.Set(tc.sector, tc.size)).To(BeEquivalentTo(len(tc.touched)))
			g.Expect(setBits(b)).To(Equal(tc.touched))
			g.Expect(b.Set(tc.sector, tc.size)).To(BeZero(), "setting again")

			b.SetAll()
			g.Expect(b.Count()).To(Equal(b.Bits()))
			g.Expect(b.Clear(tc.sector, tc.size)).To(BeEquivalentTo(len(tc.covered)))
			for _, bit := range tc.covered {
				g.Expect(b.Any(bit*8, 512)).To(BeFalse(), "block %d", bit)
			}
			g.Expect(b.Count()).To(Equal(b.Bits() - uint64(len(tc.covered))))
		})
	}
}

func TestSizeThatTheKernelForgets(t *testing.T) {
	g := NewWithT(t)
	b := resync.NewBitmap(512) // 64 blocks: a whole word
	page := bytes.Repeat([]byte{0xff}, 4096)
	b.LoadPage(0, page)
	g.Expect(b.Count()).To(BeEquivalentTo(64))
}

func TestPages(t *testing.T) {
	g := NewWithT(t)
	const bits = 2*32768 + 100
	b := resync.NewBitmap(bits*8 - 3)
	g.Expect(b.Bits()).To(BeEquivalentTo(bits))
	g.Expect(b.Pages()).To(Equal(3))

	t.Log("a new bitmap has to be written or read")
	for page := range 3 {
		g.Expect(b.Dirty(page)).To(BeTrue())
		b.LoadPage(page, bytes.Repeat([]byte{0x11}, 4096))
	}
	_, dirty := b.NextDirty(0)
	g.Expect(dirty).To(BeFalse())
	g.Expect(b.Count()).To(BeEquivalentTo(bits/4), "bits after the last block do not count")
	g.Expect(b.AppendPage(nil, 1)).To(Equal(bytes.Repeat([]byte{0x11}, 4096)))
	last := b.AppendPage([]byte("before"), 2)
	g.Expect(last).To(HaveLen(6 + 4096))
	g.Expect(last[6 : 6+13]).To(Equal([]byte("\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x01")))
	g.Expect(last[6+13:]).To(Equal(make([]byte, 4096-13)))

	t.Log("only what changes becomes dirty")
	g.Expect(b.Set(32768*8, 4096)).To(BeZero())
	g.Expect(b.Dirty(1)).To(BeFalse())
	g.Expect(b.Set(32769*8, 4096)).To(BeEquivalentTo(1))
	page, dirty := b.NextDirty(0)
	g.Expect(page).To(Equal(1))
	g.Expect(dirty).To(BeTrue())
	b.MarkClean(1)
	g.Expect(b.Clear(32769*8, 4096)).To(BeEquivalentTo(1))
	g.Expect(b.Dirty(1)).To(BeTrue())
	_, dirty = b.NextDirty(2)
	g.Expect(dirty).To(BeFalse())

	t.Log("an activity log extent is 128 bytes of a page")
	g.Expect(b.PageOf(31)).To(Equal(0))
	g.Expect(b.PageOf(32)).To(Equal(1))
	b.ClearAll()
	b.SetExtent(33)
	g.Expect(b.AppendPage(nil, 1)[128:256]).To(Equal(bytes.Repeat([]byte{0xff}, 128)))
	g.Expect(b.Count()).To(BeEquivalentTo(1024))
	b.SetExtent(64)
	g.Expect(b.Count()).To(BeEquivalentTo(1024 + 100))
	b.SetExtent(65)
	b.SetExtent(^uint32(0))
	g.Expect(b.Count()).To(BeEquivalentTo(1024+100), "extents after the end")

	g.Expect(func() { b.LoadPage(0, make([]byte, 4095)) }).To(Panic())
}

func TestMerge(t *testing.T) {
	g := NewWithT(t)
	b := resync.NewBitmap((3*32768 + 10) * 8)
	for page := range b.Pages() {
		b.MarkClean(page)
	}
	b.Set(0, 4096)
	b.MarkClean(0)
	words := b.Words()
	words[0] |= 1
	words[600] |= 0xff
	words[len(words)-1] |= ^uint64(0)
	b.Merged()
	g.Expect(b.Count()).To(BeEquivalentTo(1 + 8 + 10))
	g.Expect([]bool{b.Dirty(0), b.Dirty(1), b.Dirty(2), b.Dirty(3)}).To(Equal([]bool{false, true, false, true}))
	g.Expect(b.Words()[len(words)-1]).To(BeEquivalentTo(1<<10-1), "what is after the last block is dropped")
}

func TestResize(t *testing.T) {
	g := NewWithT(t)
	b := resync.NewBitmap(8*100 + 4)
	b.MarkClean(0)
	b.Resize(8*40000, true)
	g.Expect(b.Bits()).To(BeEquivalentTo(40000))
	g.Expect(b.Count()).To(BeEquivalentTo(40000-100), "the block that was partial has new sectors too")
	g.Expect(b.Dirty(0)).To(BeTrue())
	g.Expect(b.Dirty(1)).To(BeTrue())
	b.Resize(8*32768, true)
	g.Expect(b.Pages()).To(Equal(1))
	g.Expect(b.Count()).To(BeEquivalentTo(32768 - 100))
	b.MarkClean(0)
	b.Resize(8*50+1, false)
	g.Expect(b.Count()).To(BeZero())
	g.Expect(b.Dirty(0)).To(BeTrue(), "bits got lost")
	b.Resize(8*32768, false)
	g.Expect(b.Count()).To(BeZero(), "what was cut off is not there again")
	b.Resize(0, false)
	g.Expect(b.Pages()).To(BeZero())
	g.Expect(b.Bits()).To(BeZero())
}

// FuzzBitmap plays orders on a bitmap and on a list of sectors that are in
// sync or not, which knows nothing of words and pages.
func FuzzBitmap(f *testing.F) {
	f.Add(int64(1), uint64(70001))
	f.Add(int64(2), uint64(512))
	f.Add(int64(3), uint64(32768*8+1))
	f.Add(int64(4), uint64(3))
	f.Fuzz(func(t *testing.T, seed int64, sectors uint64) {
		g := NewWithT(t)
		sectors %= 1 << 20
		random := rand.New(rand.NewSource(seed))
		b := resync.NewBitmap(sectors)
		model := make([]bool, (sectors+7)/8)
		for range 40 {
			sector := uint64(random.Int63n(int64(sectors + 10)))
			size := uint32(random.Intn(1<<random.Intn(21) + 1))
			if random.Intn(2) == 0 {
				size &^= 511
			}
			var changed, want uint64
			if random.Intn(3) > 0 {
				changed, want = b.Set(sector, size), modelSet(model, sectors, sector, size)
			} else {
				changed, want = b.Clear(sector, size), modelClear(model, sectors, sector, size)
			}
			g.Expect(changed).To(Equal(want), "sector %d, %d bytes", sector, size)
		}
		var all []uint64
		for bit, set := range model {
			if set {
				all = append(all, uint64(bit))
			}
		}
		g.Expect(setBits(b)).To(Equal(all))
		g.Expect(b.Count()).To(BeEquivalentTo(len(all)))

		again := resync.NewBitmap(sectors)
		for page := range b.Pages() {
			again.LoadPage(page, b.AppendPage(nil, page))
		}
		g.Expect(again.Words()).To(Equal(b.Words()))
		g.Expect(again.Count()).To(Equal(b.Count()))
	})
}

func modelSet(model []bool, sectors, sector uint64, size uint32) (changed uint64) {
	for bit := range model {
		from, to := uint64(bit)*8, min(uint64(bit)*8+8, sectors)
		if from*512 < sector*512+uint64(size) && sector < to && size > 0 && !model[bit] {
			model[bit] = true
			changed++
		}
	}
	return changed
}

func modelClear(model []bool, sectors, sector uint64, size uint32) (changed uint64) {
	for bit := range model {
		from, to := uint64(bit)*8, min(uint64(bit)*8+8, sectors)
		if sector <= from && sector+uint64(size)/512 >= to && model[bit] {
			model[bit] = false
			changed++
		}
	}
	return changed
}
