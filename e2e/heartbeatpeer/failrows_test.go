package heartbeatpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// failRows are about scripts that fail. The second resource is milo1's.
var failRows = []row{
	{name: "a start fails on the node that takes", body: func(ctx SpecContext, p *pair) {
		p.milo2.fails("second", "start", true)
		p.milo1.standby(ctx, "local")
		// The real one asks 30 s later to be relieved.
		Eventually(p.since).WithContext(ctx).WithTimeout(2*patience).Should(Equal([]string{
			"milo1 third stop", "milo1 second stop", "milo1 first stop",
			"milo2 first start", "milo2 second start fails", "milo2 first stop",
			"milo1 first start", "milo1 second start", "milo1 third start",
		}), p.logs)
		p.seen()
		p.milo2.fails("second", "start", false)
	}},
	{name: "a stop fails on pollux", body: func(ctx SpecContext, p *pair) {
		last := groups[p.ours().name][0]
		p.ours().fails(last, "stop", true)
		_, err := p.ours().at.Shell(ctx, "pollux standby local")
		Expect(err).To(MatchError(ContainSubstring("stop of " + last)))
		Expect(p.theirs().of(p.since())).To(BeEmpty(), p.logs)
		p.ours().fails(last, "stop", false)
		Eventually(func() []string { return p.theirs().of(p.since()) }).WithContext(ctx).WithTimeout(patience).Should(
			Equal(p.theirs().of(p.theirs().starts(p.ours()))), p.logs)
		p.hold(ctx, "none", "all")
		p.seen()
		p.theirs().standby(ctx, "foreign")
		p.called(ctx, p.theirs().stops(p.ours()), p.ours().starts(p.ours()))
	}},
}
