package replica

import (
	"errors"
	"fmt"
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
	barriers line[barrier]
}

// peerWork is one thing to do for the peer.
type peerWork struct {
	number  uint64
	kind    workKind
	started bool
	logged  bool // holds a reference on its activity-log extents
	conn    uint32
	epoch   uint32
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

func (m *mirror) loseLog() {
	list := m.list.all()
	for i := range list {
		list[i].logged = false
	}
}

// lose forgets what has not begun; what is under way on the disk ends without
// an answer. A write that protocol A or B acknowledged when it came is written
// all the same.
func (m *mirror) lose(r *Resource) {
	kept := mirror{list: m.list, next: m.next, epoch: m.epoch + 1}
	kept.list.keep(0)
	for _, w := range m.list.all() {
		if w.started || w.inEpoch() && r.cfg.Protocol != drbdwire.ProtocolC && !planted.On(planted.DropReceived) {
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
	r.enqueue(w)
	return nil
}

func (r *Resource) enqueue(w peerWork) {
	r.mirror.next++
	w.number, w.conn = r.mirror.next, r.link.conn
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

// startMirrored starts the peer's work that nothing stands in the way of.
func (r *Resource) startMirrored() {
	m := &r.mirror
	for i := 0; i < m.list.len() && m.waiting > 0; i++ {
		list := m.list.all()
		w := &list[i]
		switch {
		case w.started:
		case w.inEpoch() && r.epochBefore(w) && m.others == 0:
			i = len(list) // and so for all that came later
		case !r.mayStart(w, list[:i]):
		case !r.begin(w):
			m.remove(i)
			i--
		case w.started:
			m.waiting--
		}
	}
	r.ackBarriers()
}

// epochBefore tells whether an earlier epoch must be on disk before w begins.
func (r *Resource) epochBefore(w *peerWork) bool {
	return r.cfg.Protocol != drbdwire.ProtocolC && r.mirror.barriers.len() > 0 &&
		int32(r.mirror.barriers.all()[0].epoch-w.epoch) < 0
}

// mayStart tells whether nothing stands in the way of w, given the work that
// came before it.
func (r *Resource) mayStart(w *peerWork, before []peerWork) bool {
	if r.frozen != "" || w.checking {
		return false
	}
	reads := !w.writes()
	if !reads && r.meta.ready && w.end() > r.meta.sized {
		return false // after a crash the device would end before it
	}
	if w.isResync() && r.makesRoom() {
		return false
	}
	switch { // what costs least to find out comes first
	case reads || !r.meta.ready: // without a disk begin refuses
	case r.state.Conn >= drbdwire.WFBitMapT && r.state.Conn <= drbdwire.WFSyncUUID,
		isTarget(r.state.Conn) && !r.sync.ready:
		return false // the superblock must say first that this copy is behind
	case w.inEpoch() && r.epochBefore(w):
		return false
	}
	for j := range before {
		o := &before[j]
		if (w.writes() || o.writes()) && !planted.On(planted.NoBlockOrder) && overlap(w.sector, w.end(), o.sector, o.end()) {
			return false
		}
	}
	if w.kind == workVerify {
		return !r.crossing(w.sector, w.end())
	}
	return !reads || !r.requests.writing(w.sector, w.end())
}

// writing tells whether a write of a user into the range is on its way to the
// own disk.
func (t *table) writing(start, end uint64) bool {
	for i := range t.list {
		q := &t.list[i]
		if q.isWrite() && q.local == halfPending && overlap(start, end, q.sector, q.end()) {
			return true
		}
	}
	return false
}

// usable tells whether this node's disk takes writes of the peer's.
func (r *Resource) usable() bool { return r.meta.ready && r.state.Disk >= drbdwire.Inconsistent }

// begin starts one piece of work and tells whether it is still there: what the
// disk can't do is refused at once.
func (r *Resource) begin(w *peerWork) bool {
	usable := r.usable()
	if !w.writes() && w.kind != workSum {
		usable = usable && r.state.Disk == drbdwire.UpToDate
	}
	if !usable {
		r.refuseWork(w)
		return false
	}
	if w.inEpoch() && r.state.PeerDisk < drbdwire.Inconsistent {
		// Only this node has the write: as on a Primary without a peer, the
		// activity log must name it, and the bitmap mark it.
		first, last := w.extentRange()
		if !r.log.Get(first, last) {
			return true
		}
		w.logged = true
		r.bits.Set(w.sector, w.size)
	}
	w.started, w.began = true, r.now
	if !w.isResync() && w.kind != workResync && w.kind != workClear {
		r.gentle.used += uint64(w.size) / 512
	}
	stable := w.kind == workResync || w.kind == workClear || w.flags&drbdwire.FlagFUA != 0 ||
		r.cfg.Protocol == drbdwire.ProtocolC
	stable = stable && !planted.On(planted.PeerCacheAck)
	e := Effect{ID: peerBase | w.number, Sector: w.sector, Size: w.size, Buf: w.buf, FUA: stable}
	switch w.kind {
	case workTrim, workClear:
		e.Kind = Trim
	case workZero:
		e.Kind = Zero
	case workWrite, workResync:
		e.Kind = Write
		r.stats.DiskWritten += uint64(w.size)
	default:
		e.Kind, e.FUA = Read, false
		r.stats.DiskRead += uint64(w.size)
	}
	r.emit(e)
	return true
}

func (w *peerWork) extentRange() (first, last uint32) { return extentsOf(w.sector, w.size) }

// refuseWork answers what this node's disk can't do.
func (r *Resource) refuseWork(w *peerWork) {
	cmd := drbdwire.CmdNegAck
	switch w.kind {
	case workRead:
		cmd = drbdwire.CmdNegDReply
	case workSource, workCsum, workThin, workVerify:
		cmd = drbdwire.CmdNegRSDReply
	default:
	}
	switch {
	case w.kind == workSum:
		r.blockFailed(w.sector, w.size)
	case w.kind == workCompare:
		r.unreadable(w.sector)
	case w.conn == r.link.conn:
		r.ack(cmd, w.sector, w.id, w.size)
	}
	r.free(w.buf)
}

// workDone takes the own disk's answer about the peer's work.
func (r *Resource) workDone(number uint64, in Input) {
	list := r.mirror.list.all()
	for i := range list {
		if list[i].number == number {
			if r.askAbout(&list[i], in) {
				return
			}
			w := r.mirror.remove(i)
			r.finishWork(&w, in)
			return
		}
	}
	r.check(false, "an answer of the disk to work that was not under way")
}

func (r *Resource) finishWork(w *peerWork, in Input) {
	if w.logged {
		r.log.Put(w.extentRange())
	}
	if !w.writes() {
		w.buf = in.Buf
	}
	here := w.conn == r.link.conn && w.conn != 0
	switch {
	case in.Failed && planted.On(planted.PeerIgnoresError) && here && w.writes():
		r.wroteForPeer(w)
	case in.Failed:
		switch {
		case here && w.kind == workVerify:
			r.sendNoDigest(w)
		case here:
			r.refuseWork(w)
			w.buf = 0
		}
		if r.dataError("an i/o error on the data") && (w.kind == workResync || w.kind == workClear) {
			r.blockFailed(w.sector, w.size)
		}
	case !here:
	case w.writes():
		r.wroteForPeer(w)
	default:
		r.answerRead(w)
	}
	r.free(w.buf)
	r.diskIdle()
}

// wroteForPeer acknowledges a write that is done.
func (r *Resource) wroteForPeer(w *peerWork) {
	syncing := r.state.Conn >= drbdwire.SyncSource && r.state.Conn <= drbdwire.PausedSyncT
	switch {
	case w.kind == workResync || w.kind == workClear:
		r.blockSynced(w)
	case w.flags&drbdwire.FlagMaySetInSync != 0 && syncing:
		r.clearBits(w.sector, w.size)
		r.ack(drbdwire.CmdRSWriteAck, w.sector, w.id, w.size)
	case w.flags&drbdwire.FlagSendWriteAck != 0 && (w.kind != workWrite || !planted.On(planted.AckBeforeDisk)):
		r.ack(drbdwire.CmdWriteAck, w.sector, w.id, w.size)
	}
}

// answerRead sends what was read for the peer.
func (r *Resource) answerRead(w *peerWork) {
	if planted.On(planted.ClearOnSend) && w.kind == workSource {
		r.clearBits(w.sector, w.size)
	}
	switch w.kind { // those that need an algorithm that is gone
	case workSum:
		r.want(w.sector, w.size)
		return
	case workVerify:
		r.ack(drbdwire.CmdNegRSDReply, w.sector, w.id, w.size)
		return
	case workCompare:
		r.unreadable(w.sector)
		return
	default:
	}
	cmd := drbdwire.CmdRSDataReply
	if w.kind == workRead {
		cmd = drbdwire.CmdDataReply
	}
	d := drbdwire.Data{Sector: w.sector, ID: w.id}
	r.sendBulk(drbdwire.H100, DataSocket, cmd, append(d.Append(nil), w.digest...), w.buf, w.size)
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

func (r *Resource) barrierArrived(data []byte) error {
	b, err := drbdwire.DecodeBarrier(data)
	if err != nil {
		return err
	}
	m := &r.mirror
	if m.count > 0 {
		m.barriers.push(barrier{number: b.Number, epoch: m.epoch, count: m.count})
	}
	m.epoch++
	m.count = 0
	return nil
}

// ackBarriers acknowledges the epochs, in their order, whose writes are all on
// stable storage.
func (r *Resource) ackBarriers() {
	m := &r.mirror
	for m.barriers.len() > 0 {
		b := &m.barriers.all()[0]
		if b.flush != 0 || m.epochBusy(b.epoch) {
			return
		}
		if r.cfg.Protocol != drbdwire.ProtocolC && r.meta.ready {
			m.next++
			b.flush, b.began = peerBase|m.next, r.now
			r.emit(Effect{Kind: Flush, ID: b.flush})
			return
		}
		r.ackBarrier()
	}
}

func (r *Resource) ackBarrier() {
	b := r.mirror.barriers.all()[0]
	r.mirror.barriers.drop(1)
	a := drbdwire.BarrierAck{Number: b.number, SetSize: b.count}
	r.send(MetaSocket, drbdwire.CmdBarrierAck, a.Append(r.small[:0]))
}

func (m *mirror) epochBusy(epoch uint32) bool {
	list := m.list.all()
	for i := range list {
		switch w := &list[i]; {
		case !w.inEpoch():
		case w.epoch == epoch:
			return true
		case int32(w.epoch-epoch) > 0:
			return false // they stand in the order of their arrival
		}
	}
	return false
}

// flushed goes on with the oldest barrier, if its link still stands.
func (r *Resource) flushed(in Input) {
	switch {
	case in.Failed:
		r.ioError("an i/o error on a flush")
	case r.sync.flush == in.ID:
		r.sync.flush, r.sync.ready = 0, true
	case r.mirror.barriers.len() > 0 && r.mirror.barriers.all()[0].flush == in.ID:
		r.ackBarrier()
	}
}

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
