package failover

import (
	"fmt"
	"time"
)

// Leases say which node may run a group when the nodes can't agree: they stand
// between fit data and a start. Without them a dead peer is enough.
type Leases interface {
	// MayRun says whether this node may run a group now. It is asked when a
	// group is to be started, and so is the wish to have the lease; after a
	// change of the answer the shell gives Poke. The reason is for people.
	MayRun(group int) (ok bool, reason string)
	// Vouched says whether no newer data than this node's can be anywhere, and no
	// other node can run a group. It is asked after a crash, while the peer is silent.
	Vouched(group int) (ok bool, reason string)
	// MustStop says whether the lease of a group that runs here is about to end, and
	// how long it still lasts.
	MustStop(group int) (must bool, left time.Duration, reason string)
}

// Lease lets l have a say; before the first Step.
func (c *Core) Lease(l Leases) { c.leases = l }

// mayRun asks for the lease of a group, if there are leases. One that is about to end is none: what starts would be
// stopped at once, and a peer that is shot for it may be the one that gets the lease next.
func (c *Core) mayRun(i int) (bool, string) {
	if c.leases == nil {
		return true, ""
	}
	ok, reason := c.leases.MayRun(i)
	if must, _, why := c.leases.MustStop(i); ok && must {
		return false, why
	}
	return ok, reason
}

// vouched asks whether a node that crashed may start a group before it has heard
// its peer.
func (c *Core) vouched(i int) (bool, string) {
	if c.leases == nil {
		return false, ""
	}
	return c.leases.Vouched(i)
}

// Uses tells whether something of a group runs here, may run since it was
// started, or is being started.
func (c *Core) Uses(i int) bool {
	g := &c.groups[i]
	for k := range g.steps {
		if s := &g.steps[k]; s.state == Running || s.touched {
			return true
		}
	}
	return g.goal == run
}

// Stops tells whether a group is being stopped.
func (c *Core) Stops(i int) bool { return c.groups[i].goal == halt }

// stopUnleased stops the groups whose lease ends.
func (c *Core) stopUnleased() {
	if c.leases == nil || c.stage > stable {
		return
	}
	for i := range c.groups {
		g := &c.groups[i]
		if g.goal == halt || !c.Uses(i) {
			continue
		}
		if must, _, why := c.leases.MustStop(i); must {
			c.notef("%s is stopped here before its lease ends: %s", g.key, why)
			g.conflict = 0
			g.aim(halt, c.now)
		}
	}
}

// leastStop is what a stop is given when the lease is over already.
const leastStop = time.Second

// hurry is how long the stop of a resource may take, so that all of its group is stopped when its lease ends; 0 is as
// long as it takes. What waits for a frozen disk can't end by itself: a guest is shut down for half of what is left, and
// the rest is for the volume group and the device below it.
func (c *Core) hurry(i int) time.Duration {
	if c.leases == nil {
		return 0
	}
	must, left, _ := c.leases.MustStop(i)
	if !must {
		return 0
	}
	return max(left/2, leastStop)
}

// waitForLease keeps a group from starting without its lease.
func (c *Core) waitForLease(g *group, why string) {
	c.wait(g, fmt.Sprintf("this node does not have the lease: %s", why), false)
}
