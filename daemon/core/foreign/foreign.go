// Package foreign stands in for a replica whose disk another engine
// replicates: the kernel's DRBD, on a site that keeps the module. It knows the
// resource by what is seen of it, hands orders on, and answers the questions
// that the failover core asks about every resource, by the same rules: the
// order in which groups start and stop does not depend on the engine.
//
//	administrator, failover --order--> foreign --Delegate--> drbdadm
//	                                      ^  ^                  |
//	                                      |  +---- Delegated ---+
//	                  drbdsetup events2 --+ Observed
//
// One rule is stricter than the kernel's own. The kernel calls a disk UpToDate
// as soon as it is attached, and leaves the waiting for the peer to an init
// script. Here the disk is Consistent until the peer was met or the start-up
// wait is over, as with pollux's own engine.
package foreign

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Resource is what is known of a resource that another engine replicates.
type Resource struct {
	cfg replica.Config
	now time.Duration
	out []replica.Effect

	seen       drbdwire.State // what the engine says
	told       drbdwire.State // what was last told
	generation uint64
	size       uint64 // sectors
	marked     uint64 // KiB that may differ from the peer's
	progress   resync.Progress
	known      bool // the engine was seen at all
	met        bool // the peer, or the end of the wait for it, since the disk came up
	until      time.Duration

	order   uint64 // that is being carried out
	ordered bool
	note    string
}

// New makes a resource of which nothing has been seen.
func New(cfg replica.Config) *Resource {
	r := &Resource{cfg: cfg, until: replica.Never}
	r.seen = drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown}
	r.told = r.seen
	return r
}

// Step applies one input and appends what must be done about it to out.
func (r *Resource) Step(now time.Duration, in replica.Input, out []replica.Effect) []replica.Effect {
	r.now, r.out = now, out
	switch in.Kind {
	case replica.Observed:
		r.observe(in)
	case replica.Order:
		r.command(in)
	case replica.Delegated:
		r.delegated(in)
	case replica.Tick:
		if now >= r.until {
			r.met, r.until = true, replica.Never
			r.tell("waited as long as configured for the peer")
		}
	default: // of an engine of pollux's own; the kernel keeps to resync-after by itself
	}
	out, r.out = r.out, nil
	return out
}

// observe takes what is seen of the engine.
func (r *Resource) observe(in replica.Input) {
	was := r.seen.Conn
	r.known, r.generation, r.size, r.marked = true, in.ID, in.Sector, in.Marked
	r.seen = drbdwire.UnpackState(in.State)
	r.wait()
	blocks := in.Marked * 1024 / resync.BlockSize
	switch {
	case resyncs(r.seen.Conn) && !resyncs(was):
		r.progress = resync.NewProgress(r.now, blocks)
	case resyncs(r.seen.Conn):
		r.progress.Update(r.now, blocks)
	}
	why := "seen"
	if in.Text != "" {
		r.note = "the kernel's DRBD has given the peer up: " + in.Text
		why = r.note
	}
	r.tell(why)
}

// resyncs tells whether blocks are copied, or will be when a pause is over.
func resyncs(c drbdwire.ConnState) bool {
	switch c {
	case drbdwire.SyncSource, drbdwire.SyncTarget, drbdwire.PausedSyncS, drbdwire.PausedSyncT:
		return true
	default:
		return false
	}
}

// wait keeps the account of who was met since the disk came up.
func (r *Resource) wait() {
	s := r.seen
	switch {
	case s.Disk < drbdwire.Inconsistent:
		r.met, r.until = false, replica.Never
	case s.Conn >= drbdwire.Connected || s.Role == drbdwire.Primary || s.PeerDisk == drbdwire.Outdated:
		r.met, r.until = true, replica.Never
	case !r.met && r.until == replica.Never && r.cfg.WFCTimeout > 0:
		r.until = r.now + r.cfg.WFCTimeout
	}
}

func (r *Resource) tell(why string) {
	s := r.State()
	if s == r.told {
		return
	}
	r.told = s
	r.out = append(r.out, replica.Effect{Kind: replica.Changed, State: s.Pack(), Text: fmt.Sprintf(
		"%s %s/%s %s/%s: %s", s.Conn, s.Role, s.Peer, s.Disk, s.PeerDisk, why)})
}

