package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// A phase is how far an exchange has come. In an exchange one node gives groups to the other:
//
//	giving node                                    taking node
//	asked     -- ask_resources SET me -->
//	                                               weighing (see room.go)
//	          <-- ask_resources SET other --       offered
//	giving    (stops the groups, looks)
//	gave      -- ask_resources SET done -->
//	                                               taking (looks, starts the groups)
//	          <-- ask_resources SET done --
//
// SET is in the words of the giving node. The taking node may answer no, and either may while nothing has been given.
// Source: Heartbeat wire, section 8.5.
type phase uint8

const (
	noExchange phase = 0
	asked      phase = 1
	giving     phase = 2
	gave       phase = 3
	offered    phase = 4
	taking     phase = 5
	weighing   phase = 6
)

// String says what an exchange waits for, for people.
func (p phase) String() string {
	return [...]string{
		"none", "waiting for the peer's answer", "stopping groups for the peer", "the peer is starting groups",
		"the peer is stopping groups", "starting the peer's groups", "seeing whether there is room for the peer's groups",
	}[p]
}

// Times of an exchange. Source: Heartbeat wire, section 8.5.
const (
	answerWithin = 10 * time.Second
	endWithin    = time.Hour
)

// exchange is the one that is going on.
type exchange struct {
	phase phase
	set   Set // as the giving node names it
	mask  groupSet
	until time.Duration
	again time.Duration // when what was said last is said again; 0: never
	round string
	why   string
	weigh uint64 // the Weigh that is to be answered
}

// repeatEach is how often a node that waits for the peer to go on says so. The peer may have left the exchange without
// this node's knowing: it counted this node as dead, and messages were lost with that. Then it answers no.
const repeatEach = 30 * time.Second

// repeats is when a waiting node speaks up again. A real Heartbeat has no word for no, so it is left in peace.
func (c *Core) repeats() time.Duration {
	if c.peer.detailed {
		return c.now + repeatEach
	}
	return 0
}

// moving says whether groups are on their way.
func (e *exchange) moving() bool { return e.phase == giving || e.phase == gave || e.phase == taking }

// same says whether a message belongs to this exchange. Heartbeat has no rounds.
func (e *exchange) same(round string) bool {
	return e.phase != noExchange && (round == "" || round == e.round)
}

// cannotGive says why the peer cannot have groups now, or nothing.
func (c *Core) cannotGive(mask groupSet) string {
	switch {
	case c.stage != stable:
		return fmt.Sprintf("this node is %v", c.stage)
	case c.peer.absent():
		return c.cfg.Peer + " is not there"
	case c.peer.leaving:
		return c.cfg.Peer + " is stopping everything"
	case c.peer.legacy && !c.peer.known:
		return "with \"auto_failback legacy\" groups move only when a node starts, dies or leaves"
	case c.exchange.phase != noExchange:
		return fmt.Sprintf("another exchange of groups is under way (%v)", c.exchange.phase)
	case !c.peer.known || !c.peer.stable:
		return c.cfg.Peer + " is not settled yet"
	case !c.settled():
		return "groups are being started or stopped here"
	}
	for i := range c.groups {
		if !mask.has(i) || !c.groups[i].claims() {
			continue
		}
		if c.groups[i].conflict != 0 {
			return fmt.Sprintf("%s runs on %s as well: one node has to give it up first", c.groups[i].key, c.cfg.Peer)
		}
		if ok, reason := c.copies.MayGive(i); !ok {
			return fmt.Sprintf("%s: the copy on %s is not fit: %s", c.groups[i].key, c.cfg.Peer, reason)
		}
	}
	return ""
}

// give begins an exchange, after cannotGive has found nothing against it.
func (c *Core) give(set Set, mask groupSet, why string) {
	c.rounds++
	c.exchange = exchange{
		phase: asked, set: set, mask: mask, until: c.now + answerWithin, why: why,
		round: fmt.Sprintf("%s:%d", c.cfg.Node, c.rounds),
	}
	m := append(ask(set, infoMe, c.exchange.round), hbwire.Text(fieldWhy, why))
	if mask != c.members(set) {
		m = append(m, hbwire.Text(fieldOnly, c.digits(mask)))
	}
	if why != whyFailback || c.goback.refused == "" {
		c.tellOffer()
	}
	c.say(m)
}

func (c *Core) tellOffer() {
	e := &c.exchange
	c.notef("%v groups are offered to %s (%s)", e.set, c.cfg.Peer, e.why)
	c.decidedAll(e.mask.and(c.claimed()), gaveAway, map[string]string{
		whyOrder: "an operator wants it", whyFailback: c.cfg.Peer + " is preferred, and fit again",
		whyFailed: "it could not run here", whyUnfit: "the data here may not be used",
	}[e.why], "to keep it here")
}

// hearAsk takes a step of an exchange from the peer.
func (c *Core) hearAsk(m hbwire.Message) {
	set, err := ParseSet(m.Text(hbwire.FieldHolds))
	if err != nil {
		c.notef("ask_resources of %s ignored: %v", c.cfg.Peer, err)
		return
	}
	round := m.Text(fieldRound)
	same := c.exchange.same(round)
	switch info := m.Text(hbwire.FieldInfo); {
	case info == infoMe:
		c.hearOffer(set, m)
	case info == infoOther && same && c.exchange.phase == asked:
		c.startGiving()
	case info == infoDone && same && c.exchange.phase == offered:
		c.startTaking(m)
	case info == infoDone && same && c.exchange.phase == gave:
		c.endGiving(m)
	case info == infoNo:
		c.hearNo(m)
	case info == infoOther, info == infoDone:
		if c.peer.detailed && round != "" && !same {
			c.refuse(set, round, "that exchange is over")
		}
	default:
		c.notef("ask_resources of %s ignored: found info %.40q", c.cfg.Peer, info)
	}
}

