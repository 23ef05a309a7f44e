package replica

import (
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

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
	case w.inEpoch() && r.state.Conn >= drbdwire.Connected && r.state.PeerDisk < drbdwire.Inconsistent &&
		!r.generationDurable():
		return false // the superblock must say first that the disk of the Primary is behind
	case w.alone && !r.generationDurable():
		return false // its bitmap page goes before that, and the activity log counts no more
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
	w.stable = w.kind == workResync || w.kind == workClear || w.flags&drbdwire.FlagFUA != 0 ||
		r.cfg.Protocol == drbdwire.ProtocolC
	stable := w.stable && !planted.On(planted.PeerCacheAck)
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
		alone := w.logged || w.alone || w.kind == workRead && !here // for a Primary without a disk, which may be gone
		switch kept := r.dataError("an i/o error on the data", alone); {
		case kept && w.inEpoch():
			r.bits.Set(w.sector, w.size) // a resync that is running has to fetch it
			r.sync.uneven = true
		case kept && w.writes():
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
	if w.inEpoch() && !w.stable {
		r.mirror.keepInCache(w.epoch)
	}
	switch {
	case w.kind == workResync || w.kind == workClear:
		r.blockSynced(w)
	case w.flags&drbdwire.FlagMaySetInSync != 0 && r.isRunning(w.resync):
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
	r.sendBulk(drbdwire.H100, DataSocket, cmd, append(d.Append(r.small[:0]), w.digest...), w.buf, w.size)
}
