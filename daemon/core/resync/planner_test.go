package resync_test

import (
	"math/rand"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/resync"
)

const mib = 1 << 20

type request struct {
	sector uint64
	size   uint32
}

func (r request) end() uint64 { return r.sector + uint64(r.size)/512 }

func free(uint64, uint32) bool { return false }

// target is a planner with its bitmap and clock.
type target struct {
	*resync.Planner
	bits *resync.Bitmap
	now  time.Duration
	busy func(sector uint64, size uint32) bool
}

func start(params resync.Params, bits *resync.Bitmap) *target {
	t := &target{Planner: resync.NewPlanner(params), bits: bits, busy: free}
	t.Start(0, bits)
	return t
}

// all requests what can be requested now.
func (t *target) all() (list []request) {
	for {
		sector, size, ok := t.Next(t.now, t.bits, t.busy)
		if !ok {
			return list
		}
		list = append(list, request{sector, size})
	}
}

// answer serves requests.
func (t *target) answer(list ...request) {
	for _, r := range list {
		t.bits.Clear(r.sector, r.size)
		t.Received(t.now, r.sector, r.size)
	}
}

func blocks(list []request) (n uint32) {
	for _, r := range list {
		n += (r.size + 4095) / 4096
	}
	return n
}

func allDirty(bytes uint64) *resync.Bitmap {
	bits := resync.NewBitmap(bytes / 512)
	bits.SetAll()
	return bits
}

var _ = Describe("A sync target without a rate", func() {
	It("asks for the same ranges as the kernel did", func() {
		// Scenario c07 of the recorded kernel peers: six places of a 256 MiB device.
		asked := []request{
			{8, 4096}, {56, 4096}, {64, 8192}, {4096, 4096}, {40960, 65536}, {327816, 4096}, {520000, 8192},
		}
		bits := resync.NewBitmap(65525 * 8)
		for _, r := range asked {
			bits.Set(r.sector, r.size)
		}
		t := start(resync.Params{}, bits)
		Expect(t.all()).To(Equal(asked))
		Expect(t.Done(bits)).To(BeFalse())
		t.answer(asked...)
		Expect(t.Done(bits)).To(BeTrue())
	})

	It("keeps 4 MiB in flight and needs no clock", func() {
		t := start(resync.Params{}, allDirty(64*mib))
		first := t.all()
		Expect(first).To(Equal([]request{{0, mib}, {2048, mib}, {4096, mib}, {6144, mib}}))
		Expect(t.Deadline()).To(Equal(resync.Never))
		t.answer(first[2])
		Expect(t.all()).To(Equal([]request{{8192, mib}}))
		Expect(t.all()).To(BeEmpty())
	})

	It("keeps less in flight when max-buffers is small", func() {
		t := start(resync.Params{MaxBuffers: 512}, allDirty(64*mib))
		Expect(t.all()).To(Equal([]request{{0, mib}}))
	})

	It("grows a request as far as its first block is aligned", func() {
		t := start(resync.Params{}, allDirty(64*1024-512))
		t.bits.Clear(0, 4096)
		Expect(t.all()).To(Equal([]request{{8, 4096}, {16, 8192}, {32, 16384}, {64, 32256}}))
	})

	It("never crosses a border of 16 MiB, nor the size the disk takes", func() {
		t := start(resync.Params{MaxRequest: 64 * mib, MaxBuffers: 1 << 20}, allDirty(64*mib))
		Expect(t.all()).To(Equal([]request{{0, 4 * mib}}))
		t = start(resync.Params{MaxRequest: 64 << 10}, allDirty(64*mib))
		Expect(t.all()[:2]).To(Equal([]request{{0, 64 << 10}, {128, 64 << 10}}))
	})

	It("leaves busy blocks for the next round", func() {
		t := start(resync.Params{}, allDirty(64<<10))
		t.busy = func(sector uint64, size uint32) bool { return sector < 40 && sector+uint64(size)/512 > 16 }
		first := t.all()
		Expect(first).To(Equal([]request{{0, 8192}, {40, 4096}, {48, 8192}, {64, 32768}}))
		t.answer(first...)
		Expect(t.Done(t.bits)).To(BeFalse())
		t.busy = free
		Expect(t.all()).To(Equal([]request{{16, 8192}, {32, 4096}}))
	})

	It("goes round again for bits that were set behind it", func() {
		t := start(resync.Params{}, allDirty(2*mib))
		t.answer(t.all()...)
		Expect(t.Done(t.bits)).To(BeTrue())
		t.bits.Set(800, 512)
		Expect(t.Done(t.bits)).To(BeFalse())
		Expect(t.all()).To(Equal([]request{{800, 4096}}))
	})

	It("does not ask again for what failed, and is done with bits left", func() {
		t := start(resync.Params{}, allDirty(3*mib))
		list := t.all()
		t.answer(list[0], list[2])
		t.Failed(list[1].sector, 4096)
		Expect(t.Done(t.bits)).To(BeFalse(), "the rest of that request is still on its way")
		t.Retry(list[1].sector+8, mib-4096)
		Expect(t.Done(t.bits)).To(BeFalse())
		again := t.all()
		Expect(again[0]).To(Equal(request{2056, 4096}))
		Expect(blocks(again)).To(BeEquivalentTo(255))
		t.answer(again...)
		Expect(t.all()).To(BeEmpty())
		Expect(t.Done(t.bits)).To(BeTrue())
		Expect(t.bits.Count()).To(BeEquivalentTo(1))

		t.Start(t.now, t.bits)
		Expect(t.all()).To(Equal([]request{{2048, 4096}}), "the next resync tries again")
	})

	It("is done at once when nothing differs", func() {
		t := start(resync.Params{}, resync.NewBitmap(1000))
		Expect(t.Done(t.bits)).To(BeTrue())
		Expect(t.all()).To(BeEmpty())
	})
})

