package failover

import "time"

// A group that an operator wants elsewhere, or that goes back, runs where it is. So its peer does not take it before it
// knows that it has the room, as memory for the guests: else the group would be stopped only to come back. What the peer
// can't find out, the start will. After a failure or a death nothing is asked: there is nothing to lose.

// weighFor is how long finding out takes at most; the peer waits for answerWithin.
const weighFor = 5 * time.Second

// weigh has the shell look for room for what the peer offers, or says that it need not.
func (c *Core) weigh() bool {
	e := &c.exchange
	if !c.peer.detailed || e.why != whyOrder && e.why != whyFailback {
		return false
	}
	var wanted groupSet
	for i := range c.groups {
		if e.mask.has(i) && i < len(c.cfg.Rooms) && c.cfg.Rooms[i] && !c.groups[i].full() {
			wanted.add(i)
		}
	}
	if wanted.empty() {
		return false
	}
	c.lastID++
	e.phase, e.until, e.weigh = weighing, c.now+weighFor, c.lastID
	c.emit(Effect{Kind: Weigh, ID: e.weigh, Text: c.digits(wanted)})
	return true
}

// weighed goes on with the offer, as far as it is still one.
func (c *Core) weighed(in Input) {
	e := c.exchange
	if e.phase != weighing || in.ID != e.weigh {
		return
	}
	reason := c.cannotTake(e.mask, e.why)
	if in.Failed {
		reason = "there is no room on " + c.cfg.Node + because(in.Text)
	}
	if reason == "" {
		c.takeOffer()
		return
	}
	c.exchange = exchange{}
	c.decline(e, reason)
	c.endOrderOf(OrderTakeover, false, reason)
}
