package resync_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/resync"
)

var _ = Describe("A walk over a device of 100 sectors", func() {
	var walk *resync.Walk
	var busy map[uint64]bool // sectors of blocks that users write to
	BeforeEach(func() { busy = map[uint64]bool{} })
	next := func() []uint64 {
		sector, size, ok := walk.Next(0, func(start, _ uint64) bool { return busy[start] })
		if !ok {
			return nil
		}
		return []uint64{sector, uint64(size)}
	}

	It("asks for each block once, the last one as long as it is", func() {
		walk = resync.NewWalk(0, resync.Params{}, 100, 80, 0)
		Expect(walk.Left()).To(Equal(uint64(3)))
		Expect(next()).To(Equal([]uint64{80, 4096}))
		Expect(next()).To(Equal([]uint64{88, 4096}))
		Expect(next()).To(Equal([]uint64{96, 2048}))
		Expect(next()).To(BeNil())
		Expect(walk.Deadline()).To(Equal(resync.Never))
		walk.Checked(0, 80)
		walk.Checked(0, 96)
		Expect(walk.Done()).To(BeFalse())
		Expect(walk.Reached()).To(Equal(uint64(88)), "there it goes on if it breaks off")
		walk.Checked(0, 88)
		Expect(walk.Done()).To(BeTrue())
	})

	It("knows what is being compared", func() {
		walk = resync.NewWalk(0, resync.Params{}, 100, 0, 0)
		next()
		next()
		walk.Checked(0, 0)
		Expect(walk.Asked(8)).To(BeTrue())
		Expect(walk.Asked(0)).To(BeFalse())
		for _, touched := range [][2]uint64{{0, 9}, {8, 16}, {15, 80}, {9, 10}} {
			Expect(walk.Touches(touched[0], touched[1])).To(BeTrue(), "%v", touched)
		}
		for _, free := range [][2]uint64{{0, 8}, {16, 24}, {80, 100}} {
			Expect(walk.Touches(free[0], free[1])).To(BeFalse(), "%v", free)
		}
	})

	It("ends where it is told to, or stopped", func() {
		walk = resync.NewWalk(0, resync.Params{}, 100, 8, 17)
		Expect(walk.Left()).To(Equal(uint64(2)))
		Expect(next()).To(Equal([]uint64{8, 4096}))
		walk.Stop()
		Expect(next()).To(BeNil())
		Expect(walk.Done()).To(BeFalse())
		walk.Checked(0, 8)
		Expect(walk.Done()).To(BeTrue())
		Expect(walk.Reached()).To(Equal(uint64(16)))
	})

	It("keeps to a rate", func() {
		walk = resync.NewWalk(0, resync.Params{Rate: 40}, 100, 0, 0) // one block a step
		Expect(next()).To(Equal([]uint64{0, 4096}))
		Expect(next()).To(BeNil())
		Expect(walk.Deadline()).To(Equal(100 * time.Millisecond))
		_, _, ok := walk.Next(100*time.Millisecond, func(uint64, uint64) bool { return false })
		Expect(ok).To(BeTrue())
	})

	It("waits for the first block, puts others off that users write to, and comes back to them", func() {
		walk = resync.NewWalk(0, resync.Params{}, 100, 0, 0)
		busy = map[uint64]bool{0: true, 8: true, 24: true}
		Expect(next()).To(BeNil())
		start, end := walk.Ahead()
		Expect([]uint64{start, end}).To(Equal([]uint64{0, 8}))

		delete(busy, 0)
		for _, sector := range []uint64{0, 16, 32, 40, 48, 56, 64, 72, 80, 88} {
			Expect(next()).To(Equal([]uint64{sector, 4096}))
		}
		Expect(next()).To(Equal([]uint64{96, 2048}))
		Expect(next()).To(BeNil())
		start, end = walk.Ahead()
		Expect([]uint64{start, end}).To(Equal([]uint64{8, 16}), "who has waited longest is not written to any more")
		Expect(walk.Left()).To(Equal(uint64(13)))

		delete(busy, 24)
		Expect(next()).To(Equal([]uint64{24, 4096}))
		Expect(next()).To(BeNil())
		for sector := uint64(0); sector < 100; sector += 8 {
			walk.Checked(0, sector)
		}
		Expect(walk.Done()).To(BeFalse())
		Expect(walk.Reached()).To(Equal(uint64(8)))
		delete(busy, 8)
		Expect(next()).To(Equal([]uint64{8, 4096}))
		walk.Checked(0, 8)
		Expect(walk.Done()).To(BeTrue())
	})

	It("goes on at what it had put off when it was stopped", func() {
		walk = resync.NewWalk(0, resync.Params{}, 100, 0, 0)
		busy = map[uint64]bool{8: true}
		next()
		next()
		walk.Stop()
		walk.Checked(0, 0)
		walk.Checked(0, 16)
		Expect(walk.Done()).To(BeTrue())
		Expect(walk.Reached()).To(Equal(uint64(8)))
	})
})