// refuse says no to a peer that knows the word; Heartbeat waits 10 s instead.
func (c *Core) refuse(set Set, round, why string) {
	if c.peer.detailed {
		c.say(append(ask(set, infoNo, round), hbwire.Text(fieldReason, why)))
	}
}

func (c *Core) startGiving() {
	c.exchange.phase, c.exchange.until = giving, Never
	if c.exchange.why == whyFailback {
		c.noteReturn()
		if c.goback.refused != "" {
			c.goback.refused = ""
			c.tellOffer() // not before, as it is offered again and again
		}
	}
	for i := range c.groups {
		if c.exchange.mask.has(i) {
			c.groups[i].aim(halt, c.now)
		}
	}
}

// endGiving ends the exchange on the giving node. What the peer could not start, it says group by group.
func (c *Core) endGiving(m hbwire.Message) {
	e := c.exchange
	c.exchange = exchange{}
	c.mustReport = true
	detailed := m.Text(fieldGroups) != ""
	c.life.holds |= e.set.turned()
	if c.newer(m) {
		c.peer.holds |= e.set.turned()
		c.hearGroups(m)
	}
	if !detailed {
		c.peer.claims = c.peer.claims.or(e.mask)
	}
	text := fmt.Sprintf("%s has the %v groups", c.cfg.Peer, e.set)
	ok := true
	for i := range c.groups {
		if !e.mask.has(i) {
			continue
		}
		g := &c.groups[i]
		g.handed = g.handed || e.why == whyFailed
		if detailed && !c.peer.claims.has(i) {
			ok, text = false, fmt.Sprintf("%s could not start %s; see its status for the reason", c.cfg.Peer, g.key)
		}
	}
	if e.why == whyFailback {
		c.goback.wanted = false
	}
	c.notef("%s", text)
	c.endOrderOf(OrderStandby, ok, text)
}

// goOn does what the exchange waits for.
func (c *Core) goOn() {
	e := &c.exchange
	switch e.phase {
	case asked:
		if c.now >= e.until {
			c.refuse(e.set, e.round, "no answer came in time")
			c.cancel(fmt.Sprintf("%s did not answer within %v", c.cfg.Peer, answerWithin))
		}
	case giving:
		if c.stoppedForPeer() {
			e.phase, e.until, e.again = gave, c.now+endWithin, c.repeats()
			c.say(append(ask(e.set, infoDone, e.round), hbwire.Text(fieldGroups, c.letters())))
		}
	case gave, offered:
		switch {
		case c.now >= e.until:
			c.peer.known, c.askAt = false, c.now
			c.cancel(fmt.Sprintf("%s did not end the exchange within %v", c.cfg.Peer, endWithin))
		case e.again != 0 && c.now >= e.again && e.phase == gave:
			e.again = c.repeats()
			c.say(append(ask(e.set, infoDone, e.round), hbwire.Text(fieldGroups, c.letters())))
		case e.again != 0 && c.now >= e.again:
			e.again = c.repeats()
			c.say(ask(e.set, infoOther, e.round))
		}
	case weighing:
		if c.now >= e.until {
			c.takeOffer() // the start will find out
		}
	case taking:
		if c.takenFromPeer() {
			c.goback.wanted = c.goback.wanted || e.why == whyUnfit && c.cfg.returns()
			c.mustReport = true
			c.say(append(ask(e.set, infoDone, e.round), hbwire.Text(fieldGroups, c.letters())))
			c.exchange = exchange{}
		}
	default:
	}
}

func (c *Core) stoppedForPeer() bool {
	for i := range c.groups {
		if g := &c.groups[i]; c.exchange.mask.has(i) && (g.goal != leave || !g.empty()) {
			return false
		}
	}
	return true
}

// hearNo ends an exchange that the peer refuses, or an order that it does not follow.
func (c *Core) hearNo(m hbwire.Message) {
	round, why := m.Text(fieldRound), m.Text(fieldReason)
	if why == "" {
		why = "no reason given"
	}
	text := fmt.Sprintf("%s refuses: %s", c.cfg.Peer, why)
	switch {
	case round == "":
		c.endOrderOf(OrderTakeover, false, text)
	case c.exchange.same(round) && c.exchange.phase != taking:
		if c.exchange.phase == gave {
			// What the peer holds now counts, not what it said before.
			c.newer(m)
			c.peer.known, c.askAt = false, c.now
		}
		c.failbackRefused(text)
		c.cancel(text)
	}
}

// cancel ends an exchange that cannot go on. What was being stopped for the peer is no longer on its way.
func (c *Core) cancel(why string) {
	e := c.exchange
	if e.phase == noExchange {
		return
	}
	if e.why != whyFailback || why != c.goback.refused {
		c.notef("exchange of groups with %s is over: %s", c.cfg.Peer, why)
	}
	c.exchange = exchange{}
	c.mustReport = true
	for i := range c.groups {
		if g := &c.groups[i]; e.mask.has(i) && e.phase == giving && g.goal == halt {
			g.aim(leave, c.now)
		}
	}
	c.goback.at = max(c.goback.at, c.now+pollEach)
	if e.phase == offered || e.phase == weighing {
		c.endOrderOf(OrderTakeover, false, why)
	}
	c.endOrderOf(OrderStandby, false, why)
}
