package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var splitRows = []row{
	{name: "split brain, the second gives up", smoke: true, body: func(ctx SpecContext, p pairing) { splitBrain(ctx, p.from, p.to) }},
	{name: "split brain, the first gives up", body: func(ctx SpecContext, p pairing) { splitBrain(ctx, p.to, p.from) }},
	{name: "split brain, by policy", options: options{
		net: "after-sb-0pri discard-zero-changes; after-sb-1pri discard-secondary;",
	}, body: func(ctx SpecContext, p pairing) {
		apart(ctx)
		p.to.do(ctx, "primary")
		p.to.io(ctx, 1, write(0, 64*kib, 2))
		p.to.do(ctx, "secondary")
		p.from.do(ctx, "primary")
		p.from.wrote(ctx, 1, write(64*kib, 64*kib, 1))
		both(func(n *node) { n.do(ctx, "connect") })
		p.synced(ctx)
		equal(ctx)
		p.from.do(ctx, "secondary")
		settled(ctx)
		// Between two Secondaries, who has written wins.
		apart(ctx)
		p.from.do(ctx, "primary")
		p.from.do(ctx, "secondary")
		p.to.do(ctx, "primary")
		p.to.wrote(ctx, 1, write(5*mib, 64*kib, 1))
		p.to.do(ctx, "secondary")
		both(func(n *node) { n.do(ctx, "connect") })
	}},
}

// apart separates two Secondaries in good order.
func apart(ctx SpecContext) {
	GinkgoHelper()
	both(func(n *node) { n.do(ctx, "disconnect") })
	both(func(n *node) { n.isAlone(ctx, "StandAlone", "Secondary", "UpToDate") })
}

// splitBrain lets both write while they are apart. Nothing may be overwritten
// before the loser says that it gives up what it wrote.
func splitBrain(ctx SpecContext, winner, loser *node) {
	GinkgoHelper()
	apart(ctx)
	disks := map[*node][]byte{}
	for i, n := range []*node{winner, loser} {
		n.do(ctx, "primary")
		n.io(ctx, 1, write(0, 64*kib, uint64(i+1)), write(int64(i+1)*mib, 64*kib, uint64(i+1)))
		n.do(ctx, "secondary")
		disks[n] = make([]byte, len(content))
		Expect(n.disk.ReadAt(disks[n], 0)).Error().NotTo(HaveOccurred())
	}
	both(func(n *node) { n.do(ctx, "connect") })
	both(func(n *node) {
		n.isAlone(ctx, "StandAlone", "Secondary", "UpToDate")
		Expect(n.engine.log(ctx)).To(MatchRegexp("(?i)split.brain"), n.name)
		now := make([]byte, len(content))
		Expect(n.disk.ReadAt(now, 0)).To(Equal(len(now)))
		Expect(now).To(Equal(disks[n]))
	})
	loser.do(ctx, "connect", "--discard-my-data")
	winner.do(ctx, "connect")
	settled(ctx)
	copy(content, disks[winner])
}
