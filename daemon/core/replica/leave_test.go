package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("Two nodes that leave each other at the same time", func() {
	DescribeTable("the one that has given leave knows that its copy is old",
		func(f replica.Fencing) {
			p := synced(withFencing(f))
			p.a.mustOrder(replica.OrderSecondary, false)
			p.b.mustOrder(replica.OrderPrimary, false)
			for _, e := range []*end{p.a, p.b} {
				orderID++
				e.step(replica.Input{Kind: replica.Order, Order: replica.OrderDisconnect, ID: orderID})
			}
			p.run()
			Expect(p.b.status()).To(HavePrefix("Primary/Unknown StandAlone UpToDate/"))
			p.b.mustWrite(1, 8, 'x')
			Expect(p.a.status()).To(HavePrefix("Secondary/Unknown WFConnection Outdated/"))
		},
		Entry("with fencing", replica.ResourceAndStonith),
		Entry("with resource-only", replica.ResourceOnly),
		Entry("without fencing", replica.DontCare),
	)
})

var _ = Describe("A standby that is shut down while its Primary is the target of a resync", func() {
	It("has the only whole copy, which is not old", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.mustWrite(1, 8, 'x')
		p.b.hold[replica.Read] = true // of the resync
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.b.status()).To(Equal("Secondary/Primary SyncSource UpToDate/Inconsistent"))
		p.b.mustOrder(replica.OrderShutdown, false)
		p.cut = true
		p.b.crash()
		p.b.up()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/Outdated"))
	})
})

var _ = Describe("A node that leaves while its peer becomes Primary", func() {
	It("knows that its copy is old, if it has agreed to that first", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.hold[replica.Send] = true
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderDisconnect, ID: 70})
		p.run()
		leave := p.b.held // on the other socket, and slower
		p.b.held = nil
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 71})
		p.run()
		p.b.doesWhatItHolds()
		Expect(p.b.answers).To(HaveKeyWithValue(uint64(71), HaveField("Code", drbdwire.Success)))
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		p.b.held = leave
		p.b.release()
		p.wait()
		Expect(p.a.answers).To(HaveKeyWithValue(uint64(70), HaveField("Code", drbdwire.Success)))
		p.b.mustWrite(1, 8, 'x')
		Expect(p.b.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.status()).To(Equal("Secondary/Unknown StandAlone Outdated/DUnknown"))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
	})
})
