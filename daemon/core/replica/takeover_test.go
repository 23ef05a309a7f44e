package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node that takes over from a dead Primary", func() {
	It("shows the device to nobody before all that the Primary wrote is on the disk", func() {
		p := synced()
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.crash()
		p.b.order(replica.OrderPrimary, false)
		Expect(p.b.core.State().Role).To(Equal(drbdwire.Primary))
		Expect(p.b.exposed).To(BeFalse(), "a user could read the block before the write reaches it, and after")
		p.b.release()
		Expect(p.b.exposed).To(BeTrue())
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("writes what protocol B acknowledged in memory, though its disk had not begun", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.a.write(2, 8, 'y', 4096)
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(2)), "the second write waits for the first one on the disk, and is acknowledged")
		p.a.crash()
		p.b.release()
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
		Expect(p.b.payloads).To(BeEmpty())
	})
})

var _ = Describe("An order to become Primary beside a Primary that is dead and not missed yet", func() {
	It("makes sure that it lives, so that the next order need not wait for the next ping", func() {
		p := synced()
		p.a.mustOrder(replica.OrderPrimary, false)
		p.run()
		p.a.stopped = true
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 90})
		p.wait() // twice ping-timeout, a tenth of ping-int
		Expect(p.b.answers[90].Code).To(Equal(drbdwire.TwoPrimaries))
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 91})
		p.run()
		Expect(p.b.answers[91].Code).To(Equal(drbdwire.Success))
	})
})
