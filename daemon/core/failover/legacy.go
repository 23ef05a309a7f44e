package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// With "auto_failback legacy" a Heartbeat says nothing of what it holds. A node that starts asks for each of its own
// groups, and its peer stops the group if it runs there:
//
//	preferred node                       peer
//	-- ip-request GROUP -->              (stops the group, looks)
//	<-- ip-request-resp GROUP OK --
//
// Two nodes that both know px_groups tell each other more, and hand groups over as with "auto_failback on". So a peer
// is a legacy one only if it has not answered for a while. Then a group of its own is never started here while it lives.
// Source: Heartbeat wire, section 8.10.

// legacyAfter is how long a peer may take to say what it holds before it counts as one that never does.
const legacyAfter = 2 * time.Second

// returns says whether groups go back to the node that their line names.
func (cfg Config) returns() bool { return cfg.Failback != haconf.FailbackOff }

// findLegacy notices a peer that does not say what it holds.
func (c *Core) findLegacy() {
	p := &c.peer
	switch {
	case c.cfg.Failback != haconf.FailbackLegacy || c.stage < asking || c.stage > stable:
	case p.absent() || p.known || p.legacy:
	case p.legacyAt == 0:
		p.legacyAt = c.now + legacyAfter
	case c.now >= p.legacyAt:
		c.meetLegacy()
	}
}

func (c *Core) meetLegacy() {
	if c.peer.legacy {
		return
	}
	c.peer.legacy, c.crashed = true, false
	c.notef("%s does not say what it holds, as with \"auto_failback legacy\": it is asked for each group", c.cfg.Peer)
}

// askLegacy gets a group of this node's own from the peer.
func (c *Core) askLegacy(g *group) {
	switch {
	case g.failed != "":
		g.waiting = ""
	case g.allowed:
		g.allowed, g.waiting = false, ""
		g.aim(run, c.now)
	case c.now >= g.askAt:
		g.askAt = c.now + askEach
		c.say(hbwire.Message{
			hbwire.Text(hbwire.FieldType, hbwire.MsgAskGroup), hbwire.Text(hbwire.FieldGroup, g.key),
		})
		c.wait(g, c.cfg.Peer+" was asked to give it", false)
	}
}

// hearLegacy takes a request for a group, or the answer to one.
func (c *Core) hearLegacy(kind string, m hbwire.Message) {
	key := m.Text(hbwire.FieldGroup)
	if c.cfg.Failback != haconf.FailbackLegacy {
		if kind == hbwire.MsgAskGroup {
			c.notef("%s asks for group %.40q as with \"auto_failback legacy\", which is not set here: it must be the same "+
				"on both nodes", c.cfg.Peer, key)
		}
		return
	}
	if !c.peer.known {
		c.meetLegacy()
	}
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case g.key != key:
		case kind == hbwire.MsgAskGroup && !g.local:
			g.owed = true
		case kind == hbwire.MsgGroup && g.local && m.Text(hbwire.FieldOK) == "OK":
			g.allowed = true
		}
	}
}

// giveOwed stops the groups that the peer has asked for, and says when they are stopped.
func (c *Core) giveOwed() {
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case !g.owed:
		case c.peer.absent() || c.stage > stable:
			g.owed, g.gave = false, false
		case c.stage < asking || g.goal != leave || g.unknown():
		case g.empty():
			own := "no"
			if g.gave {
				own = "yes"
			}
			g.owed, g.gave = false, false
			c.say(hbwire.Message{
				hbwire.Text(hbwire.FieldType, hbwire.MsgGroup), hbwire.Text(hbwire.FieldDest, c.cfg.Peer),
				hbwire.Text(hbwire.FieldGroup, g.key), hbwire.Text(hbwire.FieldOwn, own), hbwire.Text(hbwire.FieldOK, "OK"),
			})
		default:
			if ok, reason := c.copies.MayGive(i); !ok {
				c.wait(g, fmt.Sprintf("%s asks for it, but its copy is not fit: %s", c.cfg.Peer, reason), false)
				continue
			}
			g.waiting, g.gave = "", true
			g.aim(halt, c.now)
		}
	}
}
