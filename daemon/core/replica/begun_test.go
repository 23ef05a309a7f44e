package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// takesOnlyThat lets a disk that hung write what it was asked last. It is never told
// that it is old.
func (e *end) takesOnlyThat() {
	GinkgoHelper()
	e.goodWrites, e.badWrites = 1, 1000
	e.wakeDisk()
	e.mustOrder(replica.OrderDetach, false)
	e.badWrites = 0
}

var _ = Describe("A Primary whose disk failed when a new generation was on its way there", func() {
	It("goes on with a copy of the generation that is on its disk, though it had begun a new one", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.a.bad = true
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("goes on with a copy of the generation before, if no user was told of anything in the new one", func() {
		p := synced()
		p.part()
		Expect(p.a.super().UUIDs.Bitmap).NotTo(BeZero(), "it is there")
		p.a.loseDisk(1)
		Expect(p.a.done[1].Failed).To(BeTrue(), "there is no other copy")
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(2, 8, 'x')
		p.a.bad = false
		p.pass(2 * time.Second)
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("goes on with its disk in that case, too, and the peer gets it", func() {
		p := synced()
		p.part()
		p.a.loseDisk(1)
		p.a.bad = false
		p.pass(2 * time.Second)
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))
		p.a.mustWrite(2, 8, 'x')
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("does not go on with that if a user was", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.loseDisk(2)
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
	})

	// begins lets the disk of a Primary alone hang while it writes a generation down. The
	// disk has that in the end, and the users live on the peer's copy. Source: a soak.
	begins := func() *pair {
		p := synced(func(c *replica.Config) { c.DiskTimeout = 3 * time.Second })
		p.a.write(0, 8, 'w', 4096)
		p.run()
		p.a.hangDisk()
		p.part()
		page := p.a.held[0]
		p.a.held = nil
		page() // of the bitmap, before the superblock
		for range 4 {
			p.wait()
		}
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(1, 8, 'x')
		p.a.takesOnlyThat()
		Expect(p.a.super().UUIDs.Bitmap).NotTo(BeZero(), "it has the generation")
		return p
	}

	It("finds that disk old after a crash, though it had begun a generation there", func() {
		p := begins()
		p.a.crash()
		p.a.up()
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	DescribeTable("goes on with the peer's copy when the two met while it began the generation, and finds its disk old", func(begun bool) {
		p := synced(func(c *replica.Config) { c.DiskTimeout = 3 * time.Second })
		p.a.write(0, 8, 'w', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.part()
		p.a.hangDisk()
		p.a.mustOrder(replica.OrderResumeIO, false)
		if begun {
			page := p.a.held[0]
			p.a.held = nil
			page() // of the bitmap, before the superblock
		}
		p.heal()
		Expect(p.a.status()).To(Equal("Primary/Secondary WFBitMapS UpToDate/Consistent"))
		for range 4 {
			p.wait()
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(1, 8, 'x')
		p.a.takesOnlyThat()
		has := p.a.super().UUIDs.Bitmap != 0
		Expect(has).To(Equal(begun))
		p.a.crash()
		p.a.up()
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
	}, Entry("that the disk has in the end", true), Entry("that the disk never hears of", false))

	It("finds it old also when it attaches it as a Secondary", func() {
		p := begins()
		p.part()
		p.attachesAsSecondary()
	})

	It("has a split brain when that disk is used alone after a crash all the same", func() {
		p := begins()
		p.part()
		p.a.crash()
		p.a.comesUp(func(c *replica.Config) { c.WFCTimeout, c.DegrWFCTimeout = time.Second, time.Second })
		p.wait()
		p.wait()
		p.a.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
	})

	Describe("and may have it, with nobody who confirmed it,", func() {
		// losing is a pair whose Primary wrote a generation of its own down when its
		// disk hung: the disk has it, the answer came too late.
		losing := func() *pair {
			p := synced(func(c *replica.Config) { c.DiskTimeout = 3 * time.Second })
			p.a.hold[replica.MetaWrite] = true
			p.part()
			p.a.write(1, 8, 'w', 4096)
			p.pass(4 * time.Second)
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
			Expect(p.a.done[1].Failed).To(BeTrue(), "there is no other copy")
			before := p.a.super().UUIDs.Current
			p.a.release()
			Expect(p.a.super().UUIDs.Current).NotTo(Equal(before))
			return p
		}

		It("has its disk again", func() {
			p := losing()
			p.a.mustOrder(replica.OrderAttach, false)
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))
			p.a.mustWrite(2, 16, 'x')
			p.join()
			Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
			Expect(p.a.data()).To(Equal(p.b.data()))
		})

		It("has it also at the second try, and before that tells of no write that the peer has not noted", func() {
			p := losing()
			p.a.hold[replica.MetaRead] = true
			p.a.order(replica.OrderAttach, false)
			held := p.a.held
			p.a.held = nil
			held[0]() // the superblock is read, and the rest not
			p.run()
			p.a.bad = true
			p.a.release()
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
			p.a.bad = false

			p.b.hold[replica.MetaWrite] = true
			p.heal()
			p.wait()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
			p.a.write(2, 16, 'x', 4096)
			p.run()
			Expect(p.a.done).NotTo(HaveKey(uint64(2)), "after a crash of both nodes the disk that hung would count as the newest")
			p.part()
			Expect(p.a.done[2].Failed).To(BeTrue())
			p.a.mustOrder(replica.OrderAttach, false)
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))

			By("the peer was told that there is nothing in that generation: now there is, and it has another name")
			p.b.release()
			p.a.mustWrite(3, 8, 'y')
			p.a.mustOrder(replica.OrderSecondary, false)
			p.join()
			Expect(p.a.disk[4096]).To(Equal(byte('y')))
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), "the peer has begun one, too")
		})

		It("does not take it back after writes to the peer's copy", func() {
			p := losing()
			p.join()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
			p.a.mustWrite(2, 16, 'x')
			p.part()
			Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("can only attach"))
			p.join()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		})
	})
})

var _ = Describe("A Primary that went on alone and lost its disk", func() {
	It("copies to its peer when the disk is back, though they have met meanwhile", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.loseDisk(2)
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.b.super().UUIDs.Bitmap).To(BeZero(), "it has begun nothing")
		p.a.bad = false
		p.pass(2 * time.Second)
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})
})
