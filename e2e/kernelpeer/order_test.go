package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Orders to copy everything", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
		from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
	}, NodeTimeout(3*time.Minute))

	spoil := func(n *node) {
		Expect(n.disk.WriteAt(make([]byte, 64*kib), 512*kib)).Error().NotTo(HaveOccurred())
	}

	It("are carried out for the second, by itself", func(ctx SpecContext) {
		spoil(to)
		to.do(ctx, "invalidate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("are carried out for the second, by the first", func(ctx SpecContext) {
		spoil(to)
		from.do(ctx, "invalidate-remote")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("are refused where the first has the users, or serve them from the second", func(ctx SpecContext) {
		Expect(to.engine.order(ctx, "invalidate-remote")).NotTo(Succeed())
		if _, ours := from.engine.(*pollux); ours {
			Expect(from.engine.order(ctx, "invalidate")).NotTo(Succeed())
		} else {
			from.do(ctx, "invalidate")
			from.wrote(ctx, 1, write(10*mib, 64*kib, 3))
			from.io(ctx, 1, check(20*mib, mib, 2), check(10*mib, 64*kib, 3))
		}
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
}))

// reattach gives a Primary its disk back. Polluxd does that only when it has no
// users.
func reattach(ctx SpecContext, n *node) {
	GinkgoHelper()
	_, ours := n.engine.(*pollux)
	if ours {
		Expect(n.engine.order(ctx, "attach")).To(MatchError(ContainSubstring("move its users")))
		n.do(ctx, "secondary")
	}
	n.do(ctx, "attach")
	if ours {
		settled(ctx)
		n.do(ctx, "primary")
	}
}

var _ = Describe("A node without its disk", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
		from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
	}, NodeTimeout(3*time.Minute))

	It("is served by the other's, if it is Primary", func(ctx SpecContext) {
		from.do(ctx, "detach")
		from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/Diskless")
		from.io(ctx, 1, check(0, 4*kib, 1), check(20*mib, mib, 2), write(mib, 64*kib, 3), check(mib, 64*kib, 3))
		write(mib, 64*kib, 3).Apply(content)
		reattach(ctx, from)
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("is caught up after an attach, if it is Secondary", func(ctx SpecContext) {
		to.do(ctx, "detach")
		from.is(ctx, "Connected Primary/Secondary UpToDate/Diskless")
		from.wrote(ctx, 1, write(3*mib, 64*kib, 4))
		to.do(ctx, "attach")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("has lost it to an I/O error of a write that the other sent", func(ctx SpecContext) {
		to.disk.Fail(4*mib/512, 8)
		from.wrote(ctx, 1, write(4*mib, 64*kib, 5), write(5*mib, 4*kib, 6))
		from.is(ctx, "Connected Primary/Secondary UpToDate/Diskless")
		to.is(ctx, "Connected Secondary/Primary Diskless/UpToDate")
		to.disk.Heal()
		to.do(ctx, "attach")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("has lost it to an I/O error of a read of its own, and its user does not notice", func(ctx SpecContext) {
		from.disk.Fail(0, 8)
		from.io(ctx, 1, check(0, 64*kib, 1), check(64*kib, 4*kib, 1))
		from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
		from.disk.Heal()
		reattach(ctx, from)
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))

	It("has lost it to an I/O error of a write of its own, and its user does not notice", func(ctx SpecContext) {
		from.disk.Fail(6*mib/512, 8)
		from.wrote(ctx, 1, write(6*mib, 64*kib, 7))
		from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
		from.disk.Heal()
		reattach(ctx, from)
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
}))
