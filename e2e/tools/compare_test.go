package tools_test

import (
	"context"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("When a disk rots, and drbd.conf has verify-alg, csums-alg and data-integrity-alg", Ordered, func() {
	const offset = 5<<20 + 512
	var pair *local.Pair

	BeforeAll(func(ctx SpecContext) {
		pair = local.New(local.Options{Replace: []local.Replacement{{
			File: "drbd.conf", Old: "protocol C;",
			With: "protocol C; net { verify-alg md5; csums-alg sha1; data-integrity-alg crc32c; }",
		}}})
		pair.Connect(ctx)
		pair.Sync(ctx)
	}, limit)

	// verified waits for a verify to end, and gives what it found.
	verified := func(ctx context.Context, n *local.Node) *node.VerifiedStatus {
		GinkgoHelper()
		var last *node.VerifiedStatus
		Eventually(func(g Gomega) {
			r, err := n.Resource(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.Verify).To(BeNil())
			g.Expect(r.Verified).NotTo(BeNil())
			last = r.Verified
		}).WithContext(ctx).WithTimeout(patience).Should(Succeed(), "32 MiB are compared soon")
		return last
	}

	It("a verify before that finds nothing", func(ctx SpecContext) {
		Expect(pair.Milo1.Order(ctx, "verify")).To(Succeed())
		for _, n := range []*local.Node{pair.Milo1, pair.Milo2} {
			v := verified(ctx, n)
			Expect(v.Complete).To(BeTrue())
			Expect(v.OutOfSyncKiB).To(BeZero())
			Expect(v.ComparedKiB).To(BeNumerically(">", 31<<10))
		}
	}, limit)

	It("one after that finds the block, on both nodes", func(ctx SpecContext) {
		f, err := os.OpenFile(pair.Milo2.Disk, os.O_WRONLY|os.O_SYNC, 0)
		Expect(err).NotTo(HaveOccurred())
		_, err = f.WriteAt([]byte("rot"), offset)
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Close()).To(Succeed())
		Expect(pair.Different()).NotTo(BeEmpty())
		Expect(pair.Milo2.Order(ctx, "verify")).To(Succeed())
		for _, n := range []*local.Node{pair.Milo2, pair.Milo1} {
			Eventually(func() uint64 { return verified(ctx, n).OutOfSyncKiB }).WithContext(ctx).WithTimeout(patience).
				Should(Equal(uint64(4)))
		}
	}, limit)

	It("a resync repairs it, by checksum", func(ctx SpecContext) {
		Expect(pair.Milo2.Order(ctx, "disconnect")).To(Succeed())
		Expect(pair.Milo2.Order(ctx, "connect")).To(Succeed())
		pair.InSync(ctx)
		Expect(pair.Different()).To(BeEmpty())
	}, limit)
})
