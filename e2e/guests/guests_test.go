package guests_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A node whose peer is dead, on a real Xen", Label("vm", "xen"), Ordered, func() {
	const limit = SpecTimeout(10 * time.Minute)
	var milo1 *dom0

	BeforeAll(func(ctx SpecContext) {
		skipUnlessAsked()
		milo1 = boot(ctx)
	}, NodeTimeout(15*time.Minute))

	It("says beforehand that its own guest makes room", func(ctx SpecContext) {
		Eventually(func() int { return boots(milo1.batch) }).WithContext(ctx).WithTimeout(soon).Should(Equal(1))
		Expect(milo1.shell(ctx, "pollux check || true")).NotTo(ContainSubstring("MEND"))
		undisplaced := milo1.shell(ctx, "cp -r /etc/ha.d /etc/xen /tmp && sed -i /displace/d /tmp/ha.d/ha.cf && "+
			"! pollux check --config-dir /tmp")
		Expect(undisplaced).To(MatchRegexp(`(?m)^MEND  /tmp/xen/ha\.d: this node can't take the guests over: 96 MiB are needed ` +
			`\(web1 96\), and there are \d+: Xen has \d+ MiB free; what runs here has 80: batch 80\.`))
	}, limit)

	It("displaces it, and boots the guest of its group", func(ctx SpecContext) {
		milo1.start()
		milo1.runs(ctx, "web1")
		milo1.goesOn(ctx)
		Expect(ends(milo1.batch)).To(Equal(1), "it was shut down in order")
		Expect(milo1.shell(ctx, "pollux status")).To(ContainSubstring("displaced, until no guest of a group is here: batch"))
	}, limit)

	It("saves a guest with its memory when it leaves, and lets it go on when it is back", func(ctx SpecContext) {
		milo1.leave(ctx)
		Expect(milo1.domains(ctx)).To(BeEmpty())
		milo1.start()
		milo1.goesOn(ctx)
		milo1.runs(ctx, "web1")
		Expect(boots(milo1.console)).To(Equal(1), milo1.said)
	}, limit)

	It("boots a guest that was destroyed: its memory is used once", func(ctx SpecContext) {
		before := milo1.runs(ctx, "web1")
		milo1.shell(ctx, "xl destroy web1")
		Eventually(func() int { return boots(milo1.console) }).WithContext(ctx).WithTimeout(soon).Should(Equal(2), milo1.said)
		milo1.goesOn(ctx)
		Expect(milo1.runs(ctx, "web1")).NotTo(Equal(before))
		Expect(milo1.daemon.Stderr()).To(ContainSubstring("web1 does not run; it is started again (restart 1 of 3 within 1h0m0s)"))
	}, limit)

	It("shuts a guest down whose memory does not fit", func(ctx SpecContext) {
		milo1.shell(ctx, "lvremove -qy vg/web1_memory && lvcreate -qy --size 64M --name web1_memory vg")
		milo1.leave(ctx)
		Expect(milo1.domains(ctx)).To(BeEmpty())
		Expect(milo1.daemon.Stderr()).To(ContainSubstring("save guest web1: xl save "))
		Expect(ends(milo1.console)).To(Equal(1), milo1.said)
		milo1.start()
		Eventually(func() int { return boots(milo1.console) }).WithContext(ctx).WithTimeout(soon).Should(Equal(3), milo1.said)
		milo1.goesOn(ctx)
	}, limit)

	It("refuses a guest that finds no memory, and has its own back", func(ctx SpecContext) {
		milo1.leave(ctx)
		milo1.shell(ctx, "sed -i 's/^memory.*/memory = 900/' "+webFile)
		milo1.start()
		Eventually(func() string { return milo1.daemon.Stderr() }).WithContext(ctx).WithTimeout(soon).
			Should(MatchRegexp(`not enough memory: 900 MiB are needed \(web1 900\), and Xen has \d+ MiB free`))
		milo1.runs(ctx, "batch")
		Eventually(func() int { return boots(milo1.batch) }).WithContext(ctx).WithTimeout(soon).Should(Equal(2))
		Expect(milo1.shell(ctx, "pollux status")).NotTo(ContainSubstring("displaced"))
	}, limit)

	It("displaces nobody for a guest that would find no memory then either", func(ctx SpecContext) {
		before := milo1.runs(ctx, "batch")
		milo1.leave(ctx)
		milo1.start()
		Eventually(func() string { return milo1.daemon.Stderr() }).WithContext(ctx).WithTimeout(soon).
			Should(MatchRegexp(`not enough memory: 900 MiB are needed \(web1 900\), and there would be \d+ without batch`))
		milo1.leave(ctx)
		Expect(milo1.runs(ctx, "batch")).To(Equal(before))
	}, limit)

	It("leaves a guest to ocf:heartbeat:Xen, which starts, watches and stops it", func(ctx SpecContext) {
		milo1.shell(ctx, "xl shutdown -w batch && sed -i 's/^memory.*/memory = 96/' "+webFile+
			" && echo 'milo1 ocf:heartbeat:Xen::xmfile="+webFile+"' > /etc/ha.d/haresources")
		Eventually(milo1.domains).WithContext(ctx).WithTimeout(soon).Should(BeEmpty())
		booted, ended := boots(milo1.console), ends(milo1.console)
		milo1.start()
		milo1.runs(ctx, "web1")
		milo1.goesOn(ctx)
		Eventually(milo1.Output).WithContext(ctx).WithArguments("pollux", "status").WithTimeout(soon).
			Should(ContainSubstring("(prefers milo1): running"), milo1.said)
		milo1.shell(ctx, "xl destroy web1")
		Eventually(func() int { return boots(milo1.console) }).WithContext(ctx).WithTimeout(soon).Should(Equal(booted+2), milo1.said)
		milo1.goesOn(ctx)
		milo1.leave(ctx)
		Expect(milo1.domains(ctx)).To(BeEmpty())
		Expect(ends(milo1.console)).To(Equal(ended+1), milo1.said)
	}, limit)
})
