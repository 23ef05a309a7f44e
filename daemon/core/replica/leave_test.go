package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
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
