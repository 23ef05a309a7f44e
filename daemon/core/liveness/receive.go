package liveness

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// peer is what is known of the other node.
type peer struct {
	state       State
	uuid        hbwire.UUID
	generation  uint64 // highest heard
	heardAt     time.Duration
	late        bool
	pace        pace
	deadtime    time.Duration // as it asks for; before that, ours
	statusSeq   uint64        // of the newest status
	statusTime  uint64
	old         bool // 1.2: knows no uuid, deadtime, node list, acknowledgement
	onlyClassic bool // heard, and never in netstring
	numbers     numbers
	lost        uint64        // messages that it can't send again, of which nobody was told yet
	lostWhy     string        // as it says of the last one
	tellAt      time.Duration // before that nobody is told
}

func (p *peer) present() bool { return p.state != Unheard && p.state != Dead }

// A drop is a reason not to look at a packet.
type drop uint8

const (
	dropUnreadable drop = 0
	dropStranger   drop = 1 // a node that ha.cf does not have
	dropOld        drop = 2 // of an earlier run of the peer
	dropUnlinked   drop = 3 // of a dead peer: only a status brings it back
	dropDuplicate  drop = 4 // came over another medium, or was resent twice
	dropReasons    drop = 5
)

// ignore counts a packet that is dropped. It is logged each time the count has doubled: what a stranger sends must not
// fill the log.
func (c *Core) ignore(why drop, format string, args ...any) {
	c.drops[why]++
	if n := c.drops[why]; format != "" && n&(n-1) == 0 {
		c.notef(format+" (%d so far)", append(args, n)...)
	}
}

func (c *Core) receive(data []byte, medium string) {
	packet, err := hbwire.DecodeIn(c.fields, data)
	if err == nil {
		err = c.cfg.Keys.Verify(packet)
	}
	e := &c.envelope
	if err == nil {
		c.fields = packet.Message
		err = e.Open(packet.Message)
	}
	if err != nil {
		c.ignore(dropUnreadable, "packet on %s dropped: %v", medium, err)
		return
	}
	switch {
	case e.Source == c.cfg.Node && e.SourceUUID != (hbwire.UUID{}) && e.SourceUUID != c.cfg.UUID:
		c.ignore(dropStranger, "packet on %s dropped: another machine calls itself %s", medium, c.cfg.Node)
		return
	case e.Source == c.cfg.Node:
		c.hearLink(e.Source, medium)
		return
	case e.Source != c.cfg.Peer && (c.peer.uuid == hbwire.UUID{} || e.SourceUUID != c.peer.uuid):
		c.ignore(dropStranger, "packet on %s dropped: it is from %.40q, want %s as in ha.cf", medium, e.Source, c.cfg.Peer)
		return
	case e.Generation < c.peer.generation && !planted.On(planted.OldPacketsCount):
		c.ignore(dropOld, "packet of %s dropped: its generation %d is older than %d, which was heard before; "+
			"if its hb_generation was restored from a copy, set it higher", c.cfg.Peer, e.Generation, c.peer.generation)
		return
	}
	c.hearLink(c.cfg.Peer, medium)
	c.hearEncoding(packet.Encoding)
	if !c.admit(packet.Message, e) {
		return
	}
	if c.isForUs(packet.Message, e) {
		c.deliver(packet.Message, e)
	}
	if hbwire.Sequenced(packet.Message.Text(hbwire.FieldType)) {
		c.acknowledge()
	}
}

func (c *Core) hearEncoding(e hbwire.Encoding) {
	switch {
	case e != hbwire.Classic:
		c.peer.onlyClassic = false
	case c.peer.generation == 0 && !c.peer.present():
		c.peer.onlyClassic = true
	}
}

// admit says whether a packet is new, and notices a peer that is new, restarted or back.
//
// Heartbeat lets a status alone start a new generation. Any sequenced message does so here: otherwise one that follows
// a lost status would be dropped, and its number never asked for.
func (c *Core) admit(m hbwire.Message, e *hbwire.Envelope) bool {
	p := &c.peer
	kind := m.Text(hbwire.FieldType)
	isStatus := kind == hbwire.MsgStatus
	if !hbwire.Sequenced(kind) {
		return e.Generation == p.generation && p.present()
	}
	switch {
	case p.state == Unheard, p.state == Dead && p.generation == 0:
		c.meet(e, false)
	case e.Generation > p.generation:
		c.meet(e, true)
	case p.state == Dead && isStatus && e.Seq > p.statusSeq:
		p.state, p.heardAt, p.numbers = Up, c.now, numbers{}
		c.emit(Effect{Kind: PeerHealed})
	case p.state == Dead:
		c.ignore(dropUnlinked, "")
		return false
	}
	isNew, lost := p.numbers.take(e.Seq, c.resendDelay)
	if lost > 0 {
		p.lost, p.lostWhy = p.lost+lost, "more than can be asked for"
	}
	if !isNew {
		c.ignore(dropDuplicate, "")
	}
	return isNew
}

