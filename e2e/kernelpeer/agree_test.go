package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Two nodes with a shared secret", Label("vm"), Ordered, func() {
	It("connect if it is the same", func(ctx SpecContext) {
		connected(ctx, options{net: secret})
		milo1.do(ctx, "primary")
		milo1.wrote(ctx, 1, write(0, 64*kib, 1))
		milo1.do(ctx, "secondary")
		settled(ctx)
		equal(ctx)
		both(func(n *node) { n.engine.down(ctx) })
	}, SpecTimeout(3*time.Minute))

	It("give each other up if it is not", func(ctx SpecContext) {
		milo1.configure(ctx, options{net: `cram-hmac-alg sha1; shared-secret "another secret";`})
		both(func(n *node) { n.engine.up(ctx) })
		milo1.isAlone(ctx, "StandAlone", "Secondary", "UpToDate")
		milo2.isAlone(ctx, "StandAlone", "Secondary", "Consistent")
		both(func(n *node) { n.engine.down(ctx) })
	}, SpecTimeout(2*time.Minute))

	It("give each other up if only the kernel has one", func(ctx SpecContext) {
		milo1.configure(ctx, options{net: secret})
		milo2.configure(ctx, options{})
		both(func(n *node) { n.engine.up(ctx) })
		milo1.isAlone(ctx, "StandAlone", "Secondary", "UpToDate")
		both(func(n *node) { n.engine.down(ctx) })
	}, SpecTimeout(2*time.Minute))

	It("give each other up if only pollux has one", func(ctx SpecContext) {
		milo1.configure(ctx, options{})
		milo2.configure(ctx, options{net: secret})
		both(func(n *node) { n.engine.up(ctx) })
		milo2.isAlone(ctx, "StandAlone", "Secondary", "Consistent")
		both(func(n *node) { n.engine.down(ctx) })
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("Two nodes that are configured differently", Label("vm"), Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		both(func(n *node) { n.engine.down(ctx) })
	}, NodeTimeout(3*time.Minute))

	DescribeTable("give each other up", func(ctx SpecContext, net string) {
		milo2.configure(ctx, options{net: net})
		both(func(n *node) { n.engine.up(ctx) })
		milo1.isAlone(ctx, "StandAlone", "Secondary", "UpToDate")
		milo2.isAlone(ctx, "StandAlone", "Secondary", "Consistent")
		Expect(milo2.engine.log(ctx)).To(ContainSubstring("settings do not go together"))
		both(func(n *node) { n.engine.down(ctx) })
	},
		Entry("in the protocol", "protocol A;"),
		Entry("in a policy", "after-sb-0pri discard-zero-changes;"),
	)
})
