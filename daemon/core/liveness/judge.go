package liveness

import (
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
)

// noticePause finds out that this node, not the peer, was silent: the tick that was wanted came late. What arrived
// meanwhile waits in the sockets, or was lost with them (a paused machine receives nothing), so the peer gets the time
// to be heard again.
func (c *Core) noticePause() {
	if c.wanted == Never || c.now-c.wanted <= c.cfg.Keepalive {
		return
	}
	c.notef("this node paused for %v: nobody counts as dead before the sockets are empty and two keepalives have passed",
		(c.now - c.wanted).Round(time.Millisecond))
	c.mustDrain, c.drainAt = true, c.now
	c.judgeFrom = c.now + 2*c.cfg.Keepalive
}

// drain asks for empty sockets until it gets them.
func (c *Core) drain() {
	if c.mustDrain && c.now >= c.drainAt {
		c.drainAt = c.now + c.cfg.Keepalive
		c.emit(Effect{Kind: Drain})
	}
}

// judge says once that the peer is late, and once that it is dead.
func (c *Core) judge() {
	p := &c.peer
	if p.state == Dead || planted.On(planted.NeverDead) {
		return
	}
	silent := c.now - c.heardAt()
	if planted.On(planted.DeadTooSoon) {
		silent *= 4
	}
	if p.state != Unheard && !p.late && silent >= c.cfg.Warntime && !c.mustDrain {
		p.late = true
		c.emit(Effect{Kind: PeerLate, Silent: silent})
	}
	if silent < c.patience() || c.mustDrain || c.now < c.judgeFrom {
		return
	}
	p.state, p.late = Dead, false
	p.numbers = numbers{}
	c.sent.bury()
	c.emit(Effect{Kind: PeerDied, Silent: silent})
}

// heardAt is when the peer's silence began.
func (c *Core) heardAt() time.Duration {
	if c.peer.state == Unheard {
		return c.startedAt
	}
	return c.peer.heardAt
}

// patience is how long the peer may be silent. It says so itself; until all nodes have been heard, initdead counts.
func (c *Core) patience() time.Duration {
	if !c.comms {
		return max(c.cfg.Initdead, c.peer.deadtime)
	}
	return c.peer.deadtime
}

func (c *Core) judgeDeadline() time.Duration {
	p := &c.peer
	switch {
	case c.mustDrain:
		return c.drainAt
	case p.state == Dead:
		return Never
	}
	at := max(c.heardAt()+c.patience(), c.judgeFrom)
	if p.state != Unheard && !p.late {
		at = min(at, p.heardAt+c.cfg.Warntime)
	}
	return at
}

// A link is one medium by which a node is heard; its state is for people and for cl_status.
type link struct {
	node, medium string
	up           bool
	heardAt      time.Duration
}

func (c *Core) linkTime(l link) time.Duration {
	if l.node == c.cfg.Node {
		return c.cfg.Deadtime
	}
	return c.peer.deadtime
}

func (c *Core) hearLink(node, medium string) {
	for i := range c.links {
		l := &c.links[i]
		if l.node != node || l.medium != medium {
			continue
		}
		l.heardAt = c.now
		if !l.up {
			l.up = true
			c.notef("link %s to %s is up", medium, node)
		}
	}
}

// linkDeadline is when the next link dies if nothing comes by it.
func (c *Core) linkDeadline() time.Duration {
	at := Never
	for _, l := range c.links {
		if l.up && !c.mustDrain {
			at = min(at, max(l.heardAt+c.linkTime(l), c.judgeFrom))
		}
	}
	return at
}

func (c *Core) watchLinks() {
	if c.mustDrain || c.now < c.judgeFrom {
		return
	}
	for i := range c.links {
		l := &c.links[i]
		if l.up && c.now-l.heardAt >= c.linkTime(*l) {
			l.up = false
			c.notef("link %s to %s is dead", l.medium, l.node)
		}
	}
}
