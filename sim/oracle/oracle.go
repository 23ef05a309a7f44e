// Package oracle judges a simulated pair of nodes by what it promises: one
// file for each promise of the design, and a count for each of how often it
// really compared something.
//
//	1, 2  ledger.go, promotion.go   acknowledged writes survive, reads are linearizable
//	3     equal.go                  after a resync both copies are equal
//	4     marks.go                  what differs is marked
//	5     promotion.go, resync.go   stale data never wins by itself
//	7, 8  order.go                  one guest, and every step in its order
//	10    converge.go               when faults end, all is well again
//	12    bounds.go                 nothing grows, nothing leaks
package oracle

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/witnesswire"
	"github.com/optionc/pollux/sim/world"
)

// The promises, in the words of the design.
const (
	promise1  = "1: an acknowledged write survives"
	promise2  = "2: a read returns the newest write"
	promise3  = "3: after a resync both copies are equal"
	promise4  = "4: what may differ is marked"
	promise5  = "5: stale data never wins by itself"
	promise6  = "6: no error reaches the guest while there is a good copy"
	promise7  = "7: a guest runs on at most one node"
	promise8  = "8: every step in its order"
	promise9  = "9: a node that crashed starts nothing before it has heard from its peer, the witness or an operator"
	promise10 = "10: when faults end, the cluster reaches its stable state"
	promise12 = "12: nothing grows without bound"
)

// Rules say which promises a run is held to.
type Rules struct {
	// Protocol is the wire protocol: what an acknowledgement means.
	Protocol drbdwire.WireProtocol
	// Apart: the nodes may be cut off from each other altogether, or pause. A
	// pair without witness and fencing then accepts that both run the guest.
	Apart bool
	// GoesOn is how long a node that started and does not find its peer waits at
	// least before it uses its data, as configured. It may be old then. 0 is for ever.
	GoesOn time.Duration
	// AfterSB0 and AfterSB1 decide whose writes are given up in a split brain that
	// is noticed while none or one of the nodes is Primary.
	AfterSB0, AfterSB1 drbdwire.AfterSB
	// Fenced: a Primary that loses its peer waits until that is fenced off. Then
	// no pair accepts any of this, whatever happens between the nodes; but for a node
	// that has started and heard of no peer for GoesOn. It may have been switched off
	// itself, while the peer went on; its files say that it does not wait longer.
	Fenced bool
	// Leased: a node runs the guest with a lease alone. Then one that can't stop
	// it is frozen.
	Leased bool
	// Stops: programs do what they should, so quickly that a node stops its guest
	// before its Lease ends.
	Stops bool
	Lease time.Duration
	// Shot: nobody starts anything in place of a peer that was not switched off.
	Shot bool
	// PassesOn: errors of the only good copy's disk reach its users.
	PassesOn bool
	// First is what the sectors of the first node's disk hold at the beginning:
	// if the disks differ, that one is made good by force.
	First uint64
}

// Counts tell how often each promise was put to the test.
type Counts struct {
	Writes, Reads           int // acknowledged and checked
	Refused                 int // requests that failed: no good copy was left
	Alone                   int // of the writes, those that one node alone has
	Promotions              int // each compares a whole disk
	Accepted                int // promotions that lost writes of a Primary that had gone on alone, unknown to the new one
	Early                   int // the same, of protocols A and B
	Forks                   int // histories that went apart
	Resyncs                 int
	Verified                int // blocks that an online verify compared
	Found                   int // sectors that disks had lied about, and that a verify found
	Compared                int // sectors that had to be equal, and were
	Marked                  int // blocks that differed, and were marked
	MarkChecks, EqualChecks int
	Starts, Stops           int // of tools, checked for their order
	Frozen                  int // of the starts, those while a frozen guest was left on the other node
	Bounds                  int
	Rotten                  int // blocks that changed by themselves, and were found
}

// Add sums up.
func (c *Counts) Add(o Counts) {
	c.Writes += o.Writes
	c.Reads += o.Reads
	c.Refused += o.Refused
	c.Alone += o.Alone
	c.Promotions += o.Promotions
	c.Accepted += o.Accepted
	c.Early += o.Early
	c.Forks += o.Forks
	c.Resyncs += o.Resyncs
	c.Verified += o.Verified
	c.Found += o.Found
	c.Compared += o.Compared
	c.Marked += o.Marked
	c.MarkChecks += o.MarkChecks
	c.EqualChecks += o.EqualChecks
	c.Starts += o.Starts
	c.Stops += o.Stops
	c.Frozen += o.Frozen
	c.Bounds += o.Bounds
	c.Rotten += o.Rotten
}

// Oracle watches one world.
type Oracle struct {
	Counts Counts

	w      *world.World
	rules  Rules
	moment uint64
	// regs are the histories that each node's copy belongs to: one and the same
	// as long as no node went on without the writes of the other.
	regs  [2]*register
	reads []*Read
	// writesSpare and readsSpare are those that nobody uses any more.
	writesSpare []*Write
	readsSpare  []*Read
	// parted is what the users of node went found on their disk when their history
	// went its own way, at that moment. Writes of the others' that were under way
	// then and are there belong to both histories, whenever they are acknowledged.
	parted []uint64
	went   int
	at     uint64
	alone  map[uint64]bool // versions that were acknowledged, or shown, by one node alone
	lost   map[uint64]bool // versions whose users were told nothing
	nodes  [2]sight
	// powerLost: some disk has lost its cache, where protocols A and B keep
	// what was acknowledged.
	powerLost bool
	// Blocks that somebody writes, for the comparison that is running: by their
	// number, and listed.
	busy       []bool
	busyBlocks []int
	rotten     []int // blocks that changed by themselves, and were not compared since
	foundMarks bool  // a verify has found what differs, and no resync has begun since
}

