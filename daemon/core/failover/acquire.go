package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// conflictFor is how long a Heartbeat that also holds a group may take to give it up: it does so two seconds after a
// cut, if it has noticed one, and once its own programs have ended. It gives what is this node's later, after another
// nudge. Source: Heartbeat wire, sections 8.7, 8.9 and 15.
func (c *Core) conflictFor(g *group) time.Duration {
	switch {
	case !c.letsGo(g):
		return 5 * time.Second
	case !g.local || c.cfg.Failback != haconf.FailbackOn:
		return 10 * time.Second
	default:
		return 20 * time.Second
	}
}

// nudge asks a Heartbeat again what it holds as long as groups run on both nodes. One that was frozen took them over
// when it heard this node again: it may have tried to give them back before it had them all.
func (c *Core) nudge() {
	both := false
	for i := range c.groups {
		both = both || c.groups[i].conflict != 0
	}
	switch l := &c.life; {
	case !both || c.peer.detailed:
		l.nudge = 0
	case l.nudge == 0:
		l.nudge = c.now + askEach
	case c.now >= l.nudge:
		l.nudge, c.mustReport = c.now+askEach, true
		c.say(starting())
	}
}

// letsGo says whether a Heartbeat that also holds a group gives it up by itself: since it restarts, or since the group
// is this node's own.
func (c *Core) letsGo(g *group) bool {
	return !c.peer.detailed && (c.life.took || g.local && c.cfg.Failback == haconf.FailbackOn)
}

// acquire starts the groups that this node should run and nobody does.
func (c *Core) acquire() {
	if c.stage > stable {
		return
	}
	c.fence.wanted = false // consider says so again
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case g.goal != leave:
		case g.unclear() && c.now >= g.retryAt:
			g.aim(look, c.now)
		case g.unknown():
		case c.stage != stable, c.exchange.phase != noExchange && c.exchange.mask.has(i), g.conflict != 0:
		case g.full():
			g.waiting = ""
		default:
			c.consider(i)
		}
	}
}

// consider decides about a group that does not run here, or runs in part.
func (c *Core) consider(i int) {
	g := &c.groups[i]
	if c.upkeep.on() && (!g.ordered || g.failed != "") {
		c.leaveAlone(g)
		return
	}
	if !c.peer.absent() {
		if g.used && c.peer.known && (c.peer.claims.has(i) || !c.copies.Used(i)) {
			g.failed, g.used = "", false // it failed for that alone, and may come here another time
		}
		switch {
		case c.peer.claims.has(i):
			g.waiting = ""
			return
		case c.peer.legacy && !c.peer.known && g.local && c.mayStart(i):
			c.askLegacy(g)
			return
		case c.peer.legacy && !c.peer.known && g.local:
			return
		case !c.peer.known && !c.peer.legacy:
			c.wait(g, fmt.Sprintf("%s has not yet said what it holds", c.cfg.Peer), false)
			return
		case c.peer.stillStops():
			c.wait(g, fmt.Sprintf("%s has not yet said that it has stopped what it held", c.cfg.Peer), false)
			return
		case !g.local && !g.empty() && c.mayBecomeWhole(g):
			c.wait(g, fmt.Sprintf("it was found to run in part, and is stopped here if that does not change: %s is to run it",
				c.cfg.Peer), false)
			return
		case !g.local:
			g.waiting = ""
			if !g.empty() {
				c.notef("%s runs in part, and %s is to run it: it is stopped here", g.key, c.cfg.Peer)
				g.aim(halt, c.now)
			}
			return
		}
	} else if c.crashed && !planted.On(planted.NoBootGate) {
		if ok, reason := c.vouched(i); !ok {
			c.wait(g, fmt.Sprintf("this node did not end cleanly and has not heard %s since, which may run it%s. Connect the "+
				"nodes; or, if %s surely runs nothing, order a takeover by force here", c.cfg.Peer, because(reason), c.cfg.Peer), false)
			return
		}
	}
	if g.failed != "" {
		g.waiting = ""
		if !c.triesAgain(i) {
			return
		}
		g.failed, g.used = "", false
	}
	if c.mayStart(i) && (!c.peer.absent() || c.surelyOff(g)) {
		g.waiting = ""
		rule, instead := c.whyStart()
		c.decided(i, tookOver, rule, instead)
		g.aim(run, c.now)
	}
}

// wholeWithin is how long a group that was found to run in part may take to be whole again.
const wholeWithin = 30 * time.Second

