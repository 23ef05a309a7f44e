package replica

import (
	"fmt"
	"slices"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Fencing says what a node does about a peer that it no longer reaches, before
// it relies on its own copy alone.
type Fencing uint8

// The policies. Source: DRBD 8.4 states, section 7.
const (
	DontCare           Fencing = 0 // nothing
	ResourceOnly       Fencing = 1 // the handler fence-peer is called
	ResourceAndStonith Fencing = 2 // and I/O waits until it has succeeded
)

const aboutFencing = "fencing"

// fence is what a node is doing about its peer.
type fence struct {
	call   uint64 // the handler under way that counts; 0 is none
	answer string // what the last one said
	// users: the peer was Primary when it was lost, and nobody has said since that
	// its users are gone.
	users  bool
	missed bool // an answer came in a handshake, and did not count
	// postponed: the copies part, but whether users will be told of a write that
	// only this one has is not decided yet; see recordGeneration.
	postponed bool
	// even: both copies had all that users were told of when they parted.
	even bool
}

// fencing is the policy that counts: a node that has no whole copy itself does
// not keep its peer from anything.
func (r *Resource) fencing(s drbdwire.State) Fencing {
	if s.Disk < drbdwire.Consistent {
		return DontCare
	}
	return r.cfg.Fencing
}

// partedEven tells whether both copies had all that users were told of when they parted. In
// protocols A and B the peer may lack what they were told before, too.
func (r *Resource) partedEven() bool { return r.fence.even && r.cfg.Protocol == drbdwire.ProtocolC }

// unfenced tells whether the peer may have a copy that is used or newer.
func unfenced(s drbdwire.State) bool {
	return s.Conn < drbdwire.Connected && s.PeerDisk >= drbdwire.DUnknown
}

// mayRun tells whether the lost peer may still have users. A copy that is known
// to be worse than this one is no reason to fence for the kernel's DRBD. But its
// node is a running Primary if it lived from this copy: with resource-and-stonith
// its guests must not run a second time.
func (r *Resource) mayRun(s drbdwire.State) bool {
	return unfenced(s) || r.fence.users && s.Conn < drbdwire.Connected && r.cfg.Fencing == ResourceAndStonith
}

// watchUsers notes whether a peer that is lost was Primary.
func (r *Resource) watchUsers(old drbdwire.State) {
	switch was, is := old.Conn >= drbdwire.Connected, r.state.Conn >= drbdwire.Connected; {
	case was && !is:
		r.fence.users = old.Peer == drbdwire.Primary
	case is:
		r.fence.users = false
	}
}

// implied is what a state becomes, coming from another: what its parts imply,
// and whether I/O waits. Source: DRBD 8.4 states, section 2.1, no. 7 and 8.
func (r *Resource) implied(old, next drbdwire.State) drbdwire.State {
	next = sanitise(next)
	cutOff := func(s drbdwire.State) bool {
		return s.Role == drbdwire.Primary && r.fencing(s) == ResourceAndStonith && unfenced(s)
	}
	next.SuspFencing = cutOff(next) && (next.SuspFencing || !cutOff(old))
	next.SuspNoData = r.cfg.SuspendIONoData && withoutData(next) && (next.SuspNoData || !withoutData(old))
	return next
}

// withoutData tells whether a Primary has no good copy within reach.
func withoutData(s drbdwire.State) bool {
	return s.Role == drbdwire.Primary && s.Disk < drbdwire.UpToDate && s.PeerDisk < drbdwire.UpToDate
}

// suspended tells whether users' requests wait.
func suspended(s drbdwire.State) bool { return s.Suspended || s.SuspNoData || s.SuspFencing }

// fenceLost asks the handler to do something about a peer that this Primary
// has lost; nobody waits for it but suspended I/O. That is done once, when the peer was
// lost now, or there is a copy now to go on with.
func (r *Resource) fenceLost(now bool) {
	s := r.state
	if s.Role != drbdwire.Primary || r.fencing(s) == DontCare || !unfenced(s) {
		return
	}
	if now || s.SuspFencing && r.fence.call == 0 {
		r.callFence()
	}
}

func (r *Resource) callFence() {
	if r.fence.call = r.call(HandlerFencePeer); r.fence.call == 0 {
		r.fenced(0, "no handler fence-peer is configured")
	}
}

// askFirst tells whether a promotion has to ask the handler before. By force a copy
// counts as good afterwards, and users would wait for the answer then.
func (r *Resource) askFirst() bool {
	s := r.state
	if r.forcing() {
		s.Disk = drbdwire.UpToDate
	}
	return r.fencing(s) != DontCare && r.mayRun(s) && s.Conn < drbdwire.WFReportParams && s.Role != drbdwire.Primary
}

// asksOnly tells whether a promotion waits for the handler, while the peer may go on:
// if it turns out that it has, the answer comes too late. With resource-and-stonith
// a Primary waits as well, and who forces a promotion has said what shall count.
func (r *Resource) asksOnly() bool {
	return r.order.kind == OrderPrimary && r.order.stage == stageFencing && !r.order.force && r.cfg.Fencing == ResourceOnly
}

// fenced takes the answer of the handler: what it says about the peer counts,
// unless the peer is back. Source: DRBD 8.4 states, section 7.
func (r *Resource) fenced(exit int, text string) {
	r.fence.call = 0
	next := r.state
	if next.Conn >= drbdwire.WFReportParams {
		r.fence.missed = next.Conn == drbdwire.WFReportParams
		r.decided(aboutFencing, "ignored", "the connection came back meanwhile", fmt.Sprintf("exit status %d", exit))
	} else {
		why := r.judge(&next, exit)
		if text != "" {
			why += ": " + text
		}
		changed := "tells nothing"
		if next != r.state {
			changed = fmt.Sprintf("own disk %s, peer disk %s", next.Disk, next.PeerDisk)
		}
		r.decided(aboutFencing, changed, why, fmt.Sprintf("exit status %d; %s", exit, r.standing()))
		r.fence.answer = why
		r.set(next, why)
	}
	if r.order.stage == stageFencing {
		r.order.stage = stageStart
		r.order.asked = true
		r.promote()
	}
}

// judge applies an exit status to a state, and says what it means.
//
// In one thing it is more careful than the kernel. A node that came up and has
// not heard from its peer does not know whether its own data is the newest, and
// that the peer was shot (7) says nothing about data: it counts when the
// start-up wait has run out. That the peer is outdated (3, 4) is the peer's word.
func (r *Resource) judge(next *drbdwire.State, exit int) string {
	sure := next.Disk == drbdwire.UpToDate || next.Disk == drbdwire.Consistent && r.waiting.over
	if exit == 3 || exit == 4 || exit == 5 && next.Disk == drbdwire.UpToDate || exit == 7 {
		r.fence.users = false
	}
	switch {
	case exit == 3:
		next.PeerDisk = drbdwire.Inconsistent
		r.countsAsNewest(next)
		return "fence-peer says that the peer's disk is Inconsistent"
	case exit == 4:
		next.PeerDisk = drbdwire.Outdated
		r.countsAsNewest(next)
		return "fence-peer says that the peer is outdated"
	case exit == 5 && next.Disk == drbdwire.UpToDate:
		next.PeerDisk = drbdwire.Outdated
		return "fence-peer says that the peer is unreachable, and this disk is UpToDate"
	case exit == 5:
		return "fence-peer says that the peer is unreachable, but this disk is not UpToDate"
	case exit == 6 && next.Role == drbdwire.Primary:
		return "fence-peer says that the peer is Primary, but this node is, too"
	case exit == 6 && !unfenced(*next):
		return "fence-peer says that the peer is Primary, and its data is older than this node's"
	case exit == 6:
		next.Disk = min(next.Disk, drbdwire.Outdated)
		return "fence-peer says that the peer is Primary"
	case exit == 7 && sure:
		next.PeerDisk = drbdwire.Outdated
		r.countsAsNewest(next)
		return "fence-peer says that the peer was fenced off"
	case exit == 7:
		return "fence-peer says that the peer was fenced off, but not whether it had newer data than this node"
	case exit < 0:
		return "fence-peer did not run to its end"
	default:
		return "fence-peer failed"
	}
}

// countsAsNewest ends the doubt about the own copy.
func (r *Resource) countsAsNewest(next *drbdwire.State) {
	if next.Disk == drbdwire.Consistent {
		next.Disk = drbdwire.UpToDate
		r.waiting.until = Never
	}
}

// thaw goes on with writes that were on their way to a peer that was lost: they
// are sent again when it is back and has lost nothing, and are this node's alone
// when it is given up, or gets a resync. A user that has no answer yet waits
// until that is decided.
func (r *Resource) thaw() {
	if r.requests.held == 0 {
		return
	}
	s := r.state
	back := s.Conn >= drbdwire.Connected
	switch {
	case r.hold.failing:
		r.leavesAsCrashed()
		r.keepAlone(func(*request) bool { return true })
	case back && s.SuspNoData: // the peer's copy may be back later
	case back && r.mirrored():
		r.resend()
	case back && s.Conn == drbdwire.Connected, // no resync brings it there
		back && s.PeerDisk < drbdwire.Inconsistent, !back && !suspended(s) && !r.mayBeBack():
		r.loseTold()
		r.keepAlone(func(*request) bool { return true })
	case back:
		// The bitmap says it better: a newer write may go to the same blocks.
		r.keepAlone(func(q *request) bool { return q.told })
	}
}

// leavesAsCrashed is where the users of a node end, and the peer may lack what they were
// told is done. The peer may take over now, so there is no new generation, which would be
// a split brain then. If it has not when the nodes meet, it gets what it lacks.
func (r *Resource) leavesAsCrashed() {
	switch {
	case !r.losesTold():
	case !r.meta.open:
		r.meta.only = true // the disk that was let go has it
	default:
		r.meta.flags |= drbdmeta.MDCrashedPrimary
		r.meta.dirty()
	}
}

// mayBeBack tells whether users wait until it is clear if the peer is back: they may go
// on, but a handshake began while they did not, and the peer counts as equal if that
// has ended there.
func (r *Resource) mayBeBack() bool {
	return r.fence.postponed && r.state.Conn == drbdwire.WFReportParams && r.state.Role == drbdwire.Primary
}

// resend sends again what was not confirmed, in the old order. What protocol C has
// told is on the peer's disk (see sendWrite): sent again, it would be on top of what
// came after it, and the peer would go on with that if this node died then. What B has
// told is in its memory, or was, if it has restarted: of that only what nothing came
// after goes out. Where something came after a part of it alone, it is marked instead, and
// copied as soon as all that was told is there.
func (r *Resource) resend() {
	told := r.requests.told.all()
	for i := range told {
		switch q := &told[i]; {
		case !q.held:
		case q.remote == halfDone && r.cfg.Protocol == drbdwire.ProtocolC:
			q.held, q.barrier = false, false
		case q.remote == halfDone && r.cfg.Protocol == drbdwire.ProtocolB && isWrittenInPart(q, told[i+1:]):
			q.held = false
			r.loseWrite(q)
		case q.remote == halfDone && r.cfg.Protocol == drbdwire.ProtocolB:
			if !isWrittenAgain(q, told[i+1:]) {
				r.sendAgain(q)
			}
			q.held, q.epoch, q.remote = false, r.epochs.current, halfDone
		default:
			r.sendAgain(q)
		}
	}
	for i := range r.requests.list {
		switch q := &r.requests.list[i]; {
		case !q.held:
		case r.hasNewDisk(q):
			q.held = false
			r.startAgain(q)
		default:
			r.sendAgain(q)
		}
	}
	r.requests.held = 0
	r.epochs.closeSoon()
	r.passed = true
}

// isWrittenAgain tells whether one of the later writes that wait has all of the range of
// a write.
func isWrittenAgain(q *request, later []request) bool {
	return slices.ContainsFunc(later, func(l request) bool {
		return l.held && l.sector <= q.sector && l.end() >= q.end()
	})
}

// isWrittenInPart tells whether those that wait have a part of it, and none has all.
func isWrittenInPart(q *request, later []request) bool {
	return !isWrittenAgain(q, later) && slices.ContainsFunc(later, func(l request) bool {
		return l.held && overlap(l.sector, l.end(), q.sector, q.end())
	})
}

func (r *Resource) sendAgain(q *request) {
	q.held = false
	r.sendWrite(q, q.fua || r.cfg.Protocol == drbdwire.ProtocolC)
}

// keepAlone lets held writes be this node's alone.
func (r *Resource) keepAlone(which func(*request) bool) {
	before := r.requests.held
	for _, list := range r.requests.both() {
		for i := range list {
			q := &list[i]
			if !q.held || !which(q) {
				continue
			}
			q.held = false
			r.requests.held--
			r.loseWrite(q)
		}
	}
	if r.requests.held == before {
		return
	}
	if r.bits != nil && r.meta.open {
		r.meta.allPages = true
		r.meta.dirty()
	}
	r.passed = true
}

// loseWrite gives up what the peer has of a write.
func (r *Resource) loseWrite(q *request) {
	r.markDifferent(q)
	r.requests.unsure = r.requests.unsure || q.told && q.barrier && !r.whole() && r.cfg.Protocol != drbdwire.ProtocolC
	received := q.fua && q.barrier && !q.told && r.cfg.Protocol == drbdwire.ProtocolB // it may not be on the peer's disk
	q.barrier = false
	if q.remote != halfDone || received {
		q.remote = halfFailed
	}
	if (q.local == halfNone || q.local == halfFailed) && !q.told && (r.cfg.SuspendIONoData || r.hasNewDisk(q)) {
		r.takeBack(q) // sent again when the peer is back
	}
}

// hasNewDisk tells whether the disk that a write has failed on was let go since, and
// there is one again.
func (r *Resource) hasNewDisk(q *request) bool {
	return q.local == halfFailed && !q.partial && r.usable()
}

// refusesFrozen parts from a peer that restarted while writes wait for it: it may
// have lost what it had of them. They are marked, in a generation of their own, so
// that the next connection brings a resync. Source: DRBD 8.4 states, section 7.
//
// The kernel tells users of these writes at once. But the peer has just been told
// that both copies are equal, and would take over without them if this node died
// now: so they go on waiting, for the next connection or until the peer is fenced.
func (r *Resource) refusesFrozen(disk drbdwire.DiskState) bool {
	if disk != drbdwire.Consistent || !r.marksHeld() {
		return false
	}
	r.meta.allPages = r.meta.open
	r.meta.dirty()
	if r.fence.postponed {
		r.fence.postponed = false
		r.partGeneration()
	}
	r.dropLink(drbdwire.ProtocolError, "the peer has restarted while writes were waiting for it")
	return true
}

// marksHeld marks the writes that wait for a peer that has restarted, and tells whether
// that was news. What it had in its memory is lost.
func (r *Resource) marksHeld() (news bool) {
	for _, list := range r.requests.both() {
		for i := range list {
			q := &list[i]
			if q.held && r.cfg.Protocol != drbdwire.ProtocolC {
				q.remote = halfNone
			}
			if q.held && r.bits != nil && !r.bits.Any(q.sector, q.size) {
				r.markDifferent(q)
				news = true
			}
		}
	}
	return news
}

// hasChanges tells whether this node has gone on since it parted from its peer:
// then it does not give its data up for old because a handler of the peer's asks
// for that.
func (r *Resource) hasChanges() bool {
	return r.uuids.Bitmap != 0 && r.state.Disk >= drbdwire.Consistent
}

// holds tells whether a write that waits for the peer's return, or for its end,
// touches a block of the range.
func (t *table) holds(sector uint64, size uint32) bool {
	const block = pageSize / 512
	start, end := sector/block*block, (sector+uint64(size)/512+block-1)/block*block
	for _, list := range t.both() {
		for i := range list {
			if q := &list[i]; q.held && overlap(start, end, q.sector, q.end()) {
				return true
			}
		}
	}
	return false
}
