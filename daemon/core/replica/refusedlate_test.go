package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A write that protocol A has told, and that the peer's disk fails", func() {
	It("is not overwritten when the Primary steps down before it hears that this disk is lost", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.b.badData, p.b.hold[replica.Send] = true, true
		p.a.mustWrite(1, 8, 'x')
		refusal, state := p.b.held[0], p.b.held[1:]
		p.b.held = nil
		refusal()
		p.pass(50 * time.Millisecond)
		p.b.doesWhatItHolds() // it has acknowledged the epoch
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderSecondary, ID: 90})
		p.run()
		By("its word comes on the other socket, which is slower")
		for _, f := range state {
			f()
		}
		p.b.release()
		p.wait()
		Expect(p.a.answers[90].Code).To(Equal(drbdwire.Success))
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
		p.b.badData = false
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		p.b.mustOrder(replica.OrderPrimary, false)
		p.wait()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})
