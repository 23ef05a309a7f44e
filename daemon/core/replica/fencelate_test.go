package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// almostMeet lets a connection come about, and break when b counts as connected and a
// has not heard so.
func (p *pair) almostMeet() {
	GinkgoHelper()
	p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
		if cmd == drbdwire.CmdSizes {
			p.b.hold[replica.Send] = true
		}
	}
	p.heal()
	p.b.tap = nil
	Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFReportParams))
	Expect(p.b.status()).To(HaveSuffix(" Connected UpToDate/UpToDate"))
	p.breakLinkForGood()
	p.b.held, p.b.hold = nil, map[replica.EffectKind]bool{}
}

// answersFirst lets the handler fence-peer end that was called first: the peer is outdated.
func (e *end) answersFirst() {
	e.fences(4)
	first := e.held[0]
	e.held = e.held[1:]
	first()
	e.pair.run()
}

var _ = Describe("A peer that was outdated, and meets this node for a moment that it does not hear of", func() {
	It("is asked about once more before users go on", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.b.mustOrder(replica.OrderOutdate, false)
		p.almostMeet()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.a.answersFirst() // which was so
		Expect(p.a.done).To(BeEmpty())
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.release()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("is asked about once more before this node is promoted", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.hold[replica.Call] = true
		p.breakLinkForGood()
		Expect(p.a.order(replica.OrderPrimary, false).Kind).To(BeZero(), "the handler is asked")
		p.b.mustOrder(replica.OrderOutdate, false)
		p.almostMeet()
		p.a.answersFirst() // which was so
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.release()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("is asked about once more also where nobody waits for that", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.mustOrder(replica.OrderSuspendIO, false) // so no generation tells the peer that users go on
		p.a.hold[replica.Call] = true
		p.breakLinkForGood()
		p.b.mustOrder(replica.OrderOutdate, false)
		p.almostMeet()
		p.a.answersFirst()
		Expect(p.a.held).To(HaveLen(1), "the handler is called anew")
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.release()
		p.a.mustOrder(replica.OrderResumeIO, false)
		p.a.mustWrite(1, 8, 'x')
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("is asked about once more if the handler answers while they meet", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.a.hold[replica.Call] = true
		p.breakLinkForGood()
		p.b.mustOrder(replica.OrderOutdate, false)
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.b.hold[replica.Send] = p.b.hold[replica.Send] || cmd == drbdwire.CmdSizes
		}
		p.heal()
		p.b.tap = nil
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFReportParams))
		p.a.answersFirst()
		p.breakLinkForGood()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
		Expect(p.a.held).To(HaveLen(1), "the handler is called anew")
	})

	It("is asked about once more if the handler had answered, and users wait for something else", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.a.fences(4)
		p.breakLinkForGood()
		p.b.mustOrder(replica.OrderOutdate, false)
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
		p.a.hold[replica.Call] = true
		p.almostMeet()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		p.a.write(1, 8, 'x', 4096)
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.release()
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})
})
