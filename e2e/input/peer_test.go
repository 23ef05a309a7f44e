package input_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("Two nodes whose resource sections differ", func() {
	// with puts a net section into the file of one node.
	with := func(node, options string) local.Replacement {
		return local.Replacement{Node: node, File: "drbd.conf", Old: "protocol C;", With: "protocol C; net { " + options + " }"}
	}

	DescribeTable("both give up, and name the option and both values",
		func(ctx SpecContext, told1, told2 string, changes ...local.Replacement) {
			pair := local.New(local.Options{Programs: programs, DiskSize: 2 << 20, Replace: changes})
			for _, n := range []*local.Node{pair.Milo1, pair.Milo2} {
				n.CreateMD()
				n.Start(ctx)
			}
			for n, told := range map[*local.Node]string{pair.Milo1: told1, pair.Milo2: told2} {
				Eventually(n.Note).WithContext(ctx).WithTimeout(moment).Should(ContainSubstring(told), "they meet")
				Eventually(n.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("StandAlone"), "both sockets close")
				Expect(end(ctx, programs.Pollux(n, "status")).Out).To(gbytes.Say("last refusal or failure: .*" + told))
			}
			Expect(pair.Different()).NotTo(BeEmpty(), "no block was copied")
		},
		Entry("in the protocol", "protocol is C here and A at the peer", "protocol is A here and C at the peer",
			local.Replacement{Node: "milo2", File: "drbd.conf", Old: "protocol C;", With: "protocol A;"}),
		Entry("in what becomes of a split brain", "after-sb-0pri is disconnect here and discard-younger-primary at the peer",
			"after-sb-0pri is discard-younger-primary here and disconnect at the peer",
			with("milo2", "after-sb-0pri discard-younger-primary;")),
		Entry("in the secret", "it has another shared-secret or cram-hmac-alg",
			"it has another shared-secret or cram-hmac-alg",
			with("milo1", "cram-hmac-alg sha1; shared-secret FooFunFactory;"),
			with("milo2", "cram-hmac-alg sha1; shared-secret BarFunFactory;")),
		Entry("in whether there is a secret", "the peer's authentication was expected: it has no cram-hmac-alg",
			"the peer wants authentication, and this node has no cram-hmac-alg",
			with("milo1", "cram-hmac-alg sha1; shared-secret FooFunFactory;")),
	)

	It("go on once they are mended", func(ctx SpecContext) {
		pair := local.New(local.Options{Programs: programs, DiskSize: 2 << 20, Replace: []local.Replacement{
			with("milo2", "after-sb-1pri consensus;"),
		}})
		for _, n := range []*local.Node{pair.Milo1, pair.Milo2} {
			n.CreateMD()
			n.Start(ctx)
		}
		Eventually(pair.Milo2.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("StandAlone"), "they meet")
		Eventually(pair.Milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("StandAlone"), "they meet")
		pair.Milo2.Stop(ctx)
		pair.Milo2.Replace("drbd.conf", "consensus", "disconnect")
		pair.Milo2.Start(ctx)
		Expect(pair.Milo1.Order(ctx, "connect")).To(Succeed())
		Eventually(pair.Milo1.Connection).WithContext(ctx).WithTimeout(moment).Should(Equal("Connected"), "they agree")
	})
})

var _ = Describe("Two disks of different size", func() {
	It("replicate what both have room for", func(ctx SpecContext) {
		pair := local.New(local.Options{Programs: programs, DiskSize: 8 << 20})
		local.MakeDisk(pair.Milo2.Disk, 6<<20)
		pair.Connect(ctx)
		pair.Sync(ctx)
		a, err := pair.Milo1.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		b, err := pair.Milo2.Resource(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(a.SizeKiB).To(And(Equal(b.SizeKiB), BeNumerically("<", 6<<10)))
	})
})
