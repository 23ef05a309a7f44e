package stage

import (
	"context"
	"time"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/faults/plan"
)

// try gives an order that may be refused.
func (p *play) try(ctx context.Context, n *node, words ...string) {
	p.say("operator: pollux %v on %s", words, n.name)
	if err := n.order(ctx, words...); err != nil {
		p.say("operator: %v", err)
	}
}

// administer gives an order of the plan, as an operator does who knows what he
// is doing: he calls data bad only while there is better data.
func (p *play) administer(ctx context.Context, n *node, f plan.Fault) {
	r, err := n.replica(ctx)
	if err != nil {
		return // no daemon runs there
	}
	both := r.Connection == "Connected" && r.Disk == "UpToDate" && r.PeerDisk == "UpToDate"
	switch {
	case f.Kind == plan.Leave:
		p.try(ctx, n, "disconnect", resource)
		pause(ctx, f.For)
		p.try(ctx, n, "connect", resource)
	case f.Kind == plan.Detach:
		p.try(ctx, n, "detach", resource)
		pause(ctx, f.For)
		p.try(ctx, n, "attach", resource)
	case f.Kind == plan.Fetch && both && r.Role == "Secondary":
		p.try(ctx, n, "invalidate", resource)
	case f.Kind == plan.Push && both && r.PeerRole == "Secondary":
		p.try(ctx, n, "invalidate-remote", resource)
	}
}

// help does what only an operator can do, by the rules of the simulator's:
// give disks back, decide a split brain, and start what runs nowhere.
func (p *play) help(ctx context.Context, since time.Duration) error {
	var all [2]nodepkg.ResourceStatus
	for i, n := range p.stage.nodes {
		r, err := n.replica(ctx)
		if err != nil {
			return err
		}
		all[i] = r
	}
	for i, n := range p.stage.nodes {
		p.mend(ctx, n, all[i])
	}
	p.mu.Lock()
	guests, last := p.sides[0].guest || p.sides[1].guest, p.lastRun
	p.mu.Unlock()
	switch {
	case all[0].Connection == "StandAlone" || all[1].Connection == "StandAlone":
		p.reconcile(ctx, all, last)
	case !guests && since > time.Minute:
		n := p.stage.nodes[0]
		if all[0].Disk != "UpToDate" {
			n = p.stage.nodes[1]
		}
		p.repair(ctx, n, "takeover")
	}
	return nil
}

// repair is an order that counts as help.
func (p *play) repair(ctx context.Context, n *node, words ...string) {
	p.mu.Lock()
	p.counts["repairs"]++
	p.mu.Unlock()
	p.try(ctx, n, words...)
}

// mend gives a node its disk again. One that is Primary on the peer's disk
// moves its guest there first.
func (p *play) mend(ctx context.Context, n *node, r nodepkg.ResourceStatus) {
	good := r.Connection == "Connected" && r.PeerDisk == "UpToDate"
	switch {
	case r.Disk == "Inconsistent" && good:
		p.repair(ctx, n, "invalidate", resource)
	case r.Disk == "Diskless" && r.Role == "Primary" && good:
		p.repair(ctx, n, "standby")
	case r.Disk == "Diskless":
		p.repair(ctx, n, "attach", resource)
	}
}

// reconcile connects the nodes again. If they refuse, the data of the one that
// does not run the guest, or did not run it last, is given up.
func (p *play) reconcile(ctx context.Context, all [2]nodepkg.ResourceStatus, last int) {
	victim := 1 - last
	if all[victim].Role == "Primary" {
		victim = 1 - victim
	}
	if all[victim].Role == "Primary" {
		return // the cluster is about to stop one of them
	}
	// The first time the nodes are just connected: they may agree. And without two
	// copies there is nothing to choose from.
	choice := p.asked && all[0].Disk != "Diskless" && all[1].Disk != "Diskless"
	p.asked = true
	for i, n := range p.stage.nodes {
		discard := choice && i == victim
		if all[i].Connection != "StandAlone" && !discard {
			continue
		}
		if all[i].Connection != "StandAlone" {
			p.try(ctx, n, "disconnect", resource)
		}
		switch {
		case discard && p.set.solves: // where a policy decides, it does so before the order to discard counts
			p.repair(ctx, n, "invalidate", resource)
			p.try(ctx, n, "connect", resource)
		case discard:
			p.repair(ctx, n, "connect", "--discard-my-data", resource)
		default:
			p.repair(ctx, n, "connect", resource)
		}
	}
}
