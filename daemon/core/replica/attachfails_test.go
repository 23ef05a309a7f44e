package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A disk that fails while it is attached, or before users are told of anything", func() {
	// restarts starts the first node again after a crash, its disk works.
	restarts := func(e *end) drbdwire.DiskState {
		e.pair.part()
		e.crash()
		e.bad, e.badWrites = false, 0
		e.up()
		e.pair.wait()
		return e.core.State().Disk
	}

	It("is still told that it is old", func() {
		p := synced()
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.order(replica.OrderAttach, false).Code).To(Equal(drbdwire.IsDiskless))
		p.a.bad = false
		p.pass(20 * time.Second)
		Expect(restarts(p.a)).To(Equal(drbdwire.Outdated))
	})

	DescribeTable("is still told that it is old when it fails at the end", func(writes int) {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderDetach, false)
		p.b.goodWrites, p.b.badWrites = writes, 1
		Expect(p.b.order(replica.OrderAttach, false).Code).To(Equal(drbdwire.IsDiskless))
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
		p.a.mustOrder(replica.OrderPrimary, false)
		p.a.mustWrite(1, 8, 'x')
		p.pass(20 * time.Second)
		Expect(restarts(p.b)).To(Equal(drbdwire.Outdated))
	}, Entry("while it is told that it is in use", 0), Entry("while its log is emptied", 1))

	goesOn := func(p *pair) {
		GinkgoHelper()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(9, 8, 'x')
		p.pass(20 * time.Second)
		Expect(restarts(p.a)).To(Equal(drbdwire.Outdated))
	}

	DescribeTable("leaves a Primary that goes on over the peer's copy", func(writes int) {
		p := losesDiskBeforeItIsAlone()
		p.a.goodWrites, p.a.badWrites = writes, 1
		Expect(p.a.order(replica.OrderAttach, false).Code).To(Equal(drbdwire.IsDiskless))
		goesOn(p)
	}, Entry("first", 0), Entry("second", 1))

	It("leaves a Primary that goes on over the peer's copy when it fails before users were told of anything", func() {
		p := losesDiskBeforeItIsAlone()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.wait()
		Expect(p.a.done[1].Failed).To(BeTrue())
		p.a.badData = false
		goesOn(p)
	})

	It("leaves a Primary that goes on over the peer's copy when that was fenced, and users were told of nothing since", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(7)
		p.part()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
		p.a.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.wait()
		Expect(p.a.done[1].Failed).To(BeTrue())
		p.a.badData = false
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("leaves a Primary that goes on over the peer's copy when that had restarted, and users waited for it", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(1)
		p.a.write(1, 8, 'w', 4096)
		p.run()
		p.b.hold[replica.Write] = true
		p.a.write(2, 8, 'x', 4096)
		p.run()
		p.b.crash()
		p.a.hold[replica.Dial] = true // it looks for its peer already
		p.b.comesUp(func(c *replica.Config) { withFencing(replica.ResourceAndStonith)(c) })
		p.wait()
		Expect(p.a.status()).To(HavePrefix("Primary/Unknown "))
		Expect(p.a.core.Status().Note).To(ContainSubstring("has restarted while writes were waiting"))
		p.a.badData = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 64, Size: 4096})
		p.a.mustOrder(replica.OrderResumeIO, false)
		p.wait()
		p.a.badData = false
		p.a.release()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})
})

var _ = Describe("The disk of a Secondary that fails while the Primary is away", func() {
	fails := func() *pair {
		p := synced()
		p.b.badWrites = 1
		p.part() // which it can't write down
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Diskless/DUnknown"))
		p.a.mustWrite(1, 8, 'x')
		return p
	}
	// after is what the disk counts for when its node has crashed, and it works again.
	after := func(p *pair) drbdwire.DiskState {
		p.part()
		p.b.crash()
		p.b.up()
		p.wait()
		return p.b.core.State().Disk
	}

	It("is as good as before while nobody knows whether that went on", func() {
		Expect(after(fails())).To(Equal(drbdwire.Consistent))
	})

	It("is known to be old when it is heard that it did", func() {
		p := fails()
		Expect(p.b.order(replica.OrderOutdate, true).Code).To(Equal(drbdwire.LowerThanOutdated))
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is taken for old, too, when it is attached after that", func() {
		p := fails()
		p.b.order(replica.OrderOutdate, true)
		p.b.mustOrder(replica.OrderAttach, false)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is known to be old when that is back", func() {
		p := fails()
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Diskless/UpToDate"))
		Expect(after(p)).To(Equal(drbdwire.Outdated))
	})

	It("is as good as before when it alone has what users were told of, and another copy is back", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.badWrites = 1
		p.a.mustOrder(replica.OrderSecondary, false)
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection Diskless/DUnknown"))
		p.join()
		p.part()
		p.a.crash()
		p.a.up()
		p.wait()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Consistent))
		p.join()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("is let go at once when that is ordered", func() {
		p := synced()
		p.part()
		p.b.mustOrder(replica.OrderDetach, false)
		Expect(p.b.closed).To(BeTrue())
	})
})
