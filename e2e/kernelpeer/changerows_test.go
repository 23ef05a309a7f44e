package kernelpeer_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// slowly is the rate of a resync that can be watched.
const slowly = "resync-rate 1M; c-plan-ahead 0; c-min-rate 0;"

var changeRows = []row{
	{name: "settings that change while connected", only: "C", body: func(ctx SpecContext, p pairing) {
		before := milo1.options
		p.promoted(ctx)
		changed := func(net string) {
			GinkgoHelper()
			now := before
			now.net += net
			milo1.adjusted(ctx, now)
		}
		// What the kernel tells its peer about: digests, another protocol.
		for i, net := range []string{" data-integrity-alg crc32c;", " data-integrity-alg sha1;", ""} {
			changed(net)
			p.from.wrote(ctx, 4, load(20, uint64(i+1)*100)...)
			p.from.io(ctx, 1, check(0, 4*kib, uint64(i+1)*100))
		}
		// Algorithms, which both have to use from then on.
		changed(" verify-alg sha1;")
		milo1.do(ctx, "verify")
		Eventually(func() string { return milo1.engine.log(ctx) }).WithContext(ctx).WithTimeout(soon).
			Should(MatchRegexp(`Online verify +done`))
		p.verified(ctx, 0)
		changed("")
		// And rates, while a resync is running.
		slow := before
		slow.rate = slowly
		both(func(n *node) { n.adjusted(ctx, slow) })
		p.to.do(ctx, "disconnect")
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.from.wrote(ctx, 1, write(0, 8*mib, 3))
		p.to.do(ctx, "connect")
		Eventually(func() int { return p.to.engine.state(ctx).OutOfSync }).WithContext(ctx).WithTimeout(soon).
			WithPolling(50 * time.Millisecond).Should(And(BeNumerically("<", 8192), BeNumerically(">", 0)))
		both(func(n *node) { n.adjusted(ctx, before) })
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
}

// adjusted changes a node's configuration while its engine runs.
func (n *node) adjusted(ctx SpecContext, o options) {
	GinkgoHelper()
	n.configure(ctx, o)
	n.do(ctx, "adjust")
}
