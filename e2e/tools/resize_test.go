package tools_test

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("When both disks grow while the device is in use", Ordered, func() {
	const add = 24 << 20
	var pair *local.Pair
	var before int64

	// enlarge adds noise to both disks, as lvextend adds what others left.
	enlarge := func() {
		GinkgoHelper()
		for _, n := range []*local.Node{pair.Milo1, pair.Milo2} {
			f, err := os.OpenFile(n.Disk, os.O_WRONLY|os.O_APPEND, 0)
			Expect(err).NotTo(HaveOccurred())
			_, err = f.Write(noise(add))
			Expect(err).NotTo(HaveOccurred())
			Expect(f.Close()).To(Succeed())
		}
	}

	BeforeAll(func(ctx SpecContext) {
		need(qemu, "qemu-io")
		need("drbd-utils", "drbdmeta")
		pair = local.New(local.Options{Programs: programs})
		pair.Connect(ctx)
		pair.Sync(ctx)
		before = pair.DataSize()
	}, limit)

	It("the device grows with them, and what was added is copied", func(ctx SpecContext) {
		enlarge()
		Expect(programs.Pollux(pair.Milo1, "resize", "r1").Run()).To(Succeed())
		pair.InSync(ctx)
		Expect(pair.DataSize()).To(BeNumerically(">", before))
		r, err := pair.Milo1.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.SizeKiB).To(BeEquivalentTo(pair.DataSize() / 1024))
		Expect(r.OutOfSyncKiB).To(BeZero())
		Expect(pair.Different()).To(BeEmpty())
		out := run(ctx, "qemu-io", "-f", "raw", "-t", "none", pair.Milo1.URI(),
			"-c", "write -f -P 5 40M 64k", "-c", "read -P 5 40M 64k")
		Expect(out).NotTo(Or(ContainSubstring("verification failed"), ContainSubstring("rror")))
		Expect(pair.Different()).To(BeEmpty())
	}, limit)

	It("and again, though a daemon is killed before it was told", func(ctx SpecContext) {
		pair.Milo2.Kill(ctx)
		enlarge()
		pair.Milo2.Start(ctx)
		pair.InSync(ctx)
		Expect(programs.Pollux(pair.Milo1, "resize", "r1").Run()).To(Succeed())
		pair.InSync(ctx)
		r, err := pair.Milo2.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.SizeKiB).To(BeEquivalentTo(pair.DataSize() / 1024))
		Expect(pair.Different()).To(BeEmpty())
	}, limit)

	It("drbdmeta reads the metadata where it is now", func(ctx SpecContext) {
		pair.Milo1.Stop(ctx)
		pair.Milo2.Stop(ctx)
		for _, n := range []*local.Node{pair.Milo1, pair.Milo2} {
			out := run(ctx, "drbdmeta", "--force", "0", "v08", n.Disk, "internal", "dump-md")
			Expect(out).To(ContainSubstring("bits-set 0;"))
		}
	}, limit)
})
