package kernelpeer_test

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

var drivenRows = []row{
	{
		name: "the kernel's, driven by polluxd", fresh: true, only: "C",
		body: func(ctx SpecContext, p pairing) {
			d := drivenOn(milo1)
			milo1.engine = d
			refusesOwnTools(ctx, d)
			both(func(n *node) { n.engine.up(ctx) })
			skipFirstSync(ctx, milo1)
			d.tells(ctx, func() { drivenRoles(ctx, p) }, "Connected Primary/Secondary", "Connected Secondary/Primary")
			d.tells(ctx, func() { drivenResync(ctx, p, d) }, "WFConnection ", "Sync", "Connected ")
			drivenLoss(ctx, p, d)
			drivenChange(ctx, p)
			d.tells(ctx, func() { drivenSplit(ctx, p, d) }, "has given the peer up: Split-Brain detected")
			// The kernel's DRBD goes on without polluxd.
			d.by.down(ctx)
			milo1.becomes(d.kernel)
		},
	},
}

// refusesOwnTools: pollux answers to the name drbdadm, too, and would ask the
// daemon that asks it.
func refusesOwnTools(ctx SpecContext, d *driven) {
	GinkgoHelper()
	r, err := d.at.Run(ctx, "bash", "-c", "mkdir -p /run/ours && ln -sf /usr/bin/pollux /run/ours/drbdadm && "+
		"PATH=/run/ours:$PATH exec polluxd --engine kernel")
	Expect(err).NotTo(HaveOccurred())
	Expect(r.Status).NotTo(BeZero())
	Expect(r.Stderr).To(ContainSubstring("drbdadm is a link to pollux here"))
	Expect(d.kernel.state(ctx).Conn).To(Equal("Unconfigured"))
}

// tells checks that those words are in what "pollux events" prints meanwhile.
func (d *driven) tells(ctx SpecContext, during func(), words ...string) {
	GinkgoHelper()
	listener, err := d.at.Start("pollux", "events")
	Expect(err).NotTo(HaveOccurred())
	during()
	for _, w := range words {
		Eventually(listener.Stdout).WithContext(ctx).WithTimeout(soon).Should(ContainSubstring(w))
	}
	Expect(listener.Signal(ctx, syscall.SIGTERM)).To(Succeed())
	Expect(listener.Wait(ctx)).Error().NotTo(HaveOccurred())
}

// drivenRoles moves the users there and back, with the refusals of either end.
func drivenRoles(ctx SpecContext, p pairing) {
	GinkgoHelper()
	from, to := p.from, p.to
	from.do(ctx, "primary")
	for i := range uint64(2) {
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		Expect(to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-1)")))
		from.wrote(ctx, 4, write(int64(i)*mib, mib, i+1))
		user := from.startIO(1, workload.Op{Kind: workload.Hold})
		Eventually(user.Stdout).WithContext(ctx).WithTimeout(soon).Should(ContainSubstring("holding"))
		Expect(from.engine.order(ctx, "secondary")).To(MatchError(ContainSubstring("(-12)")))
		Expect(user.Signal(ctx, syscall.SIGTERM)).To(Succeed())
		Expect(user.Wait(ctx)).To(BeZero())
		from.do(ctx, "secondary")
		to.is(ctx, "Connected Secondary/Secondary UpToDate/UpToDate")
		to.do(ctx, "primary")
		to.io(ctx, 1, check(int64(i)*mib, mib, i+1))
		from, to = to, from
	}
	from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
}

// drivenResync watches a resync from the driven side, to its end.
func drivenResync(ctx SpecContext, p pairing, d *driven) {
	GinkgoHelper()
	before := milo1.options
	crawling := before
	crawling.rate = "resync-rate 128K; c-plan-ahead 0; c-min-rate 0;"
	both(func(n *node) { n.adjusted(ctx, crawling) })
	p.to.do(ctx, "disconnect")
	p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
	p.from.wrote(ctx, 4, write(4*mib, 6*mib, 10))
	p.to.do(ctx, "connect")
	By("the resync is seen")
	Eventually(func() *nodepkg.ResyncStatus { return d.by.status(ctx).Resync }).WithContext(ctx).WithTimeout(soon).
		WithPolling(200*time.Millisecond).Should(And(Not(BeNil()), HaveField("PercentDone", BeNumerically(">", 0))),
		func() string { return tail(d.by.log(ctx)) })
	both(func(n *node) { n.adjusted(ctx, before) })
	p.synced(ctx)
	Expect(d.by.status(ctx).Resync).To(BeNil())
	equal(ctx)
}

// drivenLoss: polluxd is killed while the peer is lost; the kernel's DRBD and
// its users do not notice, and the next polluxd finds them.
func drivenLoss(ctx SpecContext, p pairing, d *driven) {
	GinkgoHelper()
	cutBoth()
	p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
	d.by.kill(ctx)
	role := d.kernel.state(ctx).Role
	p.from.wrote(ctx, 1, write(12*mib, 64*kib, 20))
	d.by.up(ctx)
	Expect(d.kernel.state(ctx).Role).To(Equal(role))
	wire.Heal(milo1.name, milo2.name)
	p.synced(ctx)
	p.from.do(ctx, "secondary")
	settled(ctx)
	equal(ctx)
}

// drivenChange: what polluxd's own engine wants a new start for, drbdadm does.
func drivenChange(ctx SpecContext, p pairing) {
	GinkgoHelper()
	before := milo1.options
	now := before
	now.net += " data-integrity-alg crc32c;"
	p.promoted(ctx)
	milo1.adjusted(ctx, now)
	Expect(kernel{milo1}.must(ctx, "drbdsetup", "show", "r1")).To(ContainSubstring("crc32c"))
	p.from.wrote(ctx, 4, write(14*mib, mib, 25))
	milo1.adjusted(ctx, before)
	p.from.wrote(ctx, 4, write(14*mib, mib, 26))
	p.from.do(ctx, "secondary")
	settled(ctx)
}

// drivenSplit: the kernel says why it gives its peer up in its log alone.
func drivenSplit(ctx SpecContext, p pairing, d *driven) {
	GinkgoHelper()
	apart(ctx)
	for i, n := range []*node{p.from, p.to} {
		n.do(ctx, "primary")
		n.io(ctx, 1, write(int64(i)*mib, 64*kib, uint64(i+30)))
		n.do(ctx, "secondary")
	}
	both(func(n *node) { n.do(ctx, "connect") })
	both(func(n *node) { n.isAlone(ctx, "StandAlone", "Secondary", "UpToDate") })
	Eventually(func() string { return d.by.status(ctx).Note }).WithContext(ctx).WithTimeout(soon).
		Should(ContainSubstring("Split-Brain detected"), func() string { return tail(d.by.log(ctx)) })
	p.to.do(ctx, "connect", "--discard-my-data")
	p.from.do(ctx, "connect")
	settled(ctx)
	write(0, 64*kib, 30).Apply(content)
}
