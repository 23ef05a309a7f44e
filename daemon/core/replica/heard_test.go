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
