package handshake

import (
	"fmt"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// RRConflict says what happens when a Primary with good data would have to
// become sync target (rr-conflict).
type RRConflict uint8

// The choices for rr-conflict. Source: DRBD 8.4 states, section 5.2.
const (
	RRDisconnect  RRConflict = 0 // part
	RRViolently   RRConflict = 1 // overwrite the data under the users' feet
	RRCallPriLost RRConflict = 2 // call the handler pri-lost, then part
)

// The handlers that a decision may ask for, by their names in drbd.conf.
const (
	HandlerInitialSplitBrain = "initial-split-brain"
	HandlerSplitBrain        = "split-brain"
	HandlerPriLost           = "pri-lost"
	HandlerPriLostAfterSB    = "pri-lost-after-sb"
)

// Input is all that the decision depends on. The policies are the same on both
// nodes: MatchProtocol saw to that for all but AlwaysASBP and RRConflict.
type Input struct {
	Own, Peer                    Side
	AfterSB0, AfterSB1, AfterSB2 drbdwire.AfterSB
	AlwaysASBP                   bool
	RRConflict                   RRConflict
	// InUse: this node is Primary and can't be demoted, because somebody has
	// the device open. Counts for call-pri-lost-after-sb.
	InUse bool
	// DryRun: one of the nodes only wants to know what would happen.
	DryRun bool
}

// Decision is what this node has to do now. The peer comes to the mirrored one.
type Decision struct {
	// Conn is the state to enter: Connected, WFBitMapS or WFBitMapT. It means
	// nothing if GiveUp is set.
	Conn drbdwire.ConnState
	// GiveUp: go StandAlone; during an attach instead: the new disk fails.
	GiveUp bool
	// FullSync: set all bits and write them down before entering Conn.
	FullSync bool
	// SplitBrain: both have changes that the other has not; also when a policy
	// or an order has solved it.
	SplitBrain bool
	// Demote: this Primary has to become Secondary before it enters Conn.
	Demote bool
	// Handlers to call, in this order, whatever else happens.
	Handlers []string
	// Result is where Compare's result has got to, Rule where it came from.
	Result, Rule int
	// Own and Peer are the identifiers to go on with, see Verdict.
	Own, Peer drbdmeta.UUIDs
	// Text is the reason in one sentence.
	Text string
}

// Decide goes from the comparison to what has to be done. Without data on both
// sides there is nothing to compare, and the nodes are just Connected.
//
// A source that missed the end of its resync is known also when it has gone on, see
// missedEnd. Where the copies have no common past it obeys discard-my-data; the kernel wants
// the metadata of one to be created anew. A copy that is Outdated is kept by no
// policy. And in one more thing it is more careful than the kernel: a split brain in which the
// bitmaps do not tell what differs (Compare gave -SplitBrain) ends in a full
// sync also when discard-my-data solved it. The peer gets all bits in the
// bitmap exchange, so it need not think alike.
//
// Source: DRBD 8.4 states, section 5.2.
func Decide(in Input) Decision {
	if in.Own.Disk < drbdwire.Negotiating || in.Peer.Disk < drbdwire.Negotiating {
		return Decision{
			Conn: drbdwire.Connected, Own: in.Own.UUIDs, Peer: in.Peer.UUIDs,
			Text: fmt.Sprintf("nothing to compare: the own disk is %v, the peer's %v", in.Own.Disk, in.Peer.Disk),
		}
	}
	verdict := Compare(in.Own, in.Peer)
	d := decider{
		in: in, result: verdict.Result, role: in.Own.Role,
		out: Decision{Rule: verdict.Rule, Own: verdict.Own, Peer: verdict.Peer, Text: verdict.Text},
	}
	d.missedEnd(verdict.Rule)
	if d.result <= Unrelated && !d.unrelated() {
		return d.giveUp("%s", d.out.Text)
	}
	d.diskStates()
	if planted.On(planted.SplitUnseen) && abs(d.result) == SplitBrain {
		d.result = FullSync
		if in.Own.Resolve {
			d.result = -FullSync
		}
	}
	if abs(d.result) == SplitBrain {
		d.splitBrain()
		if d.result == -SplitBrain {
			d.call(HandlerSplitBrain)
			return d.giveUp("split brain detected but unresolved: %s", d.out.Text)
		}
	}
	return d.enter()
}

// decider is a Decision on its way.
type decider struct {
	in     Input
	out    Decision
	result int
	role   drbdwire.Role // the own role, after a demotion that was decided
}

// missedEnd knows a source that crashed before it had noted the end of its resync, and has
// begun generations since, so that its history has lost the one that the target has from
// it. The target knows which resync that was, and has begun none: it is older. One that
// has crashed as a Primary may have told users more. The kernel's DRBD sees a split brain.
func (d *decider) missedEnd(rule int) {
	const noCommonGeneration = 100
	ended := func(source, target Side) bool {
		return MissedEnd(source.UUIDs, target.UUIDs) && !target.CrashedPrimary
	}
	switch {
	case rule != noCommonGeneration:
	case ended(d.in.Own, d.in.Peer):
		d.result, d.out.Text = FullSync, "this node was sync source, missed the end of the resync, and has gone on since"
	case ended(d.in.Peer, d.in.Own):
		d.result, d.out.Text = -FullSync, "the peer was sync source, missed the end of the resync, and has gone on since"
	}
}

// MissedEnd tells whether the target of a resync has had its end, and has gone on from there
// with nothing, while the source does not know that it is over.
func MissedEnd(source, target drbdmeta.UUIDs) bool {
	s, t := masked(source), masked(target)
	return s.Bitmap != 0 && s.Bitmap == t.History0 && t.Bitmap == 0
}

// unrelated asks the administrator's orders about copies without a common past,
// and tells whether they decide.
func (d *decider) unrelated() bool {
	own, peer := d.in.Own.DiscardMyData, d.in.Peer.DiscardMyData
	switch {
	case d.result != Unrelated || own && peer:
		return false
	case own:
		d.result = -FullSync
		d.out.Text += ", and this node's data are given up by order"
	case peer:
		d.result = FullSync
		d.out.Text += ", and the peer's data are given up by order"
	default:
		d.out.Text += "; to have one overwritten, connect its node with discard-my-data"
		return false
	}
	return true
}

// diskStates lets an Inconsistent disk lose, whatever the identifiers say.
func (d *decider) diskStates() {
	own, peer := d.in.Own.usable(), d.in.Peer.usable()
	lost := own == drbdwire.Inconsistent && peer > drbdwire.Inconsistent
	won := peer == drbdwire.Inconsistent && own > drbdwire.Inconsistent
	if !lost && !won {
		return
	}
	full := d.result == -SplitBrain || abs(d.result) == FullSync
	d.result, d.out.Text = BitmapSync, "the peer's disk is Inconsistent and this one is not"
	if lost {
		d.result, d.out.Text = -BitmapSync, "this disk is Inconsistent and the peer's is not"
	}
	if full {
		d.result *= 2
	}
}

// splitBrain asks the policies, then the administrator's orders.
func (d *decider) splitBrain() {
	d.out.SplitBrain = true
	d.call(HandlerInitialSplitBrain)
	incomparable := d.result == -SplitBrain
	if !incomparable || d.in.AlwaysASBP {
		d.result = d.policy()
		d.spareNewer()
	}
	if d.result == -SplitBrain {
		own, peer := d.in.Own.DiscardMyData, d.in.Peer.DiscardMyData
		switch {
		case own && !peer:
			d.result = -BitmapSync
			d.out.Text += ", and this node's changes are given up by order"
		case peer && !own:
			d.result = BitmapSync
			d.out.Text += ", and the peer's changes are given up by order"
		}
	}
	if incomparable && abs(d.result) < SplitBrain {
		d.result *= 2
	}
}

// spareNewer takes a policy's choice back that would keep a copy which is known to
// be old. Nobody wrote there since it was outdated; but generations that only
// interrupted resyncs have made can look like a split brain. The kernel does as
// the policy says.
func (d *decider) spareNewer() {
	own, peer := d.in.Own.usable(), d.in.Peer.usable()
	if d.result > 0 && own == drbdwire.Outdated && peer > drbdwire.Outdated ||
		-SplitBrain < d.result && d.result < 0 && peer == drbdwire.Outdated && own > drbdwire.Outdated {
		d.result = -SplitBrain
		d.out.Text += ", but the copy that it keeps is Outdated, and the other is not"
	}
}

// enter goes from who is source to the state, or gives up if that would
// destroy something. A Primary whose disk is only being attached has nothing to
// lose: it works with the peer's data already.
func (d *decider) enter() Decision {
	text, disk := d.out.Text, d.in.Own.usable()
	goodData := d.in.Own.Disk >= drbdwire.Consistent
	switch {
	case d.result > 0 && disk <= drbdwire.Inconsistent:
		return d.giveUp("this node should become sync source, but its disk is %v: %s", disk, text)
	case d.result < 0 && d.role == drbdwire.Primary && goodData && d.in.RRConflict != RRViolently:
		if d.in.RRConflict == RRCallPriLost {
			d.call(HandlerPriLost)
		}
		return d.giveUp("this node should become sync target, but it is Primary: %s", text)
	case d.in.DryRun:
		return d.giveUp("dry run, would become %v%s: %s", d.conn(), d.amount(), text)
	}
	d.out.Result = d.result
	d.out.Conn, d.out.FullSync = d.conn(), abs(d.result) >= FullSync
	return d.out
}

func (d *decider) conn() drbdwire.ConnState {
	switch {
	case d.result > 0:
		return drbdwire.WFBitMapS
	case d.result < 0:
		return drbdwire.WFBitMapT
	default:
		return drbdwire.Connected
	}
}

func (d *decider) amount() string {
	if abs(d.result) >= FullSync {
		return " for a full sync"
	}
	return ""
}

func (d *decider) giveUp(format string, args ...any) Decision {
	d.out.Result, d.out.GiveUp, d.out.Demote = d.result, true, false
	d.out.Text = fmt.Sprintf(format, args...)
	return d.out
}

func (d *decider) call(handler string) { d.out.Handlers = append(d.out.Handlers, handler) }

// usable is the disk state that the handshake goes by.
func (s Side) usable() drbdwire.DiskState {
	if s.Disk == drbdwire.Negotiating {
		return s.Found
	}
	return s.Disk
}

func abs(n int) int { return max(n, -n) }
