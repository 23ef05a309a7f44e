package replica_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("Epochs", func() {
	It("may end out of their order, as with a kernel whose disk fails", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.wait()
		p.b.hold[replica.Send] = true
		for i := range uint64(3) {
			p.a.write(i+1, 8*(i+1), 'x', 4096)
			p.wait()
		}
		Expect(p.b.held).To(HaveLen(3), "an epoch each")
		slices.Reverse(p.b.held)
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().Note).To(BeEmpty())
		Expect(p.a.payloads).To(BeEmpty())
	})

	It("of protocol B have to end within ko-count times timeout", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.hold[replica.Flush] = true
		p.a.write(1, 8, 'x', 4096)
		p.pass(40 * time.Second)
		Expect(p.a.done[1].Failed).To(BeFalse(), "the peer has received it")
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		p.cut = true
		p.pass(5 * time.Second)
		Expect(p.a.notes).To(ContainElement(ContainSubstring("ko-count")))
		Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(4)))
	})
})

var _ = Describe("A Primary in protocol A", func() {
	// As in the simulator's seed 1795763808661.
	It("lets users wait who write faster than the peer's disk, before the peer counts as gone", func() {
		p := synced(func(c *replica.Config) { c.Protocol, c.KoCount = drbdwire.ProtocolA, 2 })
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x')
		p.pass(3 * time.Second)
		p.a.mustWrite(2, 16, 'y')
		p.pass(2 * time.Second)
		p.a.write(3, 24, 'z', 4096)
		p.pass(time.Second)
		Expect(p.a.done).NotTo(HaveKey(uint64(3)), "it waits")
		p.b.release()
		p.wait()
		Expect(p.a.done).To(HaveKey(uint64(3)))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("lets them go on when the peer counts as gone", func() {
		p := synced(func(c *replica.Config) { c.Protocol, c.KoCount = drbdwire.ProtocolA, 2 })
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x')
		p.pass(5 * time.Second)
		p.a.write(2, 16, 'y', 4096)
		p.pass(6 * time.Second)
		p.cut = true
		p.pass(2 * time.Second)
		Expect(p.a.notes).To(ContainElement(ContainSubstring("ko-count")))
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(8)))
	})
})

var _ = Describe("A flush in protocol B", func() {
	flush := func(e *end, id uint64) {
		e.step(replica.Input{Kind: replica.Request, Op: replica.OpFlush, ID: id})
		e.pair.run()
	}

	It("fails where the only disk there is fails it: what users were told of may be lost", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.bad = true
		flush(p.a, 2)
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeTrue())
	})

	It("goes to the peer's disk where the own one fails it", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.bad = true
		flush(p.a, 2)
		p.wait()
		Expect(p.b.sent).To(ContainElement(drbdwire.CmdBarrierAck))
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
	})
})