// command hands an order on. One is carried out at a time.
func (r *Resource) command(in replica.Input) {
	answer := replica.Effect{Kind: replica.Answer, ID: in.ID, Code: drbdwire.Success}
	switch {
	case in.Order == replica.OrderShutdown: // the engine goes on without this daemon
		r.out = append(r.out, answer)
		return
	case r.ordered:
		answer.Code, answer.Text = drbdwire.InTransientState, "another order is being carried out"
		r.out = append(r.out, answer)
		return
	case in.Order == replica.OrderPrimary && r.seen.Role != drbdwire.Primary:
		if code, why := r.MayPromote(in.Force); code < drbdwire.Success {
			r.note, answer.Code, answer.Text = why, code, why
			r.out = append(r.out, answer)
			return
		}
	}
	r.order, r.ordered = in.ID, true
	r.out = append(r.out, replica.Effect{Kind: replica.Delegate, Order: in.Order, Force: in.Force, ID: in.ID})
}

// delegated answers the order with what the engine made of it.
func (r *Resource) delegated(in replica.Input) {
	if !r.ordered || in.ID != r.order {
		return
	}
	r.ordered = false
	code := drbdwire.Code(in.Exit)
	if code < drbdwire.Success {
		r.note = in.Text
	}
	r.out = append(r.out, replica.Effect{Kind: replica.Answer, ID: in.ID, Code: code, Text: in.Text})
}

// Deadline is the time at which a Tick is wanted.
func (r *Resource) Deadline() time.Duration { return r.until }

// Recycle has nothing to give back.
func (r *Resource) Recycle() {}

// State is what the engine says, but for a disk that only the peer can vouch
// for.
func (r *Resource) State() drbdwire.State {
	s := r.seen
	if !r.met && s.Disk == drbdwire.UpToDate {
		s.Disk = drbdwire.Consistent
	}
	return s
}

// Generation is the identifier of the current data, without the mark of a
// Primary.
func (r *Resource) Generation() uint64 { return r.generation &^ 1 }

// Opening is false: the kernel's device is always there.
func (r *Resource) Opening() bool { return false }

// Ordered tells whether an order is being carried out: another is refused meanwhile.
func (r *Resource) Ordered() bool { return r.ordered }

// LostOnlyCopy is false: what is seen of the kernel's does not tell.
func (r *Resource) LostOnlyCopy() bool { return false }

// MayPromote tells whether a promotion would be refused, and why.
func (r *Resource) MayPromote(force bool) (drbdwire.Code, string) {
	s := r.State()
	switch {
	case !r.known:
		return drbdwire.NoUpToDateDisk, "the kernel's DRBD was not heard yet"
	case s.Conn == drbdwire.WFReportParams || s.Disk == drbdwire.Attaching || s.Disk == drbdwire.Negotiating:
		return drbdwire.InTransientState, "the handshake with the peer, or the attach of the disk, is not over"
	case s.Peer == drbdwire.Primary:
		return drbdwire.TwoPrimaries, "the peer is Primary"
	case s.Disk == drbdwire.UpToDate, force && s.Disk >= drbdwire.Inconsistent,
		s.Disk == drbdwire.Diskless && s.Conn >= drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate:
		return drbdwire.Success, ""
	case s.Disk == drbdwire.Consistent:
		return drbdwire.NoUpToDateDisk, "this node has not heard from its peer since it started, which may have newer data"
	case s.Disk == drbdwire.Outdated:
		return drbdwire.NoUpToDateDisk, "the peer went on without this node and has newer data"
	default:
		return drbdwire.NoUpToDateDisk, fmt.Sprintf("the disk is %s", s.Disk)
	}
}

// Status describes the resource as it is now.
func (r *Resource) Status() replica.Status {
	s := replica.Status{
		Name: r.cfg.Name, State: r.State(), Protocol: r.cfg.Protocol, Size: r.size, Note: r.note,
		UUIDs: drbdmeta.UUIDs{Current: r.generation}, OutOfSync: r.marked,
	}
	if resyncs(r.seen.Conn) {
		report := r.progress.Report(r.now)
		s.Resync = &report
	}
	return s
}
