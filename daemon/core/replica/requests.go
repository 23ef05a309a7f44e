package replica

import (
	"encoding/binary"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// maxRequests bounds what users may have under way at once; the shell's own
// limit is lower. As many writes that they were told about may wait for the
// peer's barrier ack: beyond that, writes wait.
const maxRequests = 4096

// table holds the requests of the device's users until nothing needs them any
// more: a write stays until the peer's barrier ack, or until its blocks are
// marked as different.
type table struct {
	list []request     // not told to their users, in the order of arrival
	told line[request] // told, and still needed, in the order of their epochs
	held int           // of both, those that wait for the peer to come back, or not
	next uint64        // arrival number
	// unsure: users were told of a write that a peer alone had, maybe in its memory, when
	// it was lost. What it has of that when it is back nobody knows.
	unsure bool
}

// A request is one of the device's users', on its way through both disks.
type request struct {
	id      uint64
	arrived uint64 // identifies the request on the wire
	op      Op
	fua     bool
	started bool
	told    bool // the user has the answer
	logged  bool // holds a reference on its activity-log extents
	epoch   uint32
	sector  uint64
	size    uint32
	buf     Buf
	local   half
	remote  half
	barrier bool   // waits for the barrier ack of its epoch
	partial bool   // remote is done on a copy that lacks other blocks, or will get those of the own disk
	held    bool   // the peer was lost before that, and I/O is suspended
	refused bool   // by the peer, which is asked once more
	resync  uint64 // number of the resync in which it was sent, 0 for none
	sent    time.Duration
	began   time.Duration // when the own disk was asked
	digest  []byte        // that goes with a write, or came with what a read found
	asked   uint64        // number of the Digest under way, 0 is none
}

// half is how far one of the two copies is.
type half uint8

const (
	halfNone    half = iota // not asked
	halfPending             // under way
	halfDone                // on stable storage, or received as the protocol wants
	halfFailed              // this copy does not have it
)

func (q *request) isWrite() bool { return q.op == OpWrite || q.op == OpTrim || q.op == OpZero }

func (q *request) end() uint64 { return q.sector + uint64(q.size)/512 }

func (q *request) extents() (first, last uint32) { return extentsOf(q.sector, q.size) }

// extentsOf names the activity-log extents of 4 MiB that a range touches.
func extentsOf(sector uint64, size uint32) (first, last uint32) {
	return uint32(sector >> 13), uint32((sector + uint64(size)/512 - 1) >> 13)
}

func overlap(aStart, aEnd, bStart, bEnd uint64) bool { return aStart < bEnd && bStart < aEnd }

// add appends a request.
func (t *table) add(q request) {
	t.next++
	q.arrived = t.next
	t.list = append(t.list, q)
}

// find gives the request that a block id on the wire names.
func (t *table) find(id drbdwire.BlockID, sector uint64) *request {
	arrived := binary.LittleEndian.Uint64(id[:])
	for _, list := range t.both() {
		for i := range list {
			if q := &list[i]; q.arrived == arrived && q.sector == sector && q.started {
				return q
			}
		}
	}
	return nil
}

// both is all requests.
func (t *table) both() [2][]request { return [2][]request{t.told.all(), t.list} }

// tell moves a request to those whose users have the answer. Epochs end in
// their order, so that the first of the line are the first to leave it.
func (t *table) tell(q request) {
	t.told.push(q)
	told := t.told.all()
	for i := len(told) - 1; i > 0 && int32(told[i-1].epoch-q.epoch) > 0; i-- {
		told[i-1], told[i] = told[i], told[i-1]
	}
}

// byArrival gives the request that a disk answer names.
func (t *table) byArrival(arrived uint64) *request {
	for i := range t.list {
		if t.list[i].arrived == arrived {
			return &t.list[i]
		}
	}
	return nil
}

func (q *request) blockID() (id drbdwire.BlockID) {
	binary.LittleEndian.PutUint64(id[:], q.arrived)
	return id
}

// oldestSent is when the oldest write that the peer has not acknowledged left.
func (t *table) oldestSent() (time.Duration, bool) {
	oldest, found := time.Duration(0), false
	for _, list := range t.both() {
		for i := range list {
			if q := &list[i]; q.remote == halfPending && (!found || q.sent < oldest) {
				oldest, found = q.sent, true
				break
			}
		}
	}
	return oldest, found
}

// loseDisk forgets what a disk that is gone had: the references on its
// activity log, and writes that nobody was told about.
func (t *table) loseDisk() {
	for _, list := range t.both() {
		for i := range list {
			q := &list[i]
			q.logged = false
			if q.isWrite() && q.local == halfDone && !q.told {
				q.local = halfFailed
			}
		}
	}
}

// settled tells whether nothing that has begun needs either disk any more.
func (t *table) settled() bool {
	for i := range t.list {
		if t.list[i].started {
			return false
		}
	}
	return t.told.len() == 0
}

// underWay tells whether a write into the range has begun, and either disk owes an
// answer.
func (t *table) underWay(sector uint64, size uint32) bool {
	for _, list := range t.both() {
		for i := range list {
			q := &list[i]
			if q.isWrite() && q.started && (q.local == halfPending || q.remote == halfPending) &&
				overlap(sector, sector+uint64(size)/512, q.sector, q.end()) {
				return true
			}
		}
	}
	return false
}

// idle tells whether nothing is under way or waiting.
func (t *table) idle() bool { return len(t.list) == 0 && t.told.len() == 0 }

// request takes one request of a user.
func (r *Resource) request(in Input) {
	fail := func() {
		r.emit(Effect{Kind: Complete, ID: in.ID, Failed: true})
		r.free(in.Buf)
	}
	flush := in.Op == OpFlush
	if r.state.Role != drbdwire.Primary || len(r.requests.list) >= maxRequests ||
		!flush && r.inside(in.Sector, in.Size) != nil {
		fail()
		return
	}
	r.requests.add(request{id: in.ID, op: in.Op, fua: in.FUA, sector: in.Sector, size: in.Size, buf: in.Buf})
}

// startWaiting starts what nothing stands in the way of, in the order of
// arrival, and tells users what is finished.
func (r *Resource) startWaiting() {
	if r.hold.failing {
		r.failWaiting()
		r.dropTold()
		r.dropFinished()
		return
	}
	finished := false
	for i := range r.requests.list {
		q := &r.requests.list[i]
		switch {
		case q.started:
			r.tell(q)
		case r.startsNothing():
		case q.op == OpFlush:
			r.startFlush(q, i)
		case q.op == OpRead:
			r.startRead(q, i)
		default:
			r.startWrite(q, i)
		}
		finished = finished || q.told || q.isSettled()
	}
	r.dropTold()
	if finished {
		r.dropFinished()
	}
}

// startsNothing tells whether users' requests have to wait, whatever they are.
func (r *Resource) startsNothing() bool {
	return r.frozen != "" || suspended(r.state) || r.mayBeBack() || r.order.joins || r.order.kind == OrderDetach && r.order.stage == stageDrain
}

// dropTold removes the requests that were told to their users, and that nothing
// needs any more.
func (r *Resource) dropTold() {
	told := &r.requests.told
	for told.len() > 0 && told.all()[0].isSettled() {
		r.letGo(&told.all()[0])
		r.free(told.all()[0].buf)
		told.drop(1)
	}
}

// dropFinished removes the requests whose users have their answer, and lets go
// of activity-log extents that are equal on both nodes or marked.
func (r *Resource) dropFinished() {
	list, kept := r.requests.list, 0
	for i := range list {
		q := &list[i]
		settled := q.isSettled()
		if settled {
			r.letGo(q)
		}
		switch {
		case !q.told:
			if kept != i {
				list[kept] = *q
			}
			kept++
		case settled:
			r.free(q.buf)
		default:
			r.requests.tell(*q)
		}
	}
	r.requests.list = list[:kept]
}

// letGo lets the extents of a request leave the activity log.
func (r *Resource) letGo(q *request) {
	if q.logged {
		r.log.Put(q.extents())
		q.logged = false
	}
}

// isSettled tells whether neither disk owes an answer about a request.
func (q *request) isSettled() bool {
	return q.started && q.local != halfPending && q.remote != halfPending && !q.barrier
}

// blocked tells whether the request at i must wait for an earlier one, or for
// a block that is on its way to the peer: two writes to one block must reach
// both disks in the same order, and a read must not see what a crash could
// still take back.
func (r *Resource) blocked(q *request, i int) bool {
	start, end, write := q.sector, q.end(), q.isWrite()
	for j := range i {
		o := &r.requests.list[j]
		if planted.On(planted.WriteAround) && write {
			break
		}
		if planted.On(planted.ReadAround) && q.op == OpRead {
			break
		}
		if overlap(start, end, o.sector, o.end()) && !o.told && (o.isWrite() || write && o.op == OpRead) {
			return true
		}
	}
	return write && !planted.On(planted.WriteDuringCompare) && (r.mirror.sends(start, end) || r.comparing(start, end))
}

// access tells what can be done with data now.
type access uint8

const (
	accessLocal  access = iota // this node's copy serves
	accessRemote               // the peer's copy serves
	accessWait                 // a decision is under way
	accessNone                 // there is no good copy
)

func (r *Resource) access() access {
	s := r.state
	switch {
	case s.Disk == drbdwire.UpToDate && r.meta.ready:
		return accessLocal
	case r.peerIsWhole():
		return accessRemote
	case s.Conn == drbdwire.WFReportParams || r.meta.open && !r.meta.ready || s.SuspNoData || r.isRejoining():
		return accessWait
	default:
		return accessNone
	}
}

// isRejoining tells whether users wait for the peer that this node has parted from.
func (r *Resource) isRejoining() bool { return r.now < r.rejoins && r.state.Conn < drbdwire.Connected }

// peerIsWhole tells whether the peer is there, with a whole copy.
func (r *Resource) peerIsWhole() bool {
	return r.state.Conn >= drbdwire.Connected && r.state.PeerDisk == drbdwire.UpToDate
}

func (r *Resource) startRead(q *request, i int) {
	if r.blocked(q, i) {
		return
	}
	switch r.access() {
	case accessLocal:
		q.started, q.local, q.began = true, halfPending, r.now
		r.stats.DiskRead += uint64(q.size)
		r.gentle.used += uint64(q.size) / 512
		r.emit(Effect{Kind: Read, ID: q.arrived, Sector: q.sector, Size: q.size})
	case accessRemote:
		q.started, q.remote, q.sent = true, halfPending, r.now
		b := drbdwire.BlockRequest{Sector: q.sector, ID: q.blockID(), Size: q.size}
		r.send(DataSocket, drbdwire.CmdDataRequest, b.Append(r.small[:0]))
	case accessNone:
		q.started = true
		r.tell(q)
	case accessWait:
	}
}

// startFlush: an acknowledged write is on stable storage already in protocol
// C; in A and B the disk is flushed once everything before is written.
func (r *Resource) startFlush(q *request, i int) {
	for j := range i {
		if o := &r.requests.list[j]; o.isWrite() && !o.told {
			return
		}
	}
	if r.cfg.Protocol == drbdwire.ProtocolC {
		q.started, q.local = true, halfDone
		r.tell(q)
		return
	}
	r.epochs.closeSoon()
	where := r.access()
	if r.requests.unsure && where != accessWait {
		r.requests.unsure, q.started = false, true // they are told once
		r.tell(q)
		return
	}
	switch where {
	case accessLocal:
		q.started, q.local, q.began = true, halfPending, r.now
		r.emit(Effect{Kind: Flush, ID: q.arrived})
	case accessRemote:
		if r.requests.barrierBefore(q) {
			return // the peer has the only copy, and not yet on stable storage
		}
		q.started, q.local = true, halfDone
		r.tell(q)
	case accessNone:
		q.started = true // what was told may have been in a cache that is lost
		r.tell(q)
	case accessWait:
	}
}

// barrierBefore tells whether an earlier write waits for its epoch to end.
func (t *table) barrierBefore(q *request) bool {
	for _, list := range t.both() {
		for i := range list {
			if o := &list[i]; o.barrier && o.arrived < q.arrived {
				return true
			}
		}
	}
	return false
}

// requestDone takes the answer of the own disk.
func (r *Resource) requestDone(q *request, in Input) {
	if q.op == OpRead {
		q.buf = in.Buf
	}
	q.local = halfDone
	if q.isWrite() && !r.meta.open {
		q.local = halfFailed // on a disk that was given up
	}
	if q.op == OpFlush && !r.meta.open {
		q.started, q.local = false, halfNone // users go on with another copy
		r.passed = true
		return
	}
	if !in.Failed || planted.On(planted.IgnoreError) && q.isWrite() {
		return
	}
	q.local = halfFailed
	if q.op != OpFlush && r.bits != nil && r.state.Disk > drbdwire.Failed {
		r.bits.Set(q.sector, q.size)
	}
	kept := q.op != OpFlush && r.dataError("an i/o error on the data", false)
	q.partial = q.partial || kept // the peer, if it has it, gets this disk's blocks
	r.sync.uneven = r.sync.uneven || kept && q.isWrite()
	if q.op == OpFlush {
		r.ioError("an i/o error on a flush")
	}
	if !kept && (q.op == OpRead || q.op == OpFlush) {
		// The peer may still have it.
		r.free(q.buf)
		q.buf, q.started, q.local = 0, false, halfNone
	}
}
