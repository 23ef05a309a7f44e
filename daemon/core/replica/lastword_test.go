package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A disk with errors, of which the peer has a whole copy", func() {
	// fails is a pair whose Primary goes on without its disk.
	fails := func() *pair {
		p := synced()
		p.a.write(1, 8, 'a', 4096)
		p.run()
		p.a.badData = true
		p.a.mustWrite(2, 8, 'x')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		return p
	}
	// after is what the disk counts for when its node has crashed, and it works again.
	after := func(p *pair) drbdwire.DiskState {
		p.part()
		p.a.crash()
		p.a.bad, p.a.badData = false, false
		p.a.up()
		p.wait()
		return p.a.core.State().Disk
	}

	It("is known to be old when the node has crashed, until both have met", func() {
		p := fails()
		Expect(after(p)).To(Equal(drbdwire.Outdated))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.join()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
	})

	DescribeTable("is told so when it fails while an order to outdate is written, which fails then", func(again func(e *end)) {
		p := synced()
		p.part()
		p.b.badWrites = 1
		Expect(p.b.order(replica.OrderOutdate, false).Code).To(Equal(drbdwire.IsDiskless))
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.b.badWrites).To(BeZero())
		again(p.b)
		p.wait()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
	},
		Entry("and its node is started again", func(e *end) {
			e.crash()
			e.up()
		}),
		Entry("and it is attached again", func(e *end) { e.mustOrder(replica.OrderAttach, false) }),
	)

	It("is known to be old of a Secondary, too", func() {
		p := synced()
		p.b.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Diskless/UpToDate"))
		p.part()
		p.b.crash()
		p.b.badData = false
		p.b.up()
		p.wait()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is told so when the metadata that was under way has been written", func() {
		p := synced()
		p.a.write(1, 8, 'a', 4096)
		p.run()
		p.a.hold[replica.MetaWrite] = true
		p.a.write(2, 16384, 'l', 4096) // its extent goes into the activity log
		p.a.badData = true
		p.a.write(3, 8, 'x', 4096)
		p.run()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.held).To(HaveLen(1))
		p.a.release()
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is told so by another try when the first ones fail", func() {
		p := synced()
		p.a.write(1, 8, 'a', 4096)
		p.run()
		p.a.badData, p.a.badWrites = true, 3
		p.a.write(2, 8, 'x', 4096)
		p.run()
		Expect(p.a.badWrites).To(BeZero())
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	// takesNothing is a pair whose Primary goes on without a disk that fails everything.
	takesNothing := func() *pair {
		p := synced()
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.closed).To(BeFalse())
		return p
	}

	It("is told so when it has taken nothing for a moment", func() {
		p := takesNothing()
		p.pass(20 * time.Second)
		p.a.bad = false
		p.wait()
		Expect(p.a.closed).To(BeTrue())
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is let go all the same when it takes nothing for a minute", func() {
		p := takesNothing()
		p.pass(2 * time.Minute)
		Expect(p.a.closed).To(BeTrue())
		p.a.bad, p.a.closed = false, false
		p.pass(time.Minute)
		Expect(p.a.closed).To(BeFalse(), "nothing was done to it any more")
		Expect(after(p)).To(Equal(drbdwire.Consistent))
	})

	It("is let go at once by an order to detach", func() {
		p := takesNothing()
		p.a.mustOrder(replica.OrderDetach, false)
		Expect(p.a.closed).To(BeTrue())
		p.a.bad, p.a.closed = false, false
		p.pass(time.Minute)
		Expect(p.a.closed).To(BeFalse(), "nothing was done to it any more")
	})

	It("is in doubt when it hung since the peer was the target of a resync", func() {
		p := synced(func(c *replica.Config) { c.DiskTimeout = time.Minute })
		p.part()
		p.a.write(1, 8, 'a', 4096)
		p.run()
		p.b.hold[replica.Write] = true // the resync does not end
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.hangDisk()
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		p.a.write(2, 8, 'x', 4096)
		p.pass(2 * time.Minute)
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(after(p)).To(Equal(drbdwire.Consistent))
	})

	It("is attached again while it is to be told so", func() {
		p := takesNothing()
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	// goesOn lets users go on over the peer's copy.
	goesOn := func(p *pair) {
		GinkgoHelper()
		p.wait()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(9, 8, 'x')
		p.wait()
	}

	DescribeTable("is known to be old when it failed while that copy was to be overwritten", func(writes int) {
		p := synced()
		p.a.goodWrites, p.a.badWrites = writes, 1
		p.a.order(replica.OrderInvalidateRemote, false)
		goesOn(p)
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	}, Entry("before the order is on record", 0), Entry("when a part of it is", 1))

	It("is known to be old when it failed while the peer was away, which is back", func() {
		p := losesDiskBeforeItIsAlone()
		p.join()
		goesOn(p)
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is as good as before when it failed while the peer was away, and that did not come back", func() {
		p := losesDiskBeforeItIsAlone()
		p.pass(time.Minute)
		Expect(after(p)).To(Equal(drbdwire.Consistent))
	})

	It("is attached again while the peer is away", func() {
		p := losesDiskBeforeItIsAlone()
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))
	})

	It("is known to be old when it failed while the peer wrote down that it has had all of a resync", func() {
		p := synced()
		p.part()
		p.a.write(1, 64, 'w', 4096)
		p.run()
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdPingAck && p.a.core.State().Conn == drbdwire.SyncSource {
				p.b.hold[replica.MetaWrite] = true
			}
		}
		p.heal()
		p.a.tap = nil
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
		p.a.badData = true
		p.a.write(2, 16, 'y', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/Inconsistent"))
		p.b.release()
		goesOn(p)
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is known to be old when it failed in the last round trip of a resync: the target has everything", func() {
		p := synced()
		p.part()
		p.a.write(1, 64, 'w', 4096)
		p.run()
		p.a.hold[replica.Read] = true
		p.heal()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.hold[replica.Write] = true
		p.a.write(2, 16, 'y', 4096)
		p.run()
		read, write := p.a.held[0], p.a.held[1]
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{}
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd != drbdwire.CmdRSWriteAck {
				return
			}
			p.b.tap = nil
			p.queue = append(p.queue, func() { // before that arrives
				p.a.badData = true
				write()
				fails := p.queue[len(p.queue)-1]
				p.queue = p.queue[:len(p.queue)-1]
				fails()
			})
		}
		read()
		p.run()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		goesOn(p)
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is as good as before when nobody was Primary since", func() {
		p := synced()
		p.a.badWrites = 1
		p.a.mustOrder(replica.OrderSecondary, false)
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
		p.part()
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection Consistent/DUnknown"))
	})
})