// sight is what was seen of one node.
type sight struct {
	state     drbdwire.State
	broke     time.Duration  // when its connection to a Primary ended
	watching  bool           // it has not been connected since
	evidence  bool           // it was told, or could tell, that the Primary went on
	known     bool           // that was so when it was promoted
	restarted bool           // since it was connected
	up        time.Duration  // when it was first seen after that
	met       drbdwire.State // in which the last handshake left it
	ahead     int            // writes that it alone acknowledged since the histories went apart
	heard     bool           // it was given a datagram since it came up
	vouched   bool           // an operator told it to go on since it came up
	witnessed bool           // the witness gave it the lease since, and said that nobody has newer data
	discard   bool           // an operator gave its data up
	begun     bool           // it was Primary without its peer since the two were connected: it has a generation of its own
	marked    int            // how many blocks differed and were marked when its online verify began
}

// New watches w from its beginning.
func New(w *world.World, rules Rules) *Oracle {
	o := &Oracle{w: w, rules: rules, moment: 1, alone: map[uint64]bool{}, lost: map[uint64]bool{}}
	sectors := len(w.Node(0).Data())
	o.regs[0] = newRegister(sectors, rules.First)
	for s := int(w.Node(0).Layout().DataSectors); s < sectors; s++ {
		o.regs[0].base[s] = anything
	}
	o.regs[1] = o.regs[0]
	o.busy = make([]bool, sectors/blockSectors+1)
	return o
}

const blockSectors = 8

func name(n int) string { return world.Name(n) }

// Vouched notes that an operator ordered node n to go on by force.
func (o *Oracle) Vouched(n int) { o.nodes[n].vouched = true }

// Discards notes that an operator gave up the data of node n.
func (o *Oracle) Discards(n int) { o.nodes[n].discard = true }

// isAlone tells whether a write that node n acknowledges now is not on its
// peer's disk.
func (o *Oracle) isAlone(n int) bool {
	s := o.w.Node(n).State()
	return s.Conn < drbdwire.Connected || s.PeerDisk < drbdwire.Inconsistent
}

// Stepped follows the state of a replica.
func (o *Oracle) Stepped(n int) {
	at := &o.nodes[n]
	old, now := at.state, o.w.Node(n).State()
	at.state = now
	was, is := old.Conn >= drbdwire.Connected, now.Conn >= drbdwire.Connected
	if is && old.Conn <= drbdwire.Connected {
		at.met = now
	}
	if old == (drbdwire.State{}) {
		at.up = o.w.Now()
	}
	at.begun = (at.begun || now.Role == drbdwire.Primary && !is) && now.Conn != drbdwire.Connected
	switch {
	case is && !was:
		at.discard = at.discard && (now.Conn == drbdwire.WFBitMapT || isTarget(now.Conn)) // else its data was wanted
		at.watching, at.evidence, at.restarted = false, false, false
	case was && !is && old.Peer == drbdwire.Primary:
		at.watching, at.broke = true, o.w.Now()
	}
	if now.Role == drbdwire.Primary && old.Role != drbdwire.Primary {
		at.known = at.evidence
	}
	if is && now.Role == drbdwire.Primary && now.Peer == drbdwire.Primary {
		o.w.Fail(promise7, "%s and its peer are connected as two Primaries", name(n))
	}
	if isTarget(now.Conn) && !isTarget(old.Conn) {
		o.resyncBegins(n)
	}
	if now.Conn == drbdwire.VerifyS && old.Conn != drbdwire.VerifyS {
		at.marked = o.differingMarks()
	}
	if old.Conn == drbdwire.VerifyS && now.Conn != drbdwire.VerifyS {
		o.verified(n)
	}
	if now.Conn == drbdwire.Connected && old.Conn != drbdwire.Connected {
		o.Equal(false)
	}
}

func isTarget(c drbdwire.ConnState) bool {
	return c == drbdwire.SyncTarget || c == drbdwire.PausedSyncT
}

// Arrived notes what a node could conclude from a datagram: that a Primary
// whose connection broke goes on.
func (o *Oracle) Arrived(n int, data []byte) {
	at := &o.nodes[n]
	at.heard = true
	if !at.watching || at.evidence {
		return
	}
	late := o.w.Now() > at.broke+time.Second && bytes.Contains(data, []byte("t=status"))
	at.evidence = late || bytes.Contains(data, []byte("t=pollux_alone"))
}

// Answered notes that the witness has opened the gate of a node that crashed.
// Whether that was right, Exposed judges.
func (o *Oracle) Answered(n int, a witnesswire.Answer) {
	for _, g := range a.Groups {
		if g.Verdict == witnesswire.Granted|witnesswire.Vouched {
			o.nodes[n].witnessed = true
		}
	}
}

// Down follows a crash.
func (o *Oracle) Down(n int, power bool) {
	o.powerLost = o.powerLost || power
	at := &o.nodes[n]
	at.restarted, at.heard, at.vouched, at.witnessed = true, false, false, false
	at.watching = at.watching && at.evidence // else its disk does not tell that the connection has ended first
	at.state = drbdwire.State{}
}

func (r *register) describe(s int) string {
	if len(r.open[s]) == 0 {
		return fmt.Sprintf("version %d", r.base[s])
	}
	var text strings.Builder
	text.WriteString("one of the versions")
	for _, c := range r.open[s] {
		fmt.Fprintf(&text, " %d", c.value)
		if c.ended == 0 {
			text.WriteString(" (under way)")
		}
	}
	return text.String()
}
