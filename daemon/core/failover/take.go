package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// unfitFor is how long a group waits for this node's data before the peer is asked to take it.
const unfitFor = 30 * time.Second

// hearOffer decides whether to take what the peer wants to give.
func (c *Core) hearOffer(set Set, m hbwire.Message) {
	round, why := m.Text(fieldRound), m.Text(fieldWhy)
	mask := c.members(set.turned())
	if meant := m.Text(fieldOnly); len(meant) == len(c.groups) {
		for i := range meant {
			if meant[i] != '1' {
				mask.remove(i)
			}
		}
	}
	if c.peer.legacy && !c.peer.known {
		c.notef("%s offers groups, which means nothing with \"auto_failback legacy\"", c.cfg.Peer)
		return
	}
	e := exchange{set: set, mask: mask, round: round, why: why}
	if reason := c.cannotTake(mask, why); reason != "" {
		c.decline(e, reason)
		return
	}
	c.exchange = e
	if c.order.open && c.order.kind == OrderTakeover {
		c.order.until = 0
	}
	if !c.weigh() {
		c.takeOffer()
	}
}

// decline says no to an offer.
func (c *Core) decline(e exchange, reason string) {
	if again := e.why == whyFailback && reason == c.declined; !again {
		c.notef("%s offers %v groups; refused: %s", c.cfg.Peer, e.set.turned(), reason)
	}
	c.declined = reason
	c.decidedAll(e.mask, refused, "offered by "+c.cfg.Peer+": "+reason, "to take it")
	c.refuse(e.set, e.round, reason)
}

// takeOffer lets the peer stop what it offers.
func (c *Core) takeOffer() {
	e := &c.exchange
	e.phase, e.until, e.again, c.declined = offered, c.now+endWithin, c.repeats(), ""
	c.say(ask(e.set, infoOther, e.round))
}

// cannotTake says why this node takes no groups from the peer, or nothing. A second offer replaces the first: the peer
// has given up waiting for an answer.
func (c *Core) cannotTake(mask groupSet, why string) string {
	again := (c.exchange.phase == offered || c.exchange.phase == weighing) && c.peer.detailed
	switch {
	case c.stage != stable:
		return fmt.Sprintf("%s is %v", c.cfg.Node, c.stage)
	case c.exchange.phase != noExchange && !again:
		return fmt.Sprintf("%s takes part in another exchange (%v)", c.cfg.Node, c.exchange.phase)
	case c.upkeep.on() && why != whyOrder && why != "":
		return "maintenance is on"
	case !c.atRest(c.peer.detailed):
		return fmt.Sprintf("%s is starting or stopping groups", c.cfg.Node)
	}
	for i := range c.groups {
		g := &c.groups[i]
		if !mask.has(i) || g.full() {
			continue
		}
		if g.failed != "" && why != whyOrder && why != "" {
			return fmt.Sprintf("%s failed on %s: %s", g.key, c.cfg.Node, g.failed)
		}
		if ok, reason := c.copies.MayStart(i); !ok {
			return fmt.Sprintf("%s: the data on %s may not be used: %s", g.key, c.cfg.Node, reason)
		}
	}
	return ""
}

// startTaking begins once the peer has seen that its groups are stopped.
func (c *Core) startTaking(m hbwire.Message) {
	c.exchange.phase, c.exchange.until = taking, c.now+unfitFor
	if c.newer(m) {
		c.peer.holds &^= c.exchange.set
		c.hearGroups(m)
	}
	c.peer.claims = c.peer.claims.without(c.exchange.mask)
	for i := range c.groups {
		if g := &c.groups[i]; c.exchange.mask.has(i) {
			g.failed, g.waiting = "", ""
			g.handed = c.exchange.why == whyFailed || c.exchange.why == whyUnfit || g.handed && c.exchange.why == ""
		}
	}
}

// takenFromPeer starts the groups that were given, and says when each of them runs or has failed. Data that was fit
// when the peer asked may need a moment after the peer has let go of it.
func (c *Core) takenFromPeer() bool {
	ended := true
	tooLate := c.now >= c.exchange.until
	for i := range c.groups {
		g := &c.groups[i]
		if !c.exchange.mask.has(i) || g.goal == leave && (g.full() || g.failed != "") {
			continue
		}
		ok, reason := c.copies.MayStart(i)
		leased, whyNot := true, ""
		if ok && g.goal == leave {
			leased, whyNot = c.mayRun(i)
		}
		switch {
		case g.goal != leave:
			ended = false
		case !leased && tooLate:
			g.failed, g.waiting = "this node did not get the lease: "+whyNot, ""
			c.notef("%s: %s", g.key, g.failed)
		case !leased:
			ended = false
			c.waitForLease(g, whyNot)
		case ok:
			ended, g.waiting = false, ""
			g.aim(run, c.now)
		case tooLate:
			g.failed, g.waiting = "the data of this node may not be used: "+reason, ""
			c.notef("%s: %s", g.key, g.failed)
		default:
			ended = false
			c.wait(g, "the data of this node may not be used: "+reason, true)
		}
	}
	if tooLate {
		c.exchange.until = c.now + unfitFor // for one whose start is given up after that
	}
	return ended
}
