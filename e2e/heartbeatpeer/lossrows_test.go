package heartbeatpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/link"
)

// lossRows are about nodes and packets that are lost.
var lossRows = []row{
	{name: "power loss of the real one, return", smoke: true, body: func(ctx SpecContext, p *pair) {
		p.powerLoss(ctx, p.theirs(), p.ours())
	}},
	{name: "power loss of pollux, return", smoke: true, body: func(ctx SpecContext, p *pair) {
		p.powerLoss(ctx, p.ours(), p.theirs())
	}},
	{name: "kill -9 of pollux, restarted at once", body: func(ctx SpecContext, p *pair) {
		p.ours().sh(ctx, "pkill -KILL -x polluxd; while pgrep -x polluxd >/dev/null; do sleep 0.05; done")
		p.ours().start(ctx)
		p.hold(ctx, "local", "local")
	}},
	{name: "kill -9 of the real one, restarted at once", body: func(ctx SpecContext, p *pair) {
		p.theirs().sh(ctx, "pkill -KILL heartbeat; while pgrep heartbeat >/dev/null; do sleep 0.05; done")
		p.theirs().start(ctx)
		p.hold(ctx, "local", "local")
	}},
	{name: "loss of packets, 20 % each way", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		p.wire.Both("milo1", "milo2", func(d *link.Direction) { d.Loss = 200_000 })
		theirs.standby(ctx, "local")
		p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
		p.hold(ctx, "all", "none")
		ours.standby(ctx, "foreign")
		p.called(ctx, ours.stops(theirs), theirs.starts(theirs))
		p.hold(ctx, "local", "local")
		p.wire.Both("milo1", "milo2", func(d *link.Direction) { d.Loss = 0 })
	}},
	{name: "partition, healing", body: func(ctx SpecContext, p *pair) {
		p.wire.Both("milo1", "milo2", cut)
		p.bothRunAll(ctx)
		p.wire.Heal("milo1", "milo2")
		// The real one has noticed the cut and restarts itself. All runs on here meanwhile, and its group goes back to it
		// once. It may start once more what runs here, while it gives it up: it takes the first heartbeat after a long
		// silence for a death.
		p.movesOnce(ctx)
	}},
	{name: "the real one is frozen", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		theirs.freeze(ctx)
		p.called(ctx, ours.startsTwice(theirs))
		theirs.thaw(ctx)
		// It takes its own pause for a death as well, and starts what runs here. It need not restart: then it gives that
		// back, and its own group is given up here.
		p.movesOnce(ctx)
	}},
	{name: "pollux is frozen", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		ours.freeze(ctx)
		p.called(ctx, theirs.startsTwice(ours))
		ours.thaw(ctx)
		p.oneGivesUp(ctx)
	}},
}

func cut(d *link.Direction) { d.Cut() }

// powerLoss is a node's death and return, once the other one has finished its takeover: a Heartbeat that hears a node
// start before that calls itself in transition from then on.
func (p *pair) powerLoss(ctx SpecContext, dies, lives *node) {
	GinkgoHelper()
	p.dies(ctx, dies, lives)
	Eventually(lives.holds).WithContext(ctx).WithTimeout(patience).Should(Equal("all"), p.logs)
	p.returns(ctx, dies, lives)
}

func (p *pair) dies(ctx SpecContext, dead, lives *node) {
	GinkgoHelper()
	dead.powerOff()
	p.called(ctx, lives.starts(dead))
}

func (p *pair) returns(ctx SpecContext, dead, lives *node) {
	GinkgoHelper()
	dead.boot(ctx)
	dead.start(ctx)
	p.called(ctx, lives.stops(dead), dead.starts(dead))
}

// startsTwice are the calls for a group that runs on the other node too.
func (n *node) startsTwice(owner *node) (calls []string) {
	for _, call := range n.starts(owner) {
		calls = append(calls, call, call[:len(call)-len("start")]+"runs twice")
	}
	return calls
}

// bothRunAll waits until each node has started the other one's group too.
func (p *pair) bothRunAll(ctx SpecContext) {
	GinkgoHelper()
	Eventually(func() [2]int {
		calls := p.since()
		return [2]int{len(p.milo1.of(calls)), len(p.milo2.of(calls))}
	}).WithContext(ctx).WithTimeout(patience).Should(Equal([2]int{2, 6}), p.logs)
	p.seen()
}

// oneGivesUp waits until each node runs its own group alone, after both ran the same; it gives what was called
// meanwhile.
func (p *pair) oneGivesUp(ctx SpecContext) (calls []string) {
	GinkgoHelper()
	Eventually(p.running).WithContext(ctx).WithTimeout(2*patience).Should(Equal( // a Heartbeat may restart meanwhile
		[]string{"milo1.first", "milo1.second", "milo1.third", "milo2.fourth"}), p.logs)
	p.hold(ctx, "local", "local")
	return p.seen()
}

// movesOnce waits for the same, and that all that happened here was that the other node's group went back to it.
func (p *pair) movesOnce(ctx SpecContext) {
	GinkgoHelper()
	Expect(p.ours().of(p.oneGivesUp(ctx))).To(Equal(p.ours().of(p.ours().stops(p.theirs()))), p.logs)
}
