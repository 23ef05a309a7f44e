package replica

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// maxPeerWork bounds what a peer may have under way here at once.
const maxPeerWork = 8192

// peerBase sets the numbers of the peer's work apart from those of requests.
const peerBase = 1 << 62

// mirror is the work that the peer's packets ask of this node's disk, in the
// order of their arrival. What overlaps is done one after the other, in that
// order: so both disks see the same last write of every block.
type mirror struct {
	list     line[peerWork]
	waiting  int // of the list, those that have not begun
	others   int // of the list, those that belong to no epoch
	next     uint64
	sequence uint32 // of data packets and acks sent
	epoch    uint32 // of the writes that arrive now
	count    uint32 // writes in it so far
	cached   bool   // one of them is in the disk's cache, and may not be on it
	barriers line[barrier]
}

// peerWork is one thing to do for the peer.
type peerWork struct {
	number  uint64
	kind    workKind
	started bool
	stable  bool // when the disk has done it, it is on stable storage
	logged  bool // holds a reference on its activity-log extents
	alone   bool // no other disk will have it: its mark goes first
	conn    uint32
	epoch   uint32
	resync  uint64        // number of the resync in which it came, 0 for none
	began   time.Duration // when the disk was asked
	sector  uint64
	size    uint32
	id      drbdwire.BlockID
	flags   drbdwire.DataFlags
	buf     Buf
	// digest came with the block, or goes with it; asked is the number of the
	// Digest under way, 0 is none.
	digest   []byte
	asked    uint64
	checking bool // not believed before its digest was compared
	again    bool // the second look of a verify
}

type workKind uint8

const (
	workWrite   workKind = iota // P_DATA
	workTrim                    // P_TRIM
	workZero                    // P_ZEROES
	workResync                  // P_RS_DATA_REPLY
	workClear                   // P_RS_DEALLOCATED
	workRead                    // P_DATA_REQUEST
	workSource                  // P_RS_DATA_REQUEST
	workCsum                    // P_CSUM_RS_REQUEST
	workThin                    // P_RS_THIN_REQ
	workSum                     // what this node wants to know of its own block, for a P_CSUM_RS_REQUEST
	workVerify                  // P_OV_REQUEST
	workCompare                 // P_OV_REPLY, or the digest of a workLook
	workLook                    // P_DATA_REPLY, for a verify
)

// barrier is the end of an epoch that is not acknowledged yet.
type barrier struct {
	number [4]byte
	epoch  uint32
	count  uint32
	cached bool
	flush  uint64 // number of the flush under way, 0 is none
	began  time.Duration
}

// isResync tells whether a piece of work is a source's for the peer's resync.
func (w *peerWork) isResync() bool {
	return w.kind == workSource || w.kind == workCsum || w.kind == workThin
}

func (w *peerWork) writes() bool { return w.kind < workRead }

func (w *peerWork) end() uint64 { return w.sector + uint64(w.size)/512 }

func (w *peerWork) inEpoch() bool { return w.kind <= workZero }

// sends tells whether a block of the range is being read for the peer's
// resync: a newer write must not overtake it on the way.
func (m *mirror) sends(start, end uint64) bool {
	list := m.list.all()
	for i := range list {
		if w := &list[i]; w.kind >= workSource && overlap(start, end, w.sector, w.end()) {
			return true
		}
	}
	return false
}

// writing tells whether a write of the peer's into the range is under way or
// waiting.
func (m *mirror) writing(sector uint64, size uint32) bool {
	list := m.list.all()
	for i := range list {
		w := &list[i]
		if w.writes() && overlap(sector, sector+uint64(size)/512, w.sector, w.end()) {
			return true
		}
	}
	return false
}

// written tells whether all that the peer wrote is on the disk.
func (m *mirror) written() bool {
	list := m.list.all()
	for i := range list {
		if list[i].writes() {
			return false
		}
	}
	return true
}

