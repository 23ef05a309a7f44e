package page_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/page/site"
)

func standbyGuest() {
	It("has no memory for the page's guest, says so, and gives it back", func(ctx SpecContext) {
		running(ctx)
		Expect(pair.RunBatch(ctx)).To(Succeed(), logs)
		DeferCleanup(func(ctx SpecContext) { Expect(pair.EndBatch(ctx)).To(Succeed(), logs) }, NodeTimeout(site.Soon))
		// What becomes of the order is for the next lines to say.
		_ = milo1.Order(ctx, "standby", "all")
		Expect(milo2.Refuses(ctx, "not enough memory: 96 MiB are needed (web1 96), and Xen has ")).To(Succeed(), logs)
		Expect(pair.Runs(ctx, milo1)).To(Succeed(), logs)
		Expect(milo2.HasGuest(ctx, site.Batch, true)).To(Succeed(), logs)
		intact(ctx, milo1)
	}, SpecTimeout(20*time.Minute))
}
