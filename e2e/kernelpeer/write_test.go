package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("Writes", func() {
	for _, protocol := range []string{"C", "B", "A"} {
		Describe("in protocol "+protocol, Label("vm"), eachWay(func(from, to *node) {
			BeforeAll(func(ctx SpecContext) {
				connected(ctx, options{net: "protocol " + protocol + ";"})
			}, NodeTimeout(3*time.Minute))

			It("are on both disks", func(ctx SpecContext) {
				from.do(ctx, "primary")
				to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
				from.wrote(ctx, 8, manyWrites()...)
				from.do(ctx, "secondary")
				settled(ctx)
				equal(ctx)
			}, SpecTimeout(2*time.Minute))

			It("are read from the other node after a hand-over, and written there", func(ctx SpecContext) {
				to.do(ctx, "primary")
				from.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
				to.io(ctx, 1, check(0, 4*kib, 1), check(20*mib, mib, 0), check(30*mib, 4*kib, 203))
				to.wrote(ctx, 4, write(0, 64*kib, 300), write(mib, 1*mib, 301), trim(3*mib, 512*kib))
				to.do(ctx, "secondary")
				settled(ctx)
				equal(ctx)
			}, SpecTimeout(2*time.Minute))
		}))
	}
})
