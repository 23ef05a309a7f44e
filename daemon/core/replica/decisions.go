package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// maxDecisions bounds the decisions that a resource remembers.
const maxDecisions = 64

// What a decision was about.
const (
	aboutHandshake = "handshake"
	aboutLink      = "connection"
	aboutData      = "own data"
	aboutBitmap    = "bitmap"
	aboutResync    = "resync"
	aboutVerify    = "online verify"
)

// Decision is one thing that a replica decided: what about, what came of it, by
// which rule and on what evidence.
type Decision struct {
	// Number counts the decisions of this resource, from 1.
	Number uint64
	// At is when it was taken last, on the node's clock.
	At time.Duration
	// Times is how often it was taken since the last one about the same thing
	// that differed.
	Times                        int
	About, Outcome, Rule, Inputs string
}

// String is the decision in one line.
func (d Decision) String() string {
	text := d.About + " " + d.Outcome
	if d.Rule != "" {
		text += ": " + d.Rule
	}
	if d.Inputs != "" {
		text += " [" + d.Inputs + "]"
	}
	return text
}

// decided remembers a decision, and tells the log. One that was taken before
// with the same outcome, by the same rule and on the same evidence is counted
// and not told again: a handshake that fails on every try is named once.
func (r *Resource) decided(about, outcome, rule, inputs string) {
	d := Decision{
		Number: 1, At: r.now, Times: 1, About: about, Outcome: outcome, Rule: rule, Inputs: inputs,
	}
	if n := len(r.decisions); n > 0 {
		d.Number = r.decisions[n-1].Number + 1
	}
	for i, o := range slices.Backward(r.decisions) {
		if o.About != about {
			continue
		}
		if o.Outcome == outcome && o.Rule == rule && o.Inputs == inputs {
			d.Times = o.Times + 1
			r.decisions = append(r.decisions[:i], r.decisions[i+1:]...)
		}
		break
	}
	if len(r.decisions) >= maxDecisions {
		r.decisions = append(r.decisions[:0], r.decisions[1:]...)
	}
	r.decisions = append(r.decisions, d)
	if d.Times == 1 {
		r.emit(Effect{Kind: Decided, Text: d.String()})
	}
}

// standing is the state as evidence of a decision.
func (r *Resource) standing() string {
	s := r.state
	return fmt.Sprintf("%s/%s %s %s/%s", s.Role, s.Peer, s.Conn, s.Disk, s.PeerDisk)
}

// both is what a handshake compares, as evidence.
func both(in *handshake.Input) string {
	return "own " + side(&in.Own) + "; peer " + side(&in.Peer)
}

func side(s *handshake.Side) string {
	u := s.UUIDs
	text := fmt.Sprintf("%016X:%016X:%016X:%016X bits:%d %s %s", u.Current, u.Bitmap, u.History0, u.History1, s.Dirty,
		s.Role, s.Disk)
	if s.CrashedPrimary {
		text += " crashed-primary"
	}
	if s.DiscardMyData {
		text += " discard-my-data"
	}
	return text
}

// outcome is where a handshake leads.
func outcome(d *handshake.Decision) string {
	switch {
	case d.GiveUp:
		return "given up"
	case d.Conn == drbdwire.WFBitMapS:
		return "this node is the source" + ofAll(d.FullSync)
	case d.Conn == drbdwire.WFBitMapT:
		return "this node is the target" + ofAll(d.FullSync)
	default:
		return "no resync"
	}
}

func ofAll(full bool) string {
	if full {
		return " of a full resync"
	}
	return " of a resync of the bitmap"
}

// String is the order's name, as an administrator gives it.
func (k OrderKind) String() string {
	names := [...]string{
		OrderAttach: "attach", OrderDetach: "detach", OrderConnect: "connect", OrderDisconnect: "disconnect",
		OrderPrimary: "primary", OrderSecondary: "secondary", OrderInvalidate: "invalidate",
		OrderInvalidateRemote: "invalidate-remote", OrderOutdate: "outdate", OrderShutdown: "shutdown",
		OrderSuspendIO: "suspend-io", OrderResumeIO: "resume-io", OrderPauseSync: "pause-sync",
		OrderResumeSync: "resume-sync", OrderVerify: "verify", OrderAbortVerify: "verify-abort", OrderResize: "resize",
		OrderNewCurrentUUID: "new-current-uuid", OrderAdjust: "adjust",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("order %d", uint8(k))
}
