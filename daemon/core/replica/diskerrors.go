package replica

import (
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// dataError is an error of the disk below on a block of users' data; it tells
// whether the disk is kept. With on-io-error pass_on a Secondary's copy counts
// as Inconsistent from then on, as with the kernel's DRBD. The copy that alone
// serves users is kept as it is, and they get the error: without it all the rest
// of the data would be gone, too. That may also be known from what was asked of
// the disk: alone. The peer hears of it when it is on record: users are told then of a
// write that only the peer has, and this copy would be good again after a crash.
func (r *Resource) dataError(why string, alone bool) bool {
	next := r.state
	if !r.cfg.PassOn || next.Disk <= drbdwire.Failed ||
		next.Role == drbdwire.Primary && next.Conn >= drbdwire.Connected && next.PeerDisk == drbdwire.UpToDate {
		r.ioError(why)
		return false
	}
	if !alone && !servesAlone(next) {
		// A source must be whole, and so must one be that has lost its target: the peer has half a copy. Or
		// it lacks what users have written here alone, and would overwrite that.
		away := next.Conn < drbdwire.Connected || next.PeerDisk < drbdwire.Inconsistent
		source := next.Disk > drbdwire.Inconsistent && (next.PeerDisk == drbdwire.Inconsistent || away && r.hasChanges())
		next.Disk = drbdwire.Inconsistent
		if source || r.implied(r.state, next).Disk != drbdwire.Inconsistent {
			r.ioError(why)
			return false
		}
	}
	r.meta.bad = r.meta.bad || next.Role == drbdwire.Primary && next.Conn < drbdwire.Connected
	r.note = why
	r.decided(aboutData, "kept, and "+next.Disk.String(), why+", on-io-error is pass_on", r.standing())
	known := next.Disk == r.state.Disk
	r.set(next, why)
	r.meta.allPages = true
	r.meta.dirty()
	if !known || !r.meta.awaits(gateKept) { // or one error after the other would put the peer off
		r.afterSuper(gateKept)
	}
	return true
}

// letGoOfBad is where a Primary meets its peer again. It kept a disk that had failed,
// since there was no other copy. If the peer's turns out to be as good, because
// writes waited for it meanwhile, there is one, and this disk must not become the
// source of a resync: the peer has, or will now be sent, what is lost here.
func (r *Resource) letGoOfBad() {
	s, bad := r.state, r.meta.bad
	r.meta.bad = false
	if bad && s.Role == drbdwire.Primary && s.Conn == drbdwire.Connected && s.Disk == drbdwire.UpToDate &&
		s.PeerDisk == drbdwire.UpToDate {
		r.ioError("a block of it has failed, and the peer, which is back, has a whole copy")
	}
}

// servesAlone tells whether users see this copy and no other: those of this
// node, or those of a Primary that has no disk.
func servesAlone(s drbdwire.State) bool {
	return s.Role == drbdwire.Primary ||
		s.Conn >= drbdwire.Connected && s.Peer == drbdwire.Primary && s.PeerDisk < drbdwire.Inconsistent
}

// ioError is an error that makes the disk below useless. Source: DRBD 8.4
// states, section 10.
func (r *Resource) ioError(why string) {
	if r.state.Disk > drbdwire.Failed && r.cfg.CallLocalIOError {
		r.call(HandlerLocalIOError)
	}
	r.diskFailed(why)
}

// stalled is when the disk below has owed an answer for longer than
// disk-timeout.
func (r *Resource) stalled() time.Duration {
	if r.cfg.DiskTimeout == 0 || r.state.Disk == drbdwire.Diskless {
		return Never
	}
	oldest := Never
	for i := range r.requests.list {
		if q := &r.requests.list[i]; q.local == halfPending {
			oldest = q.began
			break
		}
	}
	for i, list := 0, r.mirror.list.all(); i < len(list); i++ {
		if list[i].onDisk() {
			oldest = min(oldest, list[i].began)
		}
	}
	if b := r.mirror.barriers.all(); len(b) > 0 && b[0].flush != 0 {
		oldest = min(oldest, b[0].began)
	}
	if r.sync.flush != 0 {
		oldest = min(oldest, r.sync.flushed)
	}
	if r.meta.busy != metaIdle && r.meta.busy != metaOrphan {
		oldest = min(oldest, r.meta.began)
	}
	if oldest == Never {
		return Never
	}
	return oldest + r.cfg.DiskTimeout
}

// abandonDisk gives up a disk that does not answer. What is under way there has
// failed; the late answers count for nothing, but the disk is in use until the
// last has come.
func (r *Resource) abandonDisk() {
	const why = "the disk did not answer within disk-timeout"
	if r.state.Disk == drbdwire.Attaching || r.state.Disk == drbdwire.Negotiating {
		r.attachFailed(why)
		return
	}
	under := r.underWay()
	r.diskFailed(why)
	for _, in := range under {
		r.diskDone(in)
		r.orphans = append(r.orphans, in.ID)
	}
}

// underWay is everything on the data disk that has no answer, failed.
func (r *Resource) underWay() []Input {
	var list []Input
	add := func(id uint64, op Op) {
		list = append(list, Input{Kind: DiskDone, ID: id, Op: op, Failed: true})
	}
	for i := range r.requests.list {
		if q := &r.requests.list[i]; q.local == halfPending {
			add(q.arrived, q.op)
		}
	}
	for i, work := 0, r.mirror.list.all(); i < len(work); i++ {
		if work[i].onDisk() {
			add(peerBase|work[i].number, 0)
		}
	}
	if b := r.mirror.barriers.all(); len(b) > 0 && b[0].flush != 0 {
		add(b[0].flush, OpFlush)
	}
	if r.sync.flush != 0 {
		add(r.sync.flush, OpFlush)
	}
	return list
}

// onDisk tells whether the disk owes the answer about a piece of work.
func (w *peerWork) onDisk() bool { return w.started && w.asked == 0 }

// orphan takes a late answer of a disk that was given up.
func (r *Resource) orphan(in Input) bool {
	i := slices.Index(r.orphans, in.ID)
	if i < 0 {
		return false
	}
	r.orphans = slices.Delete(r.orphans, i, i+1)
	r.free(in.Buf)
	r.diskIdle()
	return true
}
