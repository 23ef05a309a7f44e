package failover

import (
	"strings"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Fields that are not Heartbeat's; it ignores them. Lists have one character for each line of haresources, in file
// order, so that a difference in length shows that the files differ.
//
//	px_groups   in resource, and in the last ask_resources: what the sender does with each group
//	            -  stopped            s  being started      S
//	            w  stopped, waiting   r  runs               R  as s, r and x; the preferred node's verdict:
//	            f  start failed       x  may run partly     X  this node keeps it, give it up
//	                                  p  being stopped
//	px_fit      in resource: 1 if the sender's data may be used, 0 if not, - if the sender does not claim the group
//	px_round    in ask_resources: which exchange, in the words of the node that gives
//	px_why      in ask_resources "me": order, failback, failed, unfit
//	px_only     in ask_resources "me": 1 for each group that is meant, of those in rsc_hold
//	px_reason   in ask_resources "no": why not
//	px_maintenance  in resource, once maintenance was ordered: "on" or "off", and which order it was
//
// The word "no" of ask_resources is not Heartbeat's either; it is sent only to a node that has sent px_groups.
const (
	fieldGroups = "px_groups"
	fieldFit    = "px_fit"
	fieldRound  = "px_round"
	fieldWhy    = "px_why"
	fieldOnly   = "px_only"
	fieldReason = "px_reason"

	fieldMaintenance = "px_maintenance"
)

// The steps of an exchange: values of info in ask_resources. Source: Heartbeat wire, section 8.5.
const (
	infoMe    = "me"    // take these groups
	infoOther = "other" // I will
	infoDone  = "done"  // they are stopped; and back: they are started
	infoNo    = "no"    // I won't
)

// Why a node gives groups: values of px_why.
const (
	whyOrder    = "order"
	whyFailback = "failback"
	whyFailed   = "failed" // to start here
	whyUnfit    = "unfit"  // is this node's data
)

func starting() hbwire.Message {
	return hbwire.Message{hbwire.Text(hbwire.FieldType, hbwire.MsgStarting)}
}

func shutdone() hbwire.Message {
	return hbwire.Message{
		hbwire.Text(hbwire.FieldType, hbwire.MsgShutdownDone), hbwire.Text(hbwire.FieldStatus, "dead"),
	}
}

func takeover(set Set) hbwire.Message {
	return hbwire.Message{
		hbwire.Text(hbwire.FieldType, hbwire.MsgTakeover), hbwire.Text(hbwire.FieldHolds, set.String()),
	}
}

func ask(set Set, info, round string) hbwire.Message {
	return hbwire.Message{
		hbwire.Text(hbwire.FieldType, hbwire.MsgAskResources), hbwire.Text(hbwire.FieldHolds, set.String()),
		hbwire.Text(hbwire.FieldInfo, info), hbwire.Text(fieldRound, round),
	}
}

func (c *Core) say(m hbwire.Message) { c.emit(Effect{Kind: Say, Message: m}) }

// report tells the peer what this node holds, if that has changed since it was told, or if it must know again.
func (c *Core) report() {
	if c.stage < asking || c.stage == gone || !c.comms {
		return
	}
	stability := "0"
	if c.settled() {
		stability = "1"
	}
	holds, letters, fit := c.holds().String(), c.letters(), c.fit()
	what := strings.Join([]string{holds, stability, letters, fit, c.upkeep.String()}, " ")
	if what == c.reported && !c.mustReport {
		return
	}
	c.reported, c.mustReport = what, false
	m := hbwire.Message{
		hbwire.Text(hbwire.FieldType, hbwire.MsgResource), hbwire.Text(hbwire.FieldHolds, holds),
		hbwire.Text(hbwire.FieldReport, "full"), hbwire.Text(hbwire.FieldStable, stability),
	}
	switch {
	case c.stage > stable:
		m = append(m, hbwire.Text(hbwire.FieldInfo, "shutdown"))
	case c.exchange.phase == giving:
		m = append(m, hbwire.Text(hbwire.FieldInfo, "standby"))
	}
	m = append(m, hbwire.Text(fieldGroups, letters), hbwire.Text(fieldFit, fit))
	if c.upkeep != 0 {
		m = append(m, hbwire.Text(fieldMaintenance, c.upkeep.String()))
	}
	c.say(m)
}

// holds is the claim in Heartbeat's words. A node that no line names says local once it is stable, as Heartbeat does.
func (c *Core) holds() (set Set) {
	claimed, local := c.claimed(), c.members(Local)
	if !claimed.and(local).empty() || local.empty() && c.stage == stable {
		set |= Local
	}
	if !claimed.and(c.members(Foreign)).empty() {
		set |= Foreign
	}
	return set
}

func (c *Core) letters() string {
	b := make([]byte, len(c.groups))
	for i := range c.groups {
		b[i] = c.letter(i)
	}
	return string(b)
}

func (c *Core) letter(i int) byte {
	g := &c.groups[i]
	letter := byte('x')
	switch {
	case g.goal == halt && !g.empty():
		return 'p'
	case g.goal == run:
		letter = 's'
	case g.full():
		letter = 'r'
	case g.empty() && g.failed != "":
		return 'f'
	case g.empty() && g.waiting != "":
		return 'w'
	case g.empty():
		return '-'
	}
	if g.local && g.conflict != 0 {
		letter -= 'a' - 'A'
	}
	return letter
}

func (c *Core) fit() string {
	b := make([]byte, len(c.groups))
	for i := range c.groups {
		b[i] = '-'
		if c.groups[i].claims() {
			b[i] = '0'
			if ok, _ := c.copies.MayStart(i); ok {
				b[i] = '1'
			}
		}
	}
	return string(b)
}

// hear takes a message of the peer, or one that a program of this node made.
func (c *Core) hear(m hbwire.Message, own bool) {
	kind := m.Text(hbwire.FieldType)
	if own {
		c.hearOwn(kind, m)
		return
	}
	if c.peer.absent() {
		return
	}
	switch kind {
	case hbwire.MsgStarting:
		// A report that was sent after it may have come before it.
		c.peer.stable = c.peer.stable && !c.newer(m)
		c.mustReport = true
	case hbwire.MsgResource:
		c.hearResource(m)
	case hbwire.MsgAskResources:
		c.hearAsk(m)
	case hbwire.MsgTakeover:
		c.hearTakeover(m)
	case hbwire.MsgShutdownDone:
		c.hearShutdone()
	case hbwire.MsgAskGroup, hbwire.MsgGroup:
		c.hearLegacy(kind, m)
	case hbwire.MsgStonith:
		c.notef("%s reports fencing of %.40q: %.40q", c.cfg.Peer, m.Text(hbwire.FieldNode), m.Text(hbwire.FieldResult))
	}
}
