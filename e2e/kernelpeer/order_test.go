package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Orders to copy everything", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
		from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
	}, NodeTimeout(3*time.Minute))

	It("are refused where the first has the users, or serve them from the second", func(ctx SpecContext) {
		Expect(to.engine.order(ctx, "invalidate-remote")).NotTo(Succeed())
		if _, ours := from.engine.(*pollux); ours {
			Expect(from.engine.order(ctx, "invalidate")).NotTo(Succeed())
		} else {
			from.do(ctx, "invalidate")
			from.wrote(ctx, 1, write(10*mib, 64*kib, 3))
			from.io(ctx, 1, check(20*mib, mib, 2), check(10*mib, 64*kib, 3))
		}
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
}))
