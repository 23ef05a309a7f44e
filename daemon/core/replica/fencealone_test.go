package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node with fencing resource-and-stonith", func() {
	It("asks about the peer when its users have a disk again that they wait on", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(7)
		p.cut = true
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.breakLink()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.called).To(ContainElement("fence-peer"))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
		p.a.mustWrite(2, 8, 'y')
	})

	It("and one with resource-only, too: they go on alone from then on", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.cut = true
		p.a.loseDisk(1)
		p.breakLink()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		Expect(p.a.called).NotTo(ContainElement("fence-peer"), "it has nothing to go on with")
		p.b.mustOrder(replica.OrderOutdate, false) // as the handler does
		p.a.fences(4)
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustWrite(2, 8, 'x')
		Expect(p.a.called).To(ContainElement("fence-peer"))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	DescribeTable("asks about the peer before an old copy becomes the truth by force, and lets no user wait for that",
		func(exit int) {
			p := synced(withFencing(replica.ResourceAndStonith))
			p.part()
			p.b.mustOrder(replica.OrderOutdate, true)
			p.b.fences(exit)
			p.b.mustOrder(replica.OrderPrimary, true)
			Expect(p.b.called).To(ContainElement("fence-peer"))
			Expect(p.b.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
			p.b.mustWrite(1, 8, 'x')
		},
		Entry("the peer was shot", 7),
		Entry("the handler has failed", 1),
	)

	It("asks about a peer that was Primary after a start, too, though its copy lacked blocks", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.mustWrite(1, 8, 'x')
		p.b.hold[replica.Read] = true // of the resync
		p.a.mustOrder(replica.OrderAttach, false)
		p.breakLinkForGood()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/Inconsistent"))
		p.b.crash()
		p.b.comesUp(func(c *replica.Config) {
			withFencing(replica.ResourceAndStonith)(c)
			c.WFCTimeout = time.Second
		})
		p.wait()
		p.wait()
		p.b.fences(1)
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.PrimaryNOP))
		p.b.fences(7)
		p.b.mustOrder(replica.OrderPrimary, false)
		Expect(p.b.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("tells a handler of the peer's that it is Primary, whatever its disk is like", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.mustWrite(1, 8, 'x')
		p.b.hold[replica.Read] = true // of the resync
		p.a.mustOrder(replica.OrderAttach, false)
		p.breakLinkForGood()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Inconsistent/DUnknown"))
		Expect(p.a.order(replica.OrderOutdate, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.a.mustOrder(replica.OrderSecondary, false)
		Expect(p.a.order(replica.OrderOutdate, false).Code).To(Equal(drbdwire.LowerThanOutdated))
	})

	It("does so where a fresh disk becomes the truth", func() {
		p := newPair(withFencing(replica.ResourceAndStonith))
		p.a.up()
		p.a.mustOrder(replica.OrderPrimary, true)
		Expect(p.a.core.State()).To(HaveField("SuspFencing", false))
		Expect(p.a.core.State().PeerDisk).To(Equal(drbdwire.Outdated))
	})
})