// mayBecomeWhole says whether a group that runs in part is left as it is for now. The daemon was killed under it: the
// resource is Secondary until its data were compared with the peer's, and is then promoted for the users that wait.
func (c *Core) mayBecomeWhole(g *group) bool {
	if g.held || g.touched() {
		return false
	}
	if g.partAt == 0 {
		g.partAt = max(c.now, 1)
	}
	return c.now < g.partAt+wholeWithin
}

// mayStart says whether the data of this node may be used for a group; else the group waits.
func (c *Core) mayStart(i int) bool {
	g := &c.groups[i]
	ok, reason := c.copies.MayStart(i)
	if !ok {
		c.wait(g, "the data of this node may not be used: "+reason, true)
		if !g.empty() && !c.peer.absent() && !c.mayBecomeWhole(g) {
			g.aim(halt, c.now)
		}
	}
	if !ok {
		return false
	}
	if ok, reason = c.mayRun(i); !ok {
		c.waitForLease(g, reason)
	}
	return ok
}

// wait keeps a group from starting, for a reason that status shows.
func (c *Core) wait(g *group, why string, unfit bool) {
	if g.waiting == "" || g.unfit != unfit {
		g.since = c.now
	}
	if g.waiting != why {
		c.notef("%s waits: %s", g.key, why)
		c.decided(c.indexOf(g), stayed, why, "to start it here")
	}
	g.waiting, g.unfit = why, unfit
}

// settleConflicts finds the groups that both nodes hold, and lets one node give up.
func (c *Core) settleConflicts() {
	for i := range c.groups {
		g := &c.groups[i]
		if !c.inConflict(i) {
			g.conflict = 0
			continue
		}
		if g.conflict == 0 {
			g.conflict = max(c.now, 1)
			c.notef("%s is held by %s as well", g.key, c.cfg.Peer)
		}
		var yield bool
		switch {
		case c.peer.detailed && g.local:
			fit, _ := c.copies.MayStart(i)
			inPart := g.goal == leave && g.partly() && c.now < g.retryAt
			yield = (!fit || c.copies.Used(i)) && c.peer.fitFor(i) || inPart && c.peer.runs(i)
		case c.peer.detailed:
			yield = c.peer.verdict(i)
		default:
			yield = c.now >= g.conflict+c.conflictFor(g)
		}
		if yield {
			c.notef("%s is given up here: %s keeps it", g.key, c.cfg.Peer)
			c.decided(i, gaveUp, "both nodes hold it, and "+c.cfg.Peer+" keeps it", "to keep it, and run it twice")
			g.conflict = 0
			g.aim(halt, c.now)
		}
	}
}

func (c *Core) inConflict(i int) bool {
	g := &c.groups[i]
	return c.stage >= asking && c.stage <= stable && c.exchange.phase == noExchange && !c.peer.absent() &&
		c.peer.known && c.peer.claims.has(i) && !c.peer.stopping(i) && g.goal != halt && g.claims()
}

// offer is what an exchange is about: a Heartbeat takes whole sets, without asking which groups are meant.
func (c *Core) offer(set Set, wanted groupSet) groupSet {
	if c.peer.detailed {
		return wanted
	}
	return c.members(set)
}

// handOver asks the peer to run what this node could not start, or has no fit data for: once after each failure.
func (c *Core) handOver() {
	if c.stage != stable || c.upkeep.on() || c.now < c.handAt || c.peer.absent() || !c.peer.known || c.exchange.phase != noExchange {
		return
	}
	for _, set := range []Set{Local, Foreign} {
		for _, why := range []string{whyFailed, whyUnfit} {
			wanted := c.handable(why).and(c.members(set))
			if wanted.empty() {
				continue
			}
			mask := c.offer(set, wanted)
			if c.cannotGive(mask) != "" || !c.fitThere(wanted) {
				continue
			}
			c.handAt = c.now + unfitFor
			c.give(set, mask, why)
			return
		}
	}
}

// handable is the groups that the peer should try.
func (c *Core) handable(why string) (set groupSet) {
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case g.goal != leave || !g.empty() || c.peer.claims.has(i):
		case why == whyFailed && g.failed != "" && !g.handed:
			if c.peer.failed(i) {
				g.handed = true
				continue
			}
			set.add(i)
		case why == whyUnfit && g.failed == "" && g.waiting != "" && g.unfit && g.local && c.now-g.since >= unfitFor:
			set.add(i)
		}
	}
	return set
}

func (c *Core) fitThere(mask groupSet) bool {
	for i := range c.groups {
		if !mask.has(i) {
			continue
		}
		if ok, _ := c.copies.MayGive(i); !ok {
			return false
		}
	}
	return true
}
