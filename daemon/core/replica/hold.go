package replica

import (
	"slices"
	"strings"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// hold is whether this node may serve its users at all: the machine says no
// when the lease of a group is about to end, or has ended.
type hold struct {
	on bool
	// failing: nothing uses the device any more that could be saved, so what
	// waits ends with an error, and the node can be demoted.
	failing bool
	ordered bool // an administrator has suspended I/O
}

// holdBack takes the machine's word. While it lasts no request of a user is
// carried out, and none alone; a request that both disks have is answered.
func (r *Resource) holdBack(in Input) {
	r.hold.on, r.hold.failing = in.Force, in.Force && in.Failed
	next := r.state
	next.Suspended = r.hold.on || r.hold.ordered
	r.set(next, in.Text)
}

// failWaiting ends what waits for the peer: it is not told as done.
func (r *Resource) failWaiting() {
	for i := range r.requests.list {
		q := &r.requests.list[i]
		if !q.started {
			q.started = true
		}
		r.tell(q)
	}
}

// Ahead tells whether this node's data has gone on without the peer's, as far
// as is on record here.
func (r *Resource) Ahead() bool { return r.hasChanges() }

// suspendIO lets users' requests wait until resume-io.
func (r *Resource) suspendIO() {
	next := r.state
	next.Suspended, r.hold.ordered = true, true
	r.set(next, "I/O suspended by order")
	r.finish(drbdwire.Success, "")
}

// resumeIO ends every wait of users' requests: what waited is done with what
// there is. Another order may wait for that, and goes on with what it has. Source: DRBD
// 8.4 states, section 8.6.
func (r *Resource) resumeIO() drbdwire.Code {
	next := r.state
	if !suspended(next) {
		return drbdwire.NothingToDo
	}
	r.decided(OrderResumeIO.String(), "allowed", "ordered", r.standing()+suspensions(next))
	r.hold.ordered = false
	next.Suspended, next.SuspNoData, next.SuspFencing = r.hold.on, false, false
	r.set(next, "I/O resumed by order")
	return drbdwire.Success
}

// losesTold tells whether users were told of a write that no peer may have, and that is
// given up now.
func (r *Resource) losesTold() bool { return slices.ContainsFunc(r.requests.told.all(), r.isLost) }

// isLost tells whether a write that was told is none that the peer certainly has.
func (r *Resource) isLost(q request) bool {
	return q.held && (q.remote != halfDone || r.cfg.Protocol != drbdwire.ProtocolC)
}

// loseTold notes that a Primary without a disk gives up writes that users were told of:
// no peer that comes has what they have seen. The disk that was let go may have it.
func (r *Resource) loseTold() {
	if r.state.Role != drbdwire.Primary || r.state.Disk >= drbdwire.Inconsistent || !r.losesTold() {
		return
	}
	if slices.ContainsFunc(r.requests.told.all(), func(q request) bool { return r.isLost(q) && q.local != halfDone }) {
		r.setCurrent(r.rng.next() | 4)
		return
	}
	r.meta.only = true
}

// suspensions names the reasons why I/O waits.
func suspensions(s drbdwire.State) string {
	var text strings.Builder
	for _, x := range []struct {
		on   bool
		name string
	}{{s.Suspended, "user"}, {s.SuspNoData, "no-data"}, {s.SuspFencing, "fencing"}} {
		if x.on {
			text.WriteString(" suspended:" + x.name)
		}
	}
	return text.String()
}
