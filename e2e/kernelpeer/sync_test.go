package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

var _ = eachWay("When the first of two fresh nodes is made Primary by force", func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		fresh(ctx, options{rate: "resync-rate 10M;"})
		// Each disk has content of its own: only a full copy makes them equal.
		both(func(n *node) {
			for off := int64(0); off < deviceSize(); off += mib {
				p := make([]byte, min(mib, deviceSize()-off))
				workload.Fill(p, off, uint64(len(n.name)))
				Expect(n.disk.WriteAt(p, off)).Error().NotTo(HaveOccurred())
			}
		})
		Expect(from.disk.ReadAt(content, 0)).Error().NotTo(HaveOccurred())
		both(func(n *node) { n.engine.up(ctx) })
	}, NodeTimeout(2*time.Minute))

	It("has connected before, with nothing to copy", func(ctx SpecContext) {
		both(func(n *node) { n.is(ctx, "Connected Secondary/Secondary Inconsistent/Inconsistent") })
	}, SpecTimeout(soon))

	It("copies everything to the second", func(ctx SpecContext) {
		from.do(ctx, "primary", "--force")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("goes back to Secondary, and both part cleanly", func(ctx SpecContext) {
		from.do(ctx, "secondary")
		settled(ctx)
		from.engine.down(ctx)
		to.engine.down(ctx)
	}, SpecTimeout(soon))
})
