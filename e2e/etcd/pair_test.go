package etcd_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("Two polluxd with an etcd as their witness", Ordered, func() {
	var (
		s    *server
		pair *local.Pair
	)
	becomes := func(ctx SpecContext, n *local.Node, role string) {
		GinkgoHelper()
		Eventually(n.Role).WithContext(ctx).WithTimeout(patience).Should(Equal(role))
	}
	BeforeAll(func(ctx SpecContext) {
		s = newServer(false)
		s.start(ctx)
		pair = local.New(local.Options{
			Programs: programs, Cluster: true, DiskSize: 4 << 20,
			Replace: []local.Replacement{{
				File: "ha.cf", Old: "auto_failback on",
				With: fmt.Sprintf("auto_failback off\nwitness etcd %s\nlease %d", s.url, int(lease.Seconds())),
			}},
		})
		pair.Connect(ctx)
		pair.Sync(ctx)
	}, limit)

	It("says which node has the lease", func(ctx SpecContext) {
		Eventually(func(g Gomega) {
			status, err := pair.Milo1.Status(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status.Cluster.Witness.Address).To(Equal("etcd " + s.url))
			g.Expect(status.Cluster.Witness.Leases).To(ConsistOf(HaveField("Held", true)))
		}).WithContext(ctx).WithTimeout(patience).Should(Succeed())
	}, limit)

	It("goes on as long as one of two is there: the other node, or the etcd", func(ctx SpecContext) {
		s.stop()
		Consistently(pair.Milo1.Role).WithContext(ctx).WithTimeout(lease + lease/2).Should(Equal("Primary"))
		s.start(ctx)
		Eventually(func(g Gomega) {
			status, err := pair.Milo2.Status(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status.Cluster.Witness.Trouble).To(BeEmpty())
		}).WithContext(ctx).WithTimeout(patience).Should(Succeed())
		pair.Milo1.Kill(ctx)
		becomes(ctx, pair.Milo2, "Primary")
	}, limit)

	It("stops on a node that reaches neither", func(ctx SpecContext) {
		s.stop()
		becomes(ctx, pair.Milo2, "Secondary")
	}, limit)

	It("starts again when the etcd is back", func(ctx SpecContext) {
		s.start(ctx)
		becomes(ctx, pair.Milo2, "Primary")
	}, limit)
})
