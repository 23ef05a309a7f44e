package failover

import (
	"fmt"
	"strconv"
	"strings"
)

// In maintenance a pair takes no decision of its own about its groups: nothing is taken over, started, given back,
// handed over or looked after, and nobody is shot for it. What has begun is ended; what an operator orders is done. What
// keeps a group from running twice goes on: a lease that ends stops what it was for, and of two nodes that hold a group
// one gives it up.
//
// It is of both nodes: the one that is ordered tells the other (px_maintenance), now or when they meet, and each keeps it
// over its restarts. A real Heartbeat does not know it, and decides on.
//
// maintenance counts the orders, twice; it is odd when it is on. Of two nodes' the greater one counts: it was ordered
// later. If each was ordered something while they did not hear each other, on may beat off.
type maintenance uint64

func (m maintenance) on() bool { return m&1 == 1 }

// turned is what an order makes of it.
func (m maintenance) turned(on bool) maintenance {
	m = (m>>1 + 1) << 1
	if on {
		m |= 1
	}
	return m
}

// String is its text form, as in px_maintenance: "on" or "off", and the number of orders so far.
func (m maintenance) String() string { return fmt.Sprintf("%s %d", m.word(), m>>1) }

func (m maintenance) word() string {
	if m.on() {
		return "on"
	}
	return "off"
}

// mostOrders leaves room for one more.
const mostOrders = 1 << 62

// parseMaintenance reads the text form. What is none is off since ever.
func parseMaintenance(text string) maintenance {
	word, number, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n >= mostOrders || word != "on" && word != "off" {
		return 0
	}
	m := maintenance(n << 1)
	if word == "on" {
		m |= 1
	}
	return m
}

// keeping is a Keep under way, and the order that waits for it.
type keeping struct {
	id    uint64 // of the last Keep; 0: none is under way
	asked bool
	order uint64
	own   bool
}

func (c *Core) obeyMaintenance(in Input) {
	on := in.Order == OrderMaintenanceOn
	switch {
	case c.keeping.asked:
		c.answer(in.ID, in.Own, false, "refused: another order is being carried out")
	case on == c.upkeep.on():
		c.answer(in.ID, in.Own, true, fmt.Sprintf("maintenance is %s already", c.upkeep.word()))
	default:
		c.keeping = keeping{asked: true, order: in.ID, own: in.Own}
		c.setMaintenance(c.upkeep.turned(on), "an operator has ordered it")
	}
}

// hearMaintenance takes what the peer says of it.
func (c *Core) hearMaintenance(text string) {
	m := parseMaintenance(text)
	switch {
	case m > c.upkeep:
		c.setMaintenance(m, "ordered on "+c.cfg.Peer)
	case m < c.upkeep:
		c.mustReport = true
	}
}

// setMaintenance goes over to it, or back to deciding, and has it kept.
func (c *Core) setMaintenance(m maintenance, why string) {
	was := c.upkeep
	c.upkeep, c.mustReport = m, true
	c.lastID++
	c.keeping.id = c.lastID
	c.emit(Effect{Kind: Keep, ID: c.lastID, Text: m.String()})
	if was.on() == m.on() {
		return
	}
	c.notef("maintenance is %s: %s", m.word(), why)
	c.goback.steady, c.goback.at = 0, c.now
	outcome, instead := leftAlone, "to go on deciding about it"
	if !m.on() {
		outcome, instead = lookedAfter, "to leave it to operators"
	}
	for i := range c.groups {
		g := &c.groups[i]
		g.ordered, g.watch.suspect, g.watch.trouble = false, false, ""
		c.decided(i, outcome, "maintenance is "+m.word()+": "+why, instead)
	}
}

// kept takes the shell's answer to the last Keep, or WentBack.
func (c *Core) kept(in Input) {
	if b := &c.goback; in.Failed && in.ID != 0 && in.ID == b.noting {
		c.notef("groups go back, and the next start of the daemon will not know when: %s", in.Text)
	}
	k := c.keeping
	if k.id == 0 || in.ID != k.id {
		return
	}
	c.keeping = keeping{}
	if in.Failed {
		c.notef("maintenance is %s, and the next start of the daemon will not know: %s", c.upkeep.word(), in.Text)
	}
	switch {
	case !k.asked:
	case in.Failed:
		c.answer(k.order, k.own, false, fmt.Sprintf("maintenance is %s, and the next start of the daemon will not know: %s",
			c.upkeep.word(), in.Text))
	default:
		c.answer(k.order, k.own, true, fmt.Sprintf("maintenance is %s here%s", c.upkeep.word(), c.toldOfIt()))
	}
}

// toldOfIt says what the peer knows of the maintenance.
func (c *Core) toldOfIt() string {
	switch {
	case c.peer.absent() || !c.peer.known && !c.peer.legacy:
		return fmt.Sprintf("; %s is told when it is heard", c.cfg.Peer)
	case !c.peer.detailed:
		return fmt.Sprintf("; %s is a Heartbeat, which does not know it, and decides on", c.cfg.Peer)
	default:
		return " and on " + c.cfg.Peer
	}
}

// leaveAlone is what maintenance means for a group that does not run here: it waits, if it is this node's to start.
func (c *Core) leaveAlone(g *group) {
	switch {
	case g.failed != "", !c.peer.absent() && !g.local, !c.peer.absent() && c.peer.claims.has(c.indexOf(g)):
		g.waiting = ""
	default:
		c.wait(g, "maintenance is on: it is started when that ends, or by an order of takeover", false)
	}
}
