package stage

import (
	"context"
	"time"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/qemu/cable"
)

// canStrike tells whether real machines have that fault.
func canStrike(k plan.Kind) bool {
	switch k {
	case plan.Power, plan.Crash, plan.Pause, plan.CutData, plan.CutBeats, plan.Cut, plan.Split, plan.Break, plan.BadDisk,
		plan.SlowDisk, plan.HungDisk, plan.Sleep, plan.Restart, plan.Leave, plan.Standby, plan.Takeover, plan.Detach, plan.Fetch, plan.Push:
		return true
	default:
		return false
	}
}

// slowness is how much longer a request to a slow disk takes.
const slowness = 80 * time.Millisecond

// strike carries out one fault, and what ends it.
func (p *play) strike(ctx context.Context, f plan.Fault) error {
	n := p.stage.nodes[f.Node]
	switch f.Kind {
	case plan.Power, plan.Crash, plan.Restart:
		return p.fell(ctx, n, f)
	case plan.Pause, plan.Sleep:
		return n.freeze(ctx, f.For)
	case plan.CutData:
		p.cut(ctx, f.For, f.Node, cable.TCP)
	case plan.CutBeats:
		p.cut(ctx, f.For, f.Node, cable.UDP)
	case plan.Cut, plan.Split:
		for i := range 2 {
			if f.Kind == plan.Split || i == f.Node {
				for _, protocol := range protocols {
					p.lose(i, protocol, f.For)
				}
			}
		}
		pause(ctx, f.For)
		p.heal()
	case plan.Break:
		_, err := n.vm.Output(ctx, "ss", "-K", "dst", address(1-f.Node))
		return err
	case plan.BadDisk:
		n.data.Fail(0, dataSize)
		pause(ctx, f.For)
		n.data.Heal()
	case plan.SlowDisk:
		n.data.Slow(slowness)
		pause(ctx, f.For)
		n.data.Heal()
	case plan.HungDisk:
		n.data.Hang()
		pause(ctx, f.For)
		n.data.Heal()
	case plan.Standby:
		p.try(ctx, n, "standby")
	case plan.Takeover:
		p.try(ctx, n, "takeover")
	default:
		p.administer(ctx, n, f)
	}
	return nil
}

// freeze lets a machine stand still for a while.
func (n *node) freeze(ctx context.Context, d time.Duration) error {
	n.life.Lock()
	defer n.life.Unlock()
	if err := n.vm.Pause(ctx); err != nil {
		return err
	}
	pause(ctx, d)
	return n.vm.Resume(ctx)
}

// fell ends a node, or its daemon, in one of the ways to end, and starts it
// again.
func (p *play) fell(ctx context.Context, n *node, f plan.Fault) error {
	n.life.Lock()
	defer n.life.Unlock()
	back := time.Now().Add(f.For)
	switch f.Kind {
	case plan.Crash:
		if err := n.kill(ctx); err != nil {
			return err
		}
	case plan.Restart:
		if err := n.stop(ctx); err != nil {
			return err
		}
		back = time.Now().Add(f.For)
	default:
		n.cut(p.set.survives(p.below))
		p.mu.Lock()
		p.sides[n.number].guest = false
		p.mu.Unlock()
		if err := n.restore(ctx); err != nil {
			return err
		}
	}
	if !pause(ctx, time.Until(back)) {
		return context.Cause(ctx)
	}
	if f.Kind == plan.Power {
		if err := n.goOn(ctx, p.set, true); err != nil {
			return err
		}
		if err := n.serve(ctx, p.set, func(line string) { p.told(n.number, line) }); err != nil {
			return err
		}
	}
	return p.start(ctx, n)
}

// cut loses what a node sends of a protocol for a while.
func (p *play) cut(ctx context.Context, d time.Duration, n int, protocol cable.Protocol) {
	p.lose(n, protocol, d)
	pause(ctx, d)
	p.heal()
}

// lose begins a cut. Cuts that overlap last as long as the longest.
func (p *play) lose(n int, protocol cable.Protocol, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range protocols {
		if until := time.Now().Add(d); x == protocol && until.After(p.cuts[n][i]) {
			p.cuts[n][i] = until
		}
	}
	p.stage.wire.Lose(name(n), name(1-n), protocol, true)
}

// heal ends the cuts whose time is over.
func (p *play) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range 2 {
		for i, protocol := range protocols {
			if !time.Now().Before(p.cuts[n][i]) {
				p.stage.wire.Lose(name(n), name(1-n), protocol, false)
			}
		}
	}
}