// owesWrites tells whether the disk was not even asked yet for what protocol A or B has
// told the peer is here, and the link has ended: this may be the only disk for it, which
// is not let go by order before. The peer may be back, without all that.
func (r *Resource) owesWrites() bool {
	if r.frozen != "" || r.mirror.waiting == 0 {
		return false
	}
	return slices.ContainsFunc(r.mirror.list.all(), func(w peerWork) bool { return !w.started && w.conn != r.link.conn })
}

func (m *mirror) loseLog() {
	list := m.list.all()
	for i := range list {
		list[i].logged = false
	}
}

// lose forgets what has not begun; what is under way on the disk ends without
// an answer. A write that protocol A or B acknowledged when it came is written
// all the same, and marked if the Primary had no disk for it.
func (m *mirror) lose(r *Resource) {
	kept := mirror{list: m.list, next: m.next, epoch: m.epoch + 1}
	kept.list.keep(0)
	for _, w := range m.list.all() {
		if w.started || w.inEpoch() && r.cfg.Protocol != drbdwire.ProtocolC && !planted.On(planted.DropReceived) {
			if w.inEpoch() && r.state.PeerDisk < drbdwire.Inconsistent && r.bits != nil {
				w.alone = true
				r.bits.Set(w.sector, w.size)
			}
			kept.add(w)
			continue
		}
		r.free(w.buf)
	}
	*m = kept
}

// add appends a piece of work.
func (m *mirror) add(w peerWork) {
	if !w.started {
		m.waiting++
	}
	if !w.inEpoch() {
		m.others++
	}
	m.list.push(w)
}

// remove takes the piece of work at i out.
func (m *mirror) remove(i int) peerWork {
	w := m.list.all()[i]
	if !w.started {
		m.waiting--
	}
	if !w.inEpoch() {
		m.others--
	}
	m.list.remove(i)
	return w
}

// work takes over a piece of work; its payload, if any, is freed with it.
func (r *Resource) work(w peerWork) error {
	if r.mirror.list.len() >= maxPeerWork {
		return fmt.Errorf("the peer has more than %d requests under way", maxPeerWork)
	}
	if err := r.inside(w.sector, w.size); err != nil {
		return err
	}
	if first, last := w.extentRange(); w.inEpoch() && r.log != nil && int(last-first) >= r.log.Slots() {
		return fmt.Errorf("the peer writes to %d extents at once, and the activity log has room for at most %d", last-first+1,
			r.log.Slots())
	}
	r.enqueue(w)
	return nil
}

func (r *Resource) enqueue(w peerWork) {
	r.mirror.next++
	w.number, w.conn, w.resync = r.mirror.next, r.link.conn, r.running()
	if w.inEpoch() {
		w.epoch = r.mirror.epoch
		r.mirror.count++
	}
	if w.kind == workWrite && planted.On(planted.AckBeforeDisk) {
		r.ack(drbdwire.CmdWriteAck, w.sector, w.id, w.size)
	}
	if w.buf != 0 && r.peer.integrity != "" {
		w.checking = true
		w.asked = r.askDigest(r.peer.integrity, w.buf, w.size, peerBase)
	} else {
		r.ackReceipt(&w)
	}
	r.mirror.add(w)
}

// ackReceipt answers a write in memory, where protocol B wants that.
func (r *Resource) ackReceipt(w *peerWork) {
	if w.inEpoch() && w.flags&drbdwire.FlagSendReceiveAck != 0 && r.usable() {
		r.ack(drbdwire.CmdRecvAck, w.sector, w.id, w.size)
	}
}

