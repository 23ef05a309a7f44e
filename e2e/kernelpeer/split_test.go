package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/link"
)

var _ = Describe("When both were Primary while they were apart", Label("vm"), eachWay(func(from, to *node) {
	var mine, theirs []byte // what the disks hold
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() })
		both(func(n *node) { n.isAlone(ctx, "WFConnection", "Secondary", "UpToDate") })
		for i, n := range []*node{from, to} {
			n.do(ctx, "primary")
			n.io(ctx, 1, write(0, 64*kib, uint64(i+1)), write(int64(i+1)*mib, 64*kib, uint64(i+1)))
			n.do(ctx, "secondary")
		}
		mine, theirs = make([]byte, len(content)), make([]byte, len(content))
		Expect(from.disk.ReadAt(mine, 0)).Error().NotTo(HaveOccurred())
		Expect(to.disk.ReadAt(theirs, 0)).Error().NotTo(HaveOccurred())
	}, NodeTimeout(3*time.Minute))

	It("is noticed at the first contact, and nothing is overwritten", func(ctx SpecContext) {
		wire.Heal(milo1.name, milo2.name)
		both(func(n *node) {
			Eventually(func() string { return tail(n.engine.log(ctx)) }).WithContext(ctx).WithTimeout(soon).
				Should(MatchRegexp("(?i)split.brain"), n.name)
			n.isAlone(ctx, "StandAlone", "Secondary", "UpToDate")
		})
		now := make([]byte, len(content))
		Expect(from.disk.ReadAt(now, 0)).To(Equal(len(now)))
		Expect(now).To(Equal(mine))
		Expect(to.disk.ReadAt(now, 0)).To(Equal(len(now)))
		Expect(now).To(Equal(theirs))
	}, SpecTimeout(2*time.Minute))

	It("ends when the second gives up what it wrote", func(ctx SpecContext) {
		to.do(ctx, "connect", "--discard-my-data")
		from.do(ctx, "connect")
		settled(ctx)
		copy(content, mine)
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
}))

var _ = Describe("When a policy says who wins a split brain", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{net: "after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary;"})
	}, NodeTimeout(3*time.Minute))

	It("copies from the one that is Primary", func(ctx SpecContext) {
		wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() })
		both(func(n *node) { n.isAlone(ctx, "WFConnection", "Secondary", "UpToDate") })
		to.do(ctx, "primary")
		to.io(ctx, 1, write(0, 64*kib, 2))
		to.do(ctx, "secondary")
		from.do(ctx, "primary")
		from.wrote(ctx, 1, write(64*kib, 64*kib, 1))
		wire.Heal(milo1.name, milo2.name)
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
		from.do(ctx, "secondary")
	}, SpecTimeout(3*time.Minute))

	It("copies from the one that has written", func(ctx SpecContext) {
		settled(ctx)
		wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() })
		both(func(n *node) { n.isAlone(ctx, "WFConnection", "Secondary", "UpToDate") })
		from.do(ctx, "primary")
		from.do(ctx, "secondary")
		to.do(ctx, "primary")
		to.wrote(ctx, 1, write(5*mib, 64*kib, 1))
		to.do(ctx, "secondary")
		wire.Heal(milo1.name, milo2.name)
		settled(ctx)
		equal(ctx)
	}, SpecTimeout(3*time.Minute))
}))