// The metadata cannot be written any more in each moment of a resize, for a while.
var _ = Describe("A disk of a Primary that fails during a resize", func() {
	DescribeTable("is known to be old when it works again", func(growth int) {
		for writes := 0; ; writes++ {
			p := newPair()
			p.a.disk, p.b.disk = freshDisk(4096), freshDisk(4096)
			p.copies()
			p.a.enlarge(growth)
			p.b.enlarge(growth)
			p.a.goodWrites, p.a.badWrites = writes, 10
			p.a.resize()
			p.pass(10 * time.Second)
			if p.a.badWrites > 0 {
				Expect(writes).To(BeNumerically(">", 4))
				return
			}
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless), "after %d writes", writes)
			p.a.write(1, 8, 'x', 4096)
			p.run()
			Expect(p.a.done[1].Failed).To(BeFalse(), "after %d writes", writes)
			p.part()
			p.a.crash()
			p.a.up()
			p.wait()
			Expect(p.a.core.State().Disk).To(BeNumerically("<=", drbdwire.Outdated), "after %d writes", writes)
			p.join()
			p.wait()
			p.wait()
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.Connected), "after %d writes", writes)
			Expect(p.b.data()).To(Equal(p.a.data()), "after %d writes", writes)
			Expect(p.a.disk[4096]).To(Equal(byte('x')), "after %d writes", writes)
		}
	},
		Entry("with metadata apart from the old", mib),
		Entry("with metadata that overlaps the old", 12*1024),
	)
})

// losesDiskBeforeItIsAlone is a pair whose Primary loses its peer, and its disk before it
// could go on alone.
func losesDiskBeforeItIsAlone() *pair {
	GinkgoHelper()
	p := synced()
	p.a.hold[replica.MetaWrite] = true
	p.part()
	p.a.bad = true
	p.a.release()
	p.a.bad = false
	Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
	return p
}
