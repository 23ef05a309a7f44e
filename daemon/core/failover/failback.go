package failover

import (
	"cmp"
	"fmt"
	"time"
)

// Patience says how long groups wait before they go back to a peer that has returned, and how often they may. What an
// operator orders does not wait.
type Patience struct {
	Steady time.Duration // the peer was heard, and its copy fit, for so long without a break
	Period time.Duration // in which groups go back once; 0: always
}

// goback is what is known of the groups that are to go back to the peer.
type goback struct {
	wanted bool
	at     time.Duration // when it is next looked at
	wait   string        // why it has not begun
	// refused is what the peer said to the last offer, if it did not take it.
	refused string
	steady  time.Duration // since when the peer is heard and its copy is fit; 0: it is not
	due     time.Duration // what it was announced for
	said    string        // and how
	after   time.Duration // before that none go back again; see Patience.Period
	noting  uint64        // ID of the last WentBack
}

// remember goes on where the last run of the daemon was, in which groups went back that long ago; 0: they did not.
func (c *Core) remember(since time.Duration) {
	if p := c.cfg.Patience; since > 0 && since < p.Period {
		c.goback.after = c.now + p.Period - since
	}
}

// noteReturn begins a period in which no more groups go back, for the next run of the daemon too. Nothing has been
// stopped for it yet.
func (c *Core) noteReturn() {
	p := c.cfg.Patience
	if p.Period == 0 {
		return
	}
	c.lastID++
	c.goback.after, c.goback.noting = c.now+p.Period, c.lastID
	c.emit(Effect{Kind: WentBack, ID: c.lastID})
}

// failBack gives the groups of a peer that has returned back to it, once, when its copy is fit.
func (c *Core) failBack() {
	b := &c.goback
	if !b.wanted || c.stage != stable || c.peer.absent() || !c.peer.known {
		b.wait, b.refused, b.steady, b.due = "", "", 0, 0
		return
	}
	held := c.claimed().and(c.members(Foreign))
	if held.empty() {
		b.wanted = !c.peer.stable || !c.settled()
		b.wait, b.refused, b.steady, b.due = "", "", 0, 0
		return
	}
	switch {
	case !c.fitThere(held):
		b.steady = 0
	case b.steady == 0:
		b.steady = max(c.now, 1)
	}
	if c.now < b.at {
		return
	}
	b.at = c.now + pollEach
	reason := c.cannotGive(held)
	if c.upkeep.on() {
		reason = "maintenance is on"
	}
	if reason == "" {
		reason = c.announced()
	}
	if reason != "" && reason != b.wait {
		c.notef("failback to %s waits: %s", c.cfg.Peer, reason)
		c.decidedAll(held, stayed, "failback waits: "+reason, "to give it back now")
	}
	b.wait = cmp.Or(reason, b.refused)
	if reason == "" {
		b.at = c.now + unfitFor
		c.give(Foreign, c.offer(Foreign, held), whyFailback)
	}
}

// failbackRefused notes that the peer does not take now what is to go back to it. It is offered again.
func (c *Core) failbackRefused(why string) {
	b, e := &c.goback, &c.exchange
	if e.why != whyFailback || e.phase != asked {
		return
	}
	if why != b.refused {
		c.notef("failback to %s waits: %s", c.cfg.Peer, why)
		c.decidedAll(e.mask.and(c.claimed()), stayed, "failback waits: "+why, "to stop it here for that")
	}
	b.refused, b.wait = why, why
}

// announced says what a failback that nothing is against still waits for: an operator has to have the time to be
// against it.
func (c *Core) announced() string {
	b, p := &c.goback, c.cfg.Patience
	due := b.steady + p.Steady
	why := fmt.Sprintf("the copy on %s has to stay fit, and the link steady, for so long", c.cfg.Peer)
	if b.after > due {
		due, why = b.after, fmt.Sprintf("groups go back once in %v", p.Period)
	}
	if c.now >= due {
		b.due = 0
		return ""
	}
	b.at = min(b.at, due)
	if due != b.due || b.wait != b.said {
		b.due, b.said = due, fmt.Sprintf("announced, in %v: %s", (due-c.now).Round(time.Second), why)
	}
	return b.said
}