// dataArrived takes a write of the Primary's.
func (r *Resource) dataArrived(in Input) error {
	d, err := drbdwire.DecodeData(in.Data)
	if err != nil {
		return err
	}
	if r.state.Role == drbdwire.Primary {
		return errors.New("P_DATA came, but this node is Primary itself and two are not allowed")
	}
	if in.Size == 0 {
		return nil // an empty flush: the barrier that follows does it
	}
	return r.work(peerWork{
		kind: workWrite, sector: d.Sector, size: in.Size, id: d.ID, flags: d.Flags, buf: in.Buf, digest: digestIn(in.Data),
	})
}

// trimArrived takes a discard or a zero-out of the Primary's.
func (r *Resource) trimArrived(in Input) error {
	t, err := drbdwire.DecodeTrim(in.Data)
	if err != nil {
		return err
	}
	if r.state.Role == drbdwire.Primary {
		return fmt.Errorf("%s came, but this node is Primary itself and two are not allowed", in.Command)
	}
	kind := workTrim
	if in.Command == drbdwire.CmdZeroes && t.Flags&drbdwire.FlagDiscard == 0 ||
		r.link.flags&drbdwire.FeatureWZeroes == 0 {
		kind = workZero
	}
	return r.work(peerWork{kind: kind, sector: t.Sector, size: t.Size, id: t.ID, flags: t.Flags})
}

// readWanted takes a read of a Primary that can't read its own disk.
func (r *Resource) readWanted(data []byte) error {
	b, err := drbdwire.DecodeBlockRequest(data)
	if err != nil {
		return err
	}
	if b.Size > maxBio {
		return fmt.Errorf("P_DATA_REQUEST for %d bytes, at most %d", b.Size, maxBio)
	}
	return r.work(peerWork{kind: workRead, sector: b.Sector, size: b.Size, id: b.ID})
}

// readAnswered takes what the peer read for a user of this node.
func (r *Resource) readAnswered(in Input) error {
	d, err := drbdwire.DecodeData(in.Data)
	if err != nil {
		return err
	}
	if d.ID == lookID {
		r.lookArrived(d, in)
		return nil
	}
	q := r.requests.find(d.ID, d.Sector)
	if q == nil || q.op != OpRead || q.remote != halfPending || q.size != in.Size || q.asked != 0 {
		return fmt.Errorf("P_DATA_REPLY for block id %x at sector %d, which was never asked for", d.ID, d.Sector)
	}
	q.buf = in.Buf
	if r.peer.integrity != "" {
		q.digest = digestIn(in.Data)
		q.asked = r.askDigest(r.peer.integrity, q.buf, q.size, 0)
		return nil
	}
	q.remote = halfDone
	return nil
}

// outOfSyncArrived marks blocks that the Primary wrote without sending them.
func (r *Resource) outOfSyncArrived(data []byte) error {
	b, err := drbdwire.DecodeBlockDesc(data)
	if err != nil {
		return err
	}
	if err := r.inside(b.Sector, b.Size); err != nil {
		return err
	}
	if r.bits != nil {
		r.bits.Set(b.Sector, b.Size)
	}
	return nil
}

// The receiver's side of barriers.

// diskDone hands the own disk's answer to whoever asked.
func (r *Resource) diskDone(in Input) {
	switch {
	case r.orphan(in):
	case in.Op == OpFlush && in.ID&peerBase != 0:
		r.flushed(in)
	case in.ID&peerBase != 0:
		r.workDone(in.ID&^peerBase, in)
	default:
		q := r.requests.byArrival(in.ID)
		if !r.check(q != nil && q.local == halfPending, "an answer of the disk to a request that was not under way") {
			return
		}
		r.requestDone(q, in)
		r.diskIdle()
	}
}

// diskBusy tells whether the disk below still owes an answer.
func (r *Resource) diskBusy() bool {
	for i := range r.requests.list {
		if r.requests.list[i].local == halfPending {
			return true
		}
	}
	return len(r.orphans) > 0 || r.sync.flush != 0 || r.mirror.list.len() > r.mirror.waiting ||
		r.mirror.barriers.len() > 0 && r.mirror.barriers.all()[0].flush != 0
}
