package kernelpeer_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// becomes gives a node that is down the other engine, on the disk that it has.
func (n *node) becomes(e engine) { n.engine = e }

var _ = Describe("A disk that the kernel used", Label("vm"), Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{inVMs: true})
		milo1.do(ctx, "primary")
		milo1.wrote(ctx, 4, load(100, 1)...)
		milo1.do(ctx, "secondary")
		settled(ctx)
		both(func(n *node) { n.engine.down(ctx) })
	}, NodeTimeout(3*time.Minute))

	It("is used by pollux without a resync", func(ctx SpecContext) {
		milo1.becomes(&pollux{node: milo1})
		both(func(n *node) { n.engine.up(ctx) })
		settled(ctx)
		Expect(milo1.engine.(*pollux).status(ctx).Counters.ReceivedBytes).To(BeZero(), "bytes copied")
		Expect(milo2.engine.(*pollux).status(ctx).Counters.ReceivedBytes).To(BeZero(), "bytes copied")
		milo1.do(ctx, "primary")
		milo1.io(ctx, 1, check(0, 4*kib, 1), check(37*4*kib, 4*kib, 2))
		milo1.wrote(ctx, 4, load(100, 1000)...)
		milo1.do(ctx, "secondary")
		settled(ctx)
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("is handed back the same way", func(ctx SpecContext) {
		both(func(n *node) { n.engine.down(ctx) })
		out := kernel{milo1}.must(ctx, "drbdadm", "dump-md", "r1")
		Expect(out).To(ContainSubstring("la-size-sect 65456;"))
		Expect(out).To(ContainSubstring("bits-set 0;"))
		milo1.becomes(kernel{milo1})
		both(func(n *node) { n.engine.up(ctx) })
		settled(ctx)
		Expect(milo1.engine.log(ctx)).NotTo(MatchRegexp("Began resync.*\n(.*\n)*.*Began resync"))
		milo1.do(ctx, "primary")
		milo1.io(ctx, 1, check(0, 4*kib, 1000))
		milo1.wrote(ctx, 1, write(mib, 64*kib, 5))
		milo1.do(ctx, "secondary")
		settled(ctx)
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("is handed back when polluxd was Primary and alone, with what it marked", func(ctx SpecContext) {
		milo2.do(ctx, "primary")
		milo1.engine.down(ctx)
		milo2.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		milo2.wrote(ctx, 1, write(2*mib, 128*kib, 7), write(9*mib, 4*kib, 8))
		milo2.do(ctx, "secondary")
		milo2.engine.down(ctx)
		Expect(kernel{milo2}.must(ctx, "drbdadm", "dump-md", "r1")).To(ContainSubstring("bits-set 33;"))
		milo2.becomes(kernel{milo2})
		milo1.becomes(&pollux{node: milo1})
		both(func(n *node) { n.engine.up(ctx) })
		settled(ctx)
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("A disk whose kernel lost power while it wrote", Label("vm"), Ordered, func() {
	It("is replayed by pollux, which is the source then", func(ctx SpecContext) {
		connected(ctx, options{inVMs: true})
		milo1.do(ctx, "primary")
		ops := load(150, 1000)
		p := milo1.underLoad(ctx, ops)
		milo1.cut()
		milo2.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		milo1.becomes(&pollux{node: milo1})
		milo1.back(ctx)
		settled(ctx)
		Expect(milo1.engine.log(ctx)).To(MatchRegexp("resync of [0-9]+ KiB begins"))
		kept(p, ops)
		equal(ctx)
	}, SpecTimeout(5*time.Minute))
})

var _ = Describe("A disk whose polluxd was killed while it wrote", Label("vm"), Ordered, func() {
	DescribeTable("is replayed by drbdmeta, and used by the kernel", func(ctx SpecContext, power bool) {
		connected(ctx, options{inVMs: true})
		milo2.do(ctx, "primary")
		ops := load(150, 1000)
		p := milo2.underLoad(ctx, ops)
		if power {
			milo2.cut()
			milo2.boot(ctx)
			milo2.configure(ctx, options{inVMs: true})
		} else {
			milo2.engine.(*pollux).kill(ctx)
		}
		milo1.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		milo2.becomes(kernel{milo2})
		r, err := milo2.at.Run(ctx, "drbdadm", "dump-md", "r1")
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Status).NotTo(BeZero(), "unclean metadata is not dumped without force")
		said, err := milo2.at.Run(ctx, "drbdadm", "apply-al", "r1")
		Expect(err).NotTo(HaveOccurred())
		Expect(said.Stdout + said.Stderr).To(MatchRegexp(`Marked additional [0-9]+ [KM]B as out-of-sync based on AL`))
		out := milo2.engine.(kernel).must(ctx, "drbdadm", "dump-md", "r1")
		Expect(strings.Contains(out, "bits-set 0;")).To(BeFalse())
		milo2.engine.up(ctx)
		settled(ctx)
		kept(p, ops)
		equal(ctx)
	},
		Entry("after a kill", false),
		Entry("after a power loss", true),
	)
})
