package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// order is the one that is being carried out.
type order struct {
	open  bool
	own   bool // came as a message of a program of this node: nobody waits for an answer
	id    uint64
	kind  OrderKind
	mask  groupSet
	until time.Duration // when a takeover must have begun; 0: it has
}

// giveUpAfter is how many failed stops end an order; the group is tried on.
const giveUpAfter = 3

func (c *Core) answer(id uint64, own, ok bool, text string) {
	if own {
		c.notef("order of a local program: %s", text)
		return
	}
	c.emit(Effect{Kind: Answer, ID: id, OK: ok, Text: text})
}

func (c *Core) endOrder(ok bool, text string) {
	o := c.order
	c.order = order{}
	if o.open {
		c.answer(o.id, o.own, ok, text)
	}
}

// endOrderOf ends the order if it is of that kind.
func (c *Core) endOrderOf(kind OrderKind, ok bool, text string) {
	if c.order.open && c.order.kind == kind {
		c.endOrder(ok, text)
	}
}

// hearOwn follows what scripts write into Heartbeat's FIFO.
func (c *Core) hearOwn(kind string, m hbwire.Message) {
	set, err := ParseSet(m.Text(hbwire.FieldHolds))
	if err != nil {
		return
	}
	switch {
	case kind == hbwire.MsgTakeover:
		c.obey(Input{Order: OrderTakeover, Set: set, Own: true})
	case kind == hbwire.MsgAskResources && m.Text(hbwire.FieldInfo) == infoMe:
		c.obey(Input{Order: OrderStandby, Set: set, Own: true})
	}
}

func (c *Core) obey(in Input) {
	switch {
	case c.stage > stable:
		c.answer(in.ID, in.Own, false, "refused: this node is stopping")
	case in.Order == OrderStop:
		c.obeyStop(in)
	case in.Order == OrderMaintenanceOn || in.Order == OrderMaintenanceOff:
		c.obeyMaintenance(in)
	case c.order.open:
		c.answer(in.ID, in.Own, false, "refused: another order is being carried out")
	case in.Order == OrderStandby:
		c.obeyStandby(in)
	case in.Order == OrderTakeover:
		c.obeyTakeover(in)
	default:
		c.answer(in.ID, in.Own, false, fmt.Sprintf("refused: found order %d, want standby, takeover, stop or maintenance", in.Order))
	}
}

func (c *Core) obeyStop(in Input) {
	c.cancel("this node stops")
	c.endOrder(false, "this node was ordered to stop")
	c.order = order{id: in.ID, own: in.Own}
	c.stage = leaving
	c.goback.wanted = false
	for i := range c.groups {
		c.groups[i].waiting = ""
		c.groups[i].aim(halt, c.now)
	}
}

func (c *Core) obeyStandby(in Input) {
	held := c.claimed().and(c.members(in.Set))
	if held.empty() {
		c.answer(in.ID, in.Own, true, fmt.Sprintf("nothing to give: this node holds none of the %v groups", in.Set))
		return
	}
	if reason := c.cannotGive(held); reason != "" {
		c.decidedAll(held, refused, "standby ordered: "+reason, "to give it to "+c.cfg.Peer)
		c.answer(in.ID, in.Own, false, "standby refused: "+reason)
		return
	}
	c.order = order{open: true, own: in.Own, id: in.ID, kind: OrderStandby}
	c.give(in.Set, c.offer(in.Set, held), whyOrder)
}

// hearTakeover gives what the peer's operator wants there.
func (c *Core) hearTakeover(m hbwire.Message) {
	set, err := ParseSet(m.Text(hbwire.FieldHolds))
	if err != nil {
		c.notef("takeover by %s ignored: %v", c.cfg.Peer, err)
		return
	}
	set = set.turned()
	if reason := c.cannotGive(c.members(set)); reason != "" {
		c.notef("takeover by %s refused: %s", c.cfg.Peer, reason)
		c.refuse(set, "", reason)
		return
	}
	c.give(set, c.members(set), whyOrder)
}

func (c *Core) obeyTakeover(in Input) {
	mask := c.members(in.Set)
	refuse := func(why string) {
		c.decidedAll(mask, refused, "takeover ordered: "+why, "to start it here all the same")
		c.answer(in.ID, in.Own, false, "takeover refused: "+why)
	}
	switch {
	case c.stage != stable:
		refuse(fmt.Sprintf("this node is %v", c.stage))
		return
	case c.peer.absent() && c.crashed && !in.Force:
		refuse(fmt.Sprintf("this node did not end cleanly and has not heard %s since, which may run the groups; "+
			"order it by force if %s surely runs nothing", c.cfg.Peer, c.cfg.Peer))
		return
	case !c.peer.absent() && c.peer.legacy && !c.peer.known:
		refuse("with \"auto_failback legacy\" groups move only when a node starts, dies or leaves")
		return
	case !c.peer.absent() && (!c.peer.known || !c.peer.stable || c.exchange.phase != noExchange || !c.settled()):
		refuse("the nodes are not settled; try again shortly")
		return
	}
	for i := range c.groups {
		if !mask.has(i) || c.groups[i].full() {
			continue
		}
		if ok, reason := c.copies.MayStart(i); !ok {
			refuse(fmt.Sprintf("%s: the data of this node may not be used: %s", c.groups[i].key, reason))
			return
		}
		c.groups[i].failed, c.groups[i].handed = "", false
	}
	c.order = order{open: true, own: in.Own, id: in.ID, kind: OrderTakeover, mask: mask}
	if c.peer.absent() {
		for i := range c.groups {
			c.groups[i].ordered = c.groups[i].ordered || mask.has(i)
		}
		c.crashed = false
		if in.Force {
			c.fence = fencing{off: true}
		}
		return
	}
	if c.runsAll(mask) {
		return
	}
	c.order.until = c.now + answerWithin
	c.say(takeover(in.Set))
}

func (c *Core) runsAll(mask groupSet) bool {
	for i := range c.groups {
		if g := &c.groups[i]; mask.has(i) && (g.goal != leave || !g.full()) {
			return false
		}
	}
	return true
}

// closeOrder answers the order that has come to its end.
func (c *Core) closeOrder() {
	o := &c.order
	if !o.open {
		return
	}
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case o.kind == OrderTakeover && o.mask.has(i) && g.failed != "":
			c.endOrder(false, fmt.Sprintf("%s: %s", g.key, g.failed))
			return
		case o.kind == OrderStandby && c.exchange.phase == giving && c.exchange.mask.has(i) && g.tries >= giveUpAfter:
			c.endOrder(false, fmt.Sprintf("%s: %s; it is tried on, and %s starts nothing before it has worked", g.key,
				g.stuck, c.cfg.Peer))
			return
		}
	}
	switch {
	case o.kind != OrderTakeover:
	case c.runsAll(o.mask):
		c.endOrder(true, "the groups run here")
	case o.until != 0 && c.now >= o.until:
		c.endOrder(false, fmt.Sprintf("%s did not begin to give the groups within %v", c.cfg.Peer, answerWithin))
	case o.until == 0 && c.exchange.phase == noExchange:
		c.closeVain()
	}
}

// closeVain ends a takeover after which nothing is on its way, and yet not everything runs.
func (c *Core) closeVain() {
	text := ""
	for i := range c.groups {
		g := &c.groups[i]
		switch {
		case !c.order.mask.has(i), g.goal == leave && g.full():
			continue
		case g.goal != leave:
			return
		}
		text = fmt.Sprintf("%s does not run here%s", g.key, because(g.waiting))
	}
	c.endOrder(false, text)
}