var _ = Describe("A sync target with resync-rate 10M and no controller", func() {
	const step = resync.StepTime
	params := resync.Params{Rate: 10 << 10, MaxBuffers: 2048}

	It("asks for 1 MiB every 100 ms", func() {
		t := start(params, allDirty(64*mib))
		Expect(t.Deadline()).To(BeZero())
		for n := range uint64(10) {
			t.now = time.Duration(n) * step
			list := t.all()
			Expect(list).To(Equal([]request{{n * 2048, mib}}))
			Expect(t.Deadline()).To(Equal(t.now + step))
			t.now += step / 2
			Expect(t.all()).To(BeEmpty())
			t.answer(list...)
		}
	})

	It("does not make up for time that it slept through", func() {
		t := start(params, allDirty(64*mib))
		t.answer(t.all()...)
		t.now = 10 * time.Second
		Expect(blocks(t.all())).To(BeEquivalentTo(256))
		Expect(t.Deadline()).To(Equal(10*time.Second + step))
	})

	It("stops at half of max-buffers when nothing comes back", func() {
		t := start(params, allDirty(64*mib))
		for range 20 {
			t.all()
			t.now += step
		}
		Expect(t.all()).To(BeEmpty())
		t.answer(request{0, 64 << 10})
		t.now += step
		Expect(blocks(t.all())).To(BeEquivalentTo(16))
	})

	It("waits for no clock once everything is on its way", func() {
		t := start(params, allDirty(mib/2))
		Expect(resync.NewPlanner(params).Deadline()).To(Equal(resync.Never), "not started yet")
		list := t.all()
		Expect(t.Deadline()).To(Equal(resync.Never))
		t.answer(list...)
		Expect(t.Done(t.bits)).To(BeTrue())
	})

	It("carries parts of blocks over, so that 10 KiB/s is 10 KiB/s", func() {
		t := start(resync.Params{Rate: 10}, allDirty(64*mib))
		var got uint32
		for range 40 {
			list := t.all()
			got += blocks(list)
			t.answer(list...)
			t.now += step
		}
		Expect(got).To(BeEquivalentTo(10))
	})

	It("goes on at another rate when that is adjusted", func() {
		t := start(resync.Params{Rate: 10}, allDirty(64*mib))
		t.Adjust(t.now, resync.Params{Rate: 4 << 10})
		var got uint32
		for range 10 {
			list := t.all()
			got += blocks(list)
			t.answer(list...)
			t.now += step
		}
		Expect(got).To(BeEquivalentTo(1024), "blocks in a second")
	})
})

