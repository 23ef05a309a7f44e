package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/faults/link"
)

var _ = Describe("A full sync that is interrupted while the first writes", Label("vm"), eachWay(func(from, to *node) {
	progress := func(ctx SpecContext) {
		GinkgoHelper()
		Eventually(func() int { return to.engine.state(ctx).OutOfSync }).WithContext(ctx).WithTimeout(soon).
			WithPolling(50 * time.Millisecond).Should(And(BeNumerically("<", deviceSize()/kib*9/10), BeNumerically(">", 0)))
	}
	var ops []workload.Op
	BeforeAll(func(ctx SpecContext) {
		fresh(ctx, options{rate: "resync-rate 1M; c-plan-ahead 0; c-min-rate 0;"})
		both(func(n *node) { n.engine.up(ctx) })
		both(func(n *node) { n.is(ctx, "Connected Secondary/Secondary Inconsistent/Inconsistent") })
		from.do(ctx, "primary", "--force")
		progress(ctx)
		ops = load(100, 1)
		from.wrote(ctx, 4, ops[:30]...)
	}, NodeTimeout(3*time.Minute))

	It("goes on after the network was cut", func(ctx SpecContext) {
		wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() })
		from.wrote(ctx, 4, ops[30:60]...)
		to.isAlone(ctx, "WFConnection", "Secondary", "Inconsistent")
		wire.Heal(milo1.name, milo2.name)
		Eventually(func() string { return to.engine.state(ctx).Conn }).WithContext(ctx).WithTimeout(soon).Should(Equal("SyncTarget"))
		progress(ctx)
	}, SpecTimeout(2*time.Minute))

	It("goes on after the second lost its power", func(ctx SpecContext) {
		to.cut()
		from.wrote(ctx, 4, ops[60:]...)
		to.back(ctx)
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(3*time.Minute))
}))
