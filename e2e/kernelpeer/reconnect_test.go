package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

// alone is a state without a peer; who left by order is StandAlone.
func alone(conn, role string, disks ...string) types.GomegaMatcher {
	var m []types.GomegaMatcher
	for _, d := range disks {
		m = append(m, Equal(conn+" "+role+"/Unknown "+d+"/DUnknown"))
	}
	return Or(m...)
}

func (n *node) isAlone(ctx SpecContext, conn, role string, disks ...string) {
	GinkgoHelper()
	By(n.name + " is alone, " + conn)
	Eventually(func() string { return n.engine.state(ctx).String() }).WithContext(ctx).WithTimeout(soon).
		WithPolling(100*time.Millisecond).Should(alone(conn, role, disks...), func() string { return n.engine.log(ctx) })
}

var _ = Describe("What the first writes while the second is away", func() {
	Describe("with a plain bitmap", Label("vm"), eachWay(func(from, to *node) {
		BeforeAll(func(ctx SpecContext) {
			connected(ctx, options{net: "use-rle no;"})
			from.do(ctx, "primary")
			from.wrote(ctx, 1, write(0, 64*kib, 1))
		}, NodeTimeout(3*time.Minute))

		It("is marked", func(ctx SpecContext) {
			to.do(ctx, "disconnect")
			to.isAlone(ctx, "StandAlone", "Secondary", "UpToDate", "Outdated")
			from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
			from.wrote(ctx, 4, write(4*kib, 8*kib, 2), write(5*mib, mib, 3), trim(9*mib, 256*kib), write(20*mib+512, 512, 4))
			Expect(from.engine.state(ctx).OutOfSync).To(Equal(8 + 1024 + 256 + 4))
		}, SpecTimeout(soon))

		It("and no more than that is copied when it is back", func(ctx SpecContext) {
			to.do(ctx, "connect")
			from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
			to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
			equal(ctx)
		}, SpecTimeout(soon))
	}))
})