var _ = Describe("A sync target with DRBD's controller", func() {
	// Scenario c21 of the recorded kernel peers: resync-rate 10M, the rest default.
	params := resync.Params{Rate: 10 << 10, PlanAhead: 20, FillTarget: 100, MaxRate: 102400, MaxBuffers: 2048}

	It("asks for as much as the kernel did", func() {
		t := start(params, allDirty(64*mib))
		step := func(answered []request) []request {
			t.answer(answered...)
			t.now += resync.StepTime
			return t.all()
		}
		By("starting with the configured rate")
		list := t.all()
		Expect(blocks(list)).To(BeEquivalentTo(256))
		By("holding back until the answers come, which took 0.3 s")
		Expect(step(nil)).To(BeEmpty())
		Expect(step(nil)).To(BeEmpty())
		By("following what comes in: 270, 285 and, with a part of it in, 121")
		list = step(list)
		Expect(blocks(list)).To(BeNumerically("~", 270, 1))
		Expect(step(nil)).To(BeEmpty())
		Expect(step(nil)).To(BeEmpty())
		Expect(step(nil)).To(BeEmpty())
		list = step(list)
		Expect(blocks(list)).To(BeNumerically("~", 285, 2))
		Expect(blocks(step([]request{{list[0].sector, 114 * 4096}}))).To(BeNumerically("~", 121, 1))
	})

	It("stays below c-max-rate", func() {
		limited := resync.Params{Rate: 4 << 20, PlanAhead: 20, FillTarget: 1 << 20, MaxRate: 20 << 10}
		t := start(limited, allDirty(640*mib))
		var got uint32
		for range 100 {
			list := t.all()
			got += blocks(list)
			t.answer(list...)
			t.now += resync.StepTime
		}
		Expect(got).To(And(BeNumerically("<=", 200*mib/4096), BeNumerically(">", 180*mib/4096)))
	})

	It("aims at c-delay-target when there is no fill target", func() {
		const roundTrip = 3 // steps
		t := start(resync.Params{Rate: 1 << 10, PlanAhead: 20, DelayTarget: 10, MaxRate: 100 << 10}, allDirty(2048*mib))
		var pipe [][]request
		var got uint32
		for range 200 {
			list := t.all()
			got = blocks(list)
			pipe = append(pipe, list)
			if len(pipe) > roundTrip {
				t.answer(pipe[0]...)
				pipe = pipe[1:]
			}
			t.now += resync.StepTime
		}
		Expect(got).To(BeNumerically(">", 100<<10/4/10*9/10), "the path has no limit, so c-max-rate is")
	})

	It("finds its way up from a block a step, to which a slow disk has brought it", func() {
		t := start(resync.Params{Rate: 10 << 10, PlanAhead: 20, DelayTarget: 1, MaxRate: 100 << 10}, allDirty(2048*mib))
		var pending []request
		for range 2000 {
			if pending = append(pending, t.all()...); len(pending) > 0 {
				t.answer(pending[0])
				pending = pending[1:]
			}
			t.now += resync.StepTime
		}
		t.answer(pending...)
		var most uint32
		for range 600 {
			list := t.all()
			most = max(most, blocks(list))
			t.answer(list...) // within the step: nothing is ever on its way
			t.now += resync.StepTime
		}
		Expect(most).To(BeNumerically(">", 100))
	})

	It("never comes to a standstill", func() {
		t := start(resync.Params{Rate: 1, PlanAhead: 300, DelayTarget: 1, MaxRate: 250}, allDirty(mib))
		for range 1000 {
			t.answer(t.all()...)
			t.now += resync.StepTime
		}
		Expect(t.Done(t.bits)).To(BeTrue())
	})
})

// FuzzPlanner runs resyncs in which answers come in any order, blocks are busy,
// fail, get dropped and become dirty again.
func FuzzPlanner(f *testing.F) {
	f.Add(int64(1), uint32(0), uint32(0))
	f.Add(int64(2), uint32(1000), uint32(0))
	f.Add(int64(3), uint32(5000), uint32(20))
	f.Fuzz(func(t *testing.T, seed int64, rate, plan uint32) {
		g := NewWithT(t)
		random := rand.New(rand.NewSource(seed))
		sectors := uint64(random.Intn(300000) + 1)
		bits := resync.NewBitmap(sectors)
		for range 50 {
			bits.Set(uint64(random.Int63n(int64(sectors))), uint32(random.Intn(mib)))
		}
		target := start(resync.Params{
			Rate: rate % 10000, PlanAhead: plan % 301, FillTarget: 100, MaxBuffers: uint32(random.Intn(2000) + 32),
		}, bits)
		target.busy = func(uint64, uint32) bool { return random.Intn(4) == 0 }
		var flying []request
		failed := resync.NewBitmap(sectors)
		for round := 0; !target.Done(bits); round++ {
			for _, r := range target.all() {
				g.Expect(r.size).To(BeNumerically(">", 0))
				g.Expect(r.end()).To(BeNumerically("<=", sectors))
				g.Expect(failed.Any(r.sector, r.size)).To(BeFalse(), "asked again for what failed")
				for _, other := range flying {
					apart := r.end() <= other.sector || other.end() <= r.sector
					g.Expect(apart).To(BeTrue(), "%v and %v in flight", r, other)
				}
				flying = append(flying, r)
			}
			random.Shuffle(len(flying), func(i, j int) { flying[i], flying[j] = flying[j], flying[i] })
			for len(flying) > 0 && random.Intn(5) > 0 {
				r := flying[0]
				flying = flying[1:]
				switch {
				case random.Intn(10) == 0 && round < 50:
					target.Retry(r.sector, r.size)
				case random.Intn(10) == 0:
					failed.Set(r.sector, r.size)
					target.Failed(r.sector, r.size)
				default:
					target.answer(r)
				}
			}
			if round < 20 {
				bits.Set(uint64(random.Int63n(int64(sectors))), 512)
			}
			if target.busy(0, 0) && round > 100 {
				target.busy = free
			}
			if d := target.Deadline(); d != resync.Never {
				g.Expect(d).To(BeNumerically(">", target.now), "a deadline that has passed")
				target.now = d
			}
			g.Expect(round).To(BeNumerically("<", 100000), "no end")
		}
		g.Expect(flying).To(BeEmpty())
		for bit, ok := bits.NextSet(0); ok; bit, ok = bits.NextSet(bit + 1) {
			g.Expect(failed.Any(bit*8, 512)).To(BeTrue(), "block %d was left out", bit)
		}
	})
}
