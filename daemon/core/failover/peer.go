package failover

import (
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// peer is what is known of the other node.
type peer struct {
	present  bool // heard, and not dead
	left     bool // it said that everything is stopped there
	leaving  bool // it is stopping everything
	giving   bool // it is stopping some groups
	legacy   bool // it never says what it holds
	legacyAt time.Duration
	known    bool // it has said what it holds since it came up
	stable   bool
	detailed bool   // it sends px_groups
	seq      uint64 // of the newest message that says what it holds
	holds    Set    // as it names it
	claims   groupSet
	letters  string
	fit      string
}

// A lifetime is what is known of a Heartbeat from one start of it to the next, over cuts and deaths.
type lifetime struct {
	holds Set // as it said last; All before it has said anything
	// took: it has taken this node's groups without being given them, so it has counted this node as dead. After a cut it
	// restarts itself when it hears this node again; after it was frozen it does not. Source: Heartbeat wire, section 8.9.
	took bool
	// nudge is when it is asked again what it holds while groups run on both nodes; 0: never. It is told then that this
	// node is at rest, and gives back what it has not given before.
	nudge time.Duration
}

// noticeTakeover compares what a Heartbeat holds with what it held before.
func (c *Core) noticeTakeover() {
	p, l := &c.peer, &c.life
	if !p.detailed && p.holds&Foreign != 0 && l.holds&Foreign == 0 && c.exchange.phase == noExchange && !l.took {
		l.took = true
		c.notef("%s has counted this node as dead and taken its groups; after a cut a Heartbeat restarts itself", c.cfg.Peer)
	}
	l.holds = p.holds
}

// absent says whether the peer can hold nothing: it is dead, or has left. Before it is heard or given up it is neither,
// but then there is no communication either, and nothing starts.
func (p *peer) absent() bool { return !p.present || p.left }

// verdict says whether the peer, as preferred node, keeps a group that both hold.
func (p *peer) verdict(i int) bool {
	return i < len(p.letters) && p.letters[i] >= 'A' && p.letters[i] <= 'Z'
}

// stillStops says whether what the peer no longer claims may still run there: a Heartbeat says that it holds nothing before
// it begins to stop. Source: Heartbeat wire, sections 8.5 and 8.8.
func (p *peer) stillStops() bool { return !p.detailed && (p.leaving || p.giving) }

// runs says whether all of a group is confirmed to run there.
func (p *peer) runs(i int) bool {
	return i < len(p.letters) && (p.letters[i] == 'r' || p.letters[i] == 'R')
}

func (p *peer) failed(i int) bool   { return i < len(p.letters) && p.letters[i] == 'f' }
func (p *peer) fitFor(i int) bool   { return i < len(p.fit) && p.fit[i] == '1' }
func (p *peer) stopping(i int) bool { return i < len(p.letters) && p.letters[i] == 'p' }

// hearPeer forgets what was known of a peer that has restarted, or was out of reach. It is asked what it holds at the
// time ask, unless it says so before.
func (c *Core) hearPeer(ask time.Duration, how string) {
	c.notef("%s %s", c.cfg.Peer, how)
	c.cancel(c.cfg.Peer + " " + how)
	c.peer, c.fence = peer{present: true}, fencing{}
	for i := range c.groups {
		c.groups[i].owed, c.groups[i].allowed, c.groups[i].ordered = false, false, false
	}
	c.askAt = ask
	c.mustReport = true
}

// losePeer gives everything that the peer had to this node.
func (c *Core) losePeer(silent time.Duration) {
	c.notef("%s is dead: silent for %v", c.cfg.Peer, silent.Round(time.Millisecond))
	c.cancel(c.cfg.Peer + " died")
	c.peer = peer{}
	c.inherit()
}

func (c *Core) hearShutdone() {
	c.notef("%s has stopped everything and leaves", c.cfg.Peer)
	c.cancel(c.cfg.Peer + " leaves")
	c.peer.left, c.peer.claims, c.peer.stable, c.crashed = true, groupSet{}, false, false
	c.fence = fencing{off: true}
	c.inherit()
}

// inherit tries again what had failed here while the peer could do it.
func (c *Core) inherit() {
	c.goback.wanted = c.cfg.returns()
	for i := range c.groups {
		c.groups[i].failed, c.groups[i].handed = "", false
	}
}

// hearResource takes a report. Reports overtake each other; an older one says nothing about now.
func (c *Core) hearResource(m hbwire.Message) {
	set, err := ParseSet(m.Text(hbwire.FieldHolds))
	if err != nil {
		c.notef("report of %s ignored: %v", c.cfg.Peer, err)
		return
	}
	if !c.newer(m) {
		return
	}
	p := &c.peer
	switch {
	case m.Text(hbwire.FieldReport) == "full":
		if !p.known {
			c.notef("%s holds %v groups", c.cfg.Peer, set)
		}
		p.holds, p.known, c.crashed = set, true, false
	case set == None:
		p.holds = None
	default:
		p.holds |= set
	}
	info := m.Text(hbwire.FieldInfo)
	p.leaving, p.giving = info == "shutdown", info == "standby" && m.Text(hbwire.FieldStable) == "0"
	c.hearGroups(m)
	if p.detailed {
		c.hearMaintenance(m.Text(fieldMaintenance))
	}
	c.noticeTakeover()
	switch m.Text(hbwire.FieldStable) {
	case "1":
		if !p.stable {
			p.stable, c.mustReport = true, true
		}
	case "0":
		p.stable = false
	}
}

// newer says whether a message that tells what the peer holds is the newest of them.
func (c *Core) newer(m hbwire.Message) bool {
	seq, err := m.Hex(hbwire.FieldSeq)
	if err != nil || seq < c.peer.seq {
		return false
	}
	c.peer.seq = seq
	return true
}

// hearGroups reads what the peer says of each group, or what follows from Heartbeat's word for all.
func (c *Core) hearGroups(m hbwire.Message) {
	p := &c.peer
	letters, fit := m.Text(fieldGroups), m.Text(fieldFit)
	if letters != "" && len(letters) != len(c.groups) {
		c.notef("%s has %d lines in haresources and this node %d: they must be the same; who holds what is told by set",
			c.cfg.Peer, len(letters), len(c.groups))
		letters, fit = "", ""
	}
	p.detailed, p.letters, p.fit = letters != "", letters, fit
	if !p.detailed {
		p.claims = c.members(p.holds.turned())
		return
	}
	p.claims = groupSet{}
	for i := range letters {
		switch letters[i] {
		case '-', 'w', 'f':
		default:
			p.claims.add(i)
		}
	}
}
