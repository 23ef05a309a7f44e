package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// asksForHandler lets a source wait for its handler, besides what fencing calls.
func asksForHandler(c *replica.Config) {
	c.Handlers = append(c.Handlers, replica.HandlerBeforeResyncSource)
}

var _ = Describe("The source of a full resync that the target has ordered", func() {
	var p *pair
	invalidate := func() { p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90}) }
	BeforeEach(func() {
		p = synced(withFencing(replica.ResourceAndStonith), asksForHandler)
		p.a.fences(7)
		p.a.hold[replica.Call] = true
	})

	// lost is that the target does not hear the consent, and the source does not know so.
	lost := func() {
		GinkgoHelper()
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary StartingSyncS UpToDate/Consistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.part()
		Expect(p.a.done).To(BeEmpty())
		p.a.release()
		Expect(p.a.called).To(ContainElement("fence-peer"))
		Expect(p.a.done[1].Failed).To(BeFalse())
	}

	It("lets users wait while the target may not have heard that it is one", func() {
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdStateChgReply
		}
		invalidate()
		lost()
	})

	It("takes no answer to an earlier ping for a sign of that", func() {
		p.now += 10 * time.Second
		p.a.step(replica.Input{Kind: replica.Tick})
		Expect(p.a.sent[len(p.a.sent)-1]).To(Equal(drbdwire.CmdPing))
		invalidate()
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdStateChgReply {
				p.queue[0]() // the answer to that ping
				p.queue, p.cut = nil, true
			}
		}
		lost()
	})

	It("lets nobody wait for its handler", func() {
		invalidate()
		p.run()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary StartingSyncS UpToDate/Consistent"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.b.status()).To(Equal("Secondary/Primary WFSyncUUID Outdated/UpToDate"))
		p.a.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})

var _ = Describe("A new Primary that copies what is marked", func() {
	var p *pair
	// What a handshake has added to the device is marked, and both are Secondary.
	BeforeEach(func() {
		p = synced(withVerify)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.cut = true
		for _, e := range []*end{p.a, p.b} {
			e.crash()
			e.enlarge(8 * mib)
			e.comesUp(withVerify)
		}
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.core.Status().OutOfSync).NotTo(BeZero())
	})

	It("tells users of no write while the peer may not have heard that it is a target", func() {
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdUUIDs
		}
		p.a.mustOrder(replica.OrderPrimary, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary WFBitMapS UpToDate/Consistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty(), "the peer could take over without it")
		p.part()
		Expect(p.a.done[1].Failed).To(BeFalse())
		p.a.tap = nil
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("does so also when the peer has ordered a larger device, which comes while bitmaps are exchanged", func() {
		p.a.hold[replica.MetaWrite], p.a.hold[replica.Measure] = true, true
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 93})
		p.run()
		p.a.doesWhatItHolds()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		for _, e := range []*end{p.a, p.b} {
			e.enlarge(8 * mib)
		}
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderResize, ID: 94})
		p.run()
		Expect(p.a.held).To(HaveLen(2))
		marks, measures := p.a.held[0], p.a.held[1]
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{}
		p.b.hold[replica.Send] = true // a slow link
		marks()
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary WFBitMapS UpToDate/Consistent"))
		measures()
		p.run()
		p.b.release()
		p.wait()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.b.answers).To(HaveKey(uint64(94)))
		p.a.mustWrite(1, 8, 'x')
	})

	for name, drives := range map[string]func() *end{
		"it drives":       func() *end { return p.a },
		"the peer drives": func() *end { return p.b },
	} {
		It("does so after a verify in which it was promoted, and which "+name, func() {
			copy(p.b.data(), p.a.data()) // a verify that finds a difference leaves that to the operator
			p.b.hold[replica.Read] = true
			drives().step(replica.Input{Kind: replica.Order, Order: replica.OrderVerify, ID: 92})
			p.run()
			p.a.mustOrder(replica.OrderPrimary, false)
			Expect(p.b.core.Status().OutOfSync).NotTo(BeZero())
			p.b.release()
			p.wait()
			p.wait()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
			Expect(p.b.core.Status().OutOfSync).To(BeZero())
		})
	}
})

var _ = Describe("A Primary whose users waited for its peer to be fenced, and which is to copy to that", func() {
	It("lets them wait until the peer, which is back, has heard that it is a target", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdStateChgReply
		}
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.run()
		p.a.tap = nil
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		Expect(p.a.core.State().SuspFencing).To(BeTrue())

		p.cut = false
		p.meet()
		for p.a.core.State().Conn < drbdwire.Connected && len(p.queue) > 0 {
			next := p.queue[0]
			p.queue = p.queue[1:]
			next()
		}
		p.cut = true
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary WFBitMapS UpToDate/Consistent"))
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFReportParams UpToDate/DUnknown"))
		Expect(p.a.done).To(BeEmpty(), "the peer could take over without it")
		p.part()
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		p.a.release()
		p.join()
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})
