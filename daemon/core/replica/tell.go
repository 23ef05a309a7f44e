package replica

import (
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// tell answers the user once the answer is certain.
func (r *Resource) tell(q *request) {
	if q.told || r.frozen != "" || q.local == halfPending || q.held {
		return
	}
	if q.remote == halfPending && (!planted.On(planted.NoPeerWait) || !q.isWrite()) &&
		(q.op == OpRead || r.cfg.Protocol != drbdwire.ProtocolA || q.local != halfDone || !r.whole()) {
		if q.barrier && q.epoch == r.epochs.current && r.cfg.Protocol == drbdwire.ProtocolA {
			r.epochs.closeSoon() // nothing but the barrier is acknowledged
		}
		return
	}
	if q.fua && q.local != halfDone && q.remote == halfDone && q.barrier && r.cfg.Protocol == drbdwire.ProtocolB {
		r.epochs.closeSoon() // it is in the peer's memory, and on no disk
		return
	}
	if r.peerIsLeft(q) {
		r.startAgain(q)
		return
	}
	if q.op == OpRead && q.remote == halfFailed && r.access() == accessLocal {
		q.remote, q.started = halfNone, false // a resync has made the own copy whole meanwhile
		r.passed = true
		return
	}
	if q.isWrite() && q.local == halfFailed && q.remote == halfDone && !q.partial && r.unnoticed() {
		if r.waitsForNotice() {
			return
		}
		q.remote = halfFailed
		if r.loseWrite(q); !q.started {
			return
		}
	}
	if q.isWrite() && q.local == halfDone && q.remote != halfDone && q.remote != halfPending && !r.whole() {
		r.startAgain(q)
		return
	}
	ok := q.local == halfDone && (r.whole() || !q.isWrite()) && !r.hold.failing || q.remote == halfDone && (!q.partial || planted.On(planted.PartialAck))
	if q.isWrite() && ok && q.remote != halfDone && q.remote != halfPending && !r.lackIsOnRecord() {
		return
	}
	if !ok && r.mayWait(q) {
		q.refused = !r.state.SuspNoData
		r.startAgain(q)
		return
	}
	q.told = true
	if q.isWrite() && ok && q.remote != halfDone {
		r.meta.untold = 0
	}
	if q.isWrite() && ok && q.local != halfDone && !planted.On(planted.ForgetServed) {
		r.meta.behind = true
	}
	r.emit(Effect{Kind: Complete, ID: q.id, Failed: !ok, Buf: readBuf(q, ok)})
	switch {
	case !q.barrier || q.epoch != r.epochs.current:
	case r.requests.told.len() >= maxRequests/4:
		r.epochs.closeSoon()
	default:
		r.epochs.complete(r.now)
	}
}

// lackIsOnRecord tells whether it is on record that the peer lacks a write which it does
// not have. While I/O is suspended no new generation says so. One that counts as equal
// has to hear of it as well, or to be fenced off: it would take over without the write.
func (r *Resource) lackIsOnRecord() bool {
	return r.generationDurable() && !r.peerFails() && !r.fence.postponed &&
		!r.isAboutToCopy() && !r.mayTakeOver() && !r.state.SuspFencing || planted.On(planted.UndurableGeneration)
}

// mayWait tells whether a request that has failed is to wait for a good copy, as
// configured. The word of a peer that has refused it, that its disk has failed, may
// still be on the way: it is asked once more.
func (r *Resource) mayWait(q *request) bool {
	switch {
	case r.hold.failing, q.op == OpFlush, q.op == OpRead && q.local == halfFailed:
		return false
	case r.state.SuspNoData, r.isRejoining():
		return true
	default:
		return r.cfg.SuspendIONoData && q.remote == halfFailed && !q.refused && r.access() == accessRemote
	}
}

// startAgain takes back a request: a write that only a copy has which lacks other
// blocks, or one that was refused. It goes to a better copy, if there is any.
func (r *Resource) startAgain(q *request) {
	if q.isWrite() {
		r.markDifferent(q)
	}
	r.takeBack(q)
	q.barrier, q.partial = false, false
	r.passed = true
}

// takeBack makes a request one that has not begun.
func (r *Resource) takeBack(q *request) {
	r.letGo(q)
	q.local, q.remote, q.started = halfNone, halfNone, false
}

// peerIsLeft tells whether the disk was lost that alone was asked for a write, or
// had it, while the peer's copy has become whole by a resync: it may have the write.
func (r *Resource) peerIsLeft(q *request) bool {
	return q.isWrite() && q.local == halfFailed && (q.remote == halfNone || q.remote == halfFailed) &&
		!r.meta.open && r.access() == accessRemote
}

func readBuf(q *request, ok bool) Buf {
	if q.op == OpRead && ok {
		return q.buf
	}
	return 0
}

// unnoticed tells whether the peer has not yet said, by a generation of its own,
// that it knows of the disk that was lost here: until then its copy counts for no
// newer than that disk, or for old.
func (r *Resource) unnoticed() bool { return !r.meta.open && r.uuids.Current&^1 == r.meta.seen()&^1 }

// waitsForNotice tells whether the peer is about to say so.
func (r *Resource) waitsForNotice() bool {
	return r.peerIsWhole() && r.peer.uuids.Bitmap == 0
}