// meet forgets what was known of the peer: it is heard for the first time, or has restarted. The first that it hears
// of this node must be a status: a Heartbeat that hears anything else first goes on as if there were no other node.
func (c *Core) meet(e *hbwire.Envelope, restarted bool) {
	c.peer = peer{
		state: Init, generation: e.Generation, heardAt: c.now, deadtime: c.cfg.Deadtime,
		uuid: c.peer.uuid, onlyClassic: c.peer.onlyClassic,
	}
	c.nodesCame = false
	c.askNodes = c.now
	c.beat()
	c.emit(Effect{Kind: PeerUp, Restarted: restarted})
}

// isForUs compares the uuid if there is one, else the name: a node may have been renamed.
func (c *Core) isForUs(m hbwire.Message, e *hbwire.Envelope) bool {
	if e.DestUUID != (hbwire.UUID{}) {
		return e.DestUUID == c.cfg.UUID
	}
	dest := m.Text(hbwire.FieldDest)
	return dest == "" || strings.EqualFold(dest, c.cfg.Node)
}

func (c *Core) deliver(m hbwire.Message, e *hbwire.Envelope) {
	if e.SourceUUID != (hbwire.UUID{}) && e.SourceUUID != c.peer.uuid {
		if c.peer.uuid != (hbwire.UUID{}) {
			c.notef("%s has a new uuid", c.cfg.Peer)
		}
		c.peer.uuid = e.SourceUUID
	}
	switch m.Text(hbwire.FieldType) {
	case hbwire.MsgStatus:
		c.hearStatus(m, e)
	case hbwire.MsgAskNodes:
		c.tellNodes()
	case hbwire.MsgNodes:
		c.hearNodes(m)
	case hbwire.MsgResend:
		c.resend(m)
	case hbwire.MsgAck:
		if seq, err := m.Hex(hbwire.FieldAckSeq); err == nil {
			c.sent.ack(seq)
		}
	case hbwire.MsgCannotResend:
		if seq, err := m.Hex(hbwire.FieldFirstSeq); err == nil && c.peer.numbers.drop(seq) {
			if why := m.Text(hbwire.FieldInfo); why != replaced {
				c.peer.lost++
				c.peer.lostWhy = why
			}
			c.acknowledge()
		}
	case hbwire.MsgPing:
	default:
		c.emit(Effect{Kind: Heard, Message: m.Clone()})
	}
}

// tellLost says what the peer can't send again: once in a keepalive at most, since it is asked for all that counts then,
// and what it answers may be lost as well.
func (c *Core) tellLost() {
	p := &c.peer
	if p.lost == 0 || !p.present() || c.now < p.tellAt {
		return
	}
	c.emit(Effect{Kind: Note, Lost: true, Text: fmt.Sprintf(
		"%d messages of %s are lost for good: %.40q", p.lost, c.cfg.Peer, p.lostWhy)})
	p.lost, p.tellAt = 0, c.now+c.cfg.Keepalive
}

// hearStatus is the one place that keeps the peer alive.
func (c *Core) hearStatus(m hbwire.Message, e *hbwire.Envelope) {
	p := &c.peer
	if e.Seq < p.statusSeq && e.Time < p.statusTime {
		return // resent: it says nothing about now
	}
	p.pace.hear(c.now-p.heardAt, c.cfg.Keepalive)
	if p.late {
		c.notef("%s is heard again after %v; heartbeats vary by %v, and a deadtime of %v would keep clear of the longest "+
			"silence so far", c.cfg.Peer, (c.now - p.heardAt).Round(time.Millisecond), p.pace.jitter.Round(time.Millisecond),
			p.pace.deadtime(c.cfg.Keepalive))
	}
	p.heardAt, p.late = c.now, false
	if e.Seq > p.statusSeq {
		p.state = stateOf(m.Text(hbwire.FieldStatus), p.state)
		p.statusSeq, p.statusTime = e.Seq, e.Time
	}
	if ms, err := m.Hex(hbwire.FieldDeadtime); err == nil && ms > 0 && ms <= uint64(longestDeadtime/time.Millisecond) {
		p.deadtime = time.Duration(ms) * time.Millisecond
	}
	if _, ok := m.Get(hbwire.FieldProtocol); !ok && !p.old {
		p.old = true
		c.notef("%s speaks like Heartbeat 1.2: uuids, deadtime and acknowledgements are left out from now on", c.cfg.Peer)
	}
}

// longestDeadtime is the most that a peer may ask for; beyond it the message is taken for damaged.
const longestDeadtime = 24 * time.Hour

func stateOf(word string, before State) State {
	switch word {
	case "init":
		return Init
	case "up":
		return Up
	case "active":
		return Active
	default:
		return before
	}
}
