package kernelpeer_test

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

var _ = Describe("Roles", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) { connected(ctx, options{}) }, NodeTimeout(3*time.Minute))

	It("are refused to a second Primary", func(ctx SpecContext) {
		from.do(ctx, "primary")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		Expect(to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-1)")))
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
	}, SpecTimeout(soon))

	It("stay while the device is in use", func(ctx SpecContext) {
		p := from.startIO(1, workload.Op{Kind: workload.Hold})
		Eventually(p.Stdout).WithContext(ctx).WithTimeout(soon).Should(ContainSubstring("holding"))
		Expect(from.engine.order(ctx, "secondary")).To(MatchError(ContainSubstring("(-12)")))
		Expect(p.Signal(ctx, syscall.SIGTERM)).To(Succeed())
		Expect(p.Wait(ctx)).To(BeZero())
	}, SpecTimeout(soon))

	It("are refused to a node that is not UpToDate", func(ctx SpecContext) {
		from.do(ctx, "primary")
		to.do(ctx, "disconnect")
		from.wrote(ctx, 1, write(0, 64*kib, 50))
		Expect(to.engine.order(ctx, "outdate")).To(Succeed())
		to.isAlone(ctx, "StandAlone", "Secondary", "Outdated")
		Expect(to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-2)")))
		to.do(ctx, "connect")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(soon))
}))
