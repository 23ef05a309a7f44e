package liveness

import (
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// write begins a message; send sends it.
func (c *Core) write(kind string) *hbwire.Draft { return c.draft.New().Text(hbwire.FieldType, kind) }

// send puts the envelope around the draft and transmits it, and says whether that was possible. A sequenced one is kept
// for resending.
func (c *Core) send() bool {
	m := c.draft.Message
	kind := m.Text(hbwire.FieldType)
	env := hbwire.Envelope{
		Source: c.cfg.Node, SourceUUID: c.cfg.UUID, Seq: c.sent.seq + 1, Generation: c.cfg.Generation,
		Time: c.unix, Load: c.load, TTL: c.cfg.TTL,
	}
	switch dest := m.Text(hbwire.FieldDest); {
	case c.peer.old:
		env.SourceUUID = hbwire.UUID{}
	case dest == c.cfg.Peer:
		env.DestUUID = c.peer.uuid
	case dest == c.cfg.Node:
		env.DestUUID = c.cfg.UUID
	}
	env.Add(&c.draft)
	encoding := c.cfg.Encoding
	if c.peer.onlyClassic {
		encoding = hbwire.Classic
	}
	data, err := c.draft.Sign(&c.cfg.Keys, encoding)
	if err != nil {
		c.notef("message not sent: %v", err)
		return false
	}
	if hbwire.Sequenced(kind) {
		report := uint64(0)
		if kind == hbwire.MsgResource {
			report = c.reports
		}
		c.sent.add(kept{data: data, sentAt: c.now, report: report, moves: moves(kind)})
	}
	c.emit(Effect{Kind: Transmit, Data: data})
	return true
}

// moves tells whether messages of a type are about groups that move from node to node.
func moves(kind string) bool {
	switch kind {
	case hbwire.MsgAskResources, hbwire.MsgTakeover, hbwire.MsgAskGroup, hbwire.MsgGroup:
		return true
	default:
		return false
	}
}

// say sends a message that another part of this node, or a program beside it, wants to be sent.
func (c *Core) say(m hbwire.Message, loop bool) {
	switch kind := m.Text(hbwire.FieldType); {
	case kind == "":
		c.notef("message not sent: it has no type")
		return
	case !hbwire.Sequenced(kind), kind == hbwire.MsgStatus, kind == hbwire.MsgAskNodes, kind == hbwire.MsgNodes:
		c.notef("message not sent: %.40q is made by the daemon alone", kind)
		return
	}
	if m.Text(hbwire.FieldType) == hbwire.MsgResource && m.Text(hbwire.FieldReport) != "" {
		c.reports++
	}
	c.draft.New().Add(m)
	if c.send() && loop {
		c.emit(Effect{Kind: Heard, Own: true, Message: c.draft.Message.Clone()})
	}
}

// replaced is why a report of what this node holds is not resent.
const replaced = "a newer report replaces it"

// resend answers a request for numbers. Source: Heartbeat wire, section 5.4.
//
// Heartbeat takes messages as they come. An old report of what this node holds that came after a newer one would count
// until the next, and that may be for ever: it is not resent.
func (c *Core) resend(m hbwire.Message) {
	first, err := m.Decimal(hbwire.FieldFirstSeq)
	if err != nil {
		return
	}
	last, err := m.Decimal(hbwire.FieldLastSeq)
	if err != nil {
		return
	}
	first = max(first, c.sent.acked+1)
	last = min(last, c.sent.seq)
	for n := 0; first <= last && n < maxAsked; n++ {
		k := c.sent.get(first)
		switch {
		case k == nil:
			c.cannotResend(first, "too old")
		case k.report != 0 && k.report < c.reports:
			c.cannotResend(first, replaced)
		case k.over:
			c.cannotResend(first, "it is over")
		case c.now-k.sentAt >= c.cfg.MaxResendDelay-10*time.Millisecond:
			k.sentAt = c.now
			c.emit(Effect{Kind: Transmit, Data: k.data})
		}
		first++
	}
}

func (c *Core) cannotResend(seq uint64, why string) {
	c.write(hbwire.MsgCannotResend).Hex(hbwire.FieldFirstSeq, seq).Text(hbwire.FieldDest, c.cfg.Peer).
		Text(hbwire.FieldInfo, why)
	c.send()
}

// askForMissing asks for lost messages whose delay is over: without the delay every message that overtook another one
// would be asked for.
func (c *Core) askForMissing() {
	if !c.peer.present() {
		return
	}
	for {
		first, last, ok := c.peer.numbers.due(c.now, c.cfg.MaxResendDelay)
		if !ok {
			return
		}
		c.write(hbwire.MsgResend).Text(hbwire.FieldDest, c.cfg.Peer).
			Decimal(hbwire.FieldFirstSeq, first).Decimal(hbwire.FieldLastSeq, last)
		c.send()
	}
}

// resendDelay draws how long to wait for a message that another one has overtaken.
func (c *Core) resendDelay() time.Duration {
	const least = 50 * time.Millisecond
	longest := c.cfg.MaxResendDelay
	low := least
	if longest < 2*least {
		low = 0
	}
	return c.now + low + time.Duration(c.delays.below(uint64(longest-low)+1))
}

func (c *Core) acknowledge() {
	if c.peer.old {
		return
	}
	if seq, ok := c.peer.numbers.ack(c.trigger); ok {
		c.write(hbwire.MsgAck).Text(hbwire.FieldDest, c.cfg.Peer).Hex(hbwire.FieldAckSeq, seq)
		c.send()
	}
}

// askNodesEach is the pause between two requests for the node list. Source: Heartbeat wire, section 7.
const askNodesEach = time.Second

// join becomes active once the peer is heard and has sent its node list, or is given up.
func (c *Core) join() {
	if c.comms || c.peer.state == Unheard {
		return
	}
	if c.peer.state != Dead && !c.peer.old && !c.nodesCame {
		if c.now >= c.askNodes {
			c.askNodes = c.now + askNodesEach
			c.write(hbwire.MsgAskNodes).Text(hbwire.FieldDest, c.cfg.Peer)
			c.send()
		}
		return
	}
	c.comms = true
	c.state = Active
	c.beat()
	c.emit(Effect{Kind: CommsUp})
}

func (c *Core) joinDeadline() time.Duration {
	if c.comms || !c.peer.present() {
		return Never
	}
	return c.askNodes
}

func (c *Core) tellNodes() {
	c.draft.New().Text(hbwire.FieldDest, c.cfg.Peer).Text(hbwire.FieldType, hbwire.MsgNodes).
		Text(hbwire.FieldNodes, c.cfg.Node+" "+c.cfg.Peer+" ").Text(hbwire.FieldDeleted, " ")
	c.send()
}

func (c *Core) hearNodes(m hbwire.Message) {
	c.nodesCame = true
	names := strings.Fields(strings.ToLower(m.Text(hbwire.FieldNodes)))
	for _, want := range []string{c.cfg.Node, c.cfg.Peer} {
		known := false
		for _, name := range names {
			known = known || name == want
		}
		if !known {
			c.notef("%s lists the nodes %v without %s: ha.cf must be the same on both nodes", c.cfg.Peer, names, want)
		}
	}
}
