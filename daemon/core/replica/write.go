package replica

import (
	"slices"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// startWrite sends a write to both disks at once, after the activity log on
// disk names its extents.
func (r *Resource) startWrite(q *request, i int) {
	s := r.state
	if r.requests.told.len() >= maxRequests || r.blocked(q, i) || r.becomesTarget() || r.mayTakeOver() || r.fetches(q) ||
		!r.generationDurable() {
		return
	}
	where := r.access()
	switch where {
	case accessWait:
		return
	case accessNone:
		q.started = true
		r.tell(q)
		return
	case accessLocal, accessRemote:
	}
	if r.mirrored() && (r.overruns() || !r.hasDigest(q)) {
		return
	}
	own := where == accessLocal || r.usable()
	if own {
		first, last := q.extents()
		if !planted.On(planted.SkipActivityLog) {
			if !r.log.Get(first, last) {
				r.epochs.closeSoon() // it may hold the extents that could make room
				return
			}
			q.logged = true
		}
	}
	q.started = true
	stable := q.fua || r.cfg.Protocol == drbdwire.ProtocolC && !planted.On(planted.OwnCacheAck)
	if r.mirrored() && (!planted.On(planted.LoseTrim) || q.op != OpTrim) {
		r.sendWrite(q, stable)
		if where == accessRemote && r.cfg.Protocol == drbdwire.ProtocolA {
			r.epochs.closeSoon() // the barrier is its only acknowledgement
		}
	} else {
		r.bits.Set(q.sector, q.size)
		r.sync.whole = false
		if s.Conn == drbdwire.WFBitMapS || s.Conn == drbdwire.Ahead {
			b := drbdwire.BlockDesc{Sector: q.sector, Size: q.size}
			r.send(DataSocket, drbdwire.CmdOutOfSync, b.Append(r.small[:0]))
		}
	}
	if own {
		q.local, q.began = halfPending, r.now
		r.stats.DiskWritten += uint64(q.size)
		r.gentle.used += uint64(q.size) / 512
		r.emit(Effect{
			Kind: writeEffect(q.op), ID: q.arrived, Sector: q.sector, Size: q.size, Buf: q.buf, FUA: stable || r.isApart(),
		})
	}
}

// isApart tells whether the metadata is on another disk than the data. What is written there
// does not flush the cache of this one then, and an extent may leave the activity log, or
// the mark of a Primary go, only when its blocks can't be lost any more.
func (r *Resource) isApart() bool {
	return r.cfg.Meta != drbdmeta.KindInternal && !planted.On(planted.OwnCacheAck)
}

// becomesTarget tells whether this copy is about to be the target of a resync: what
// differs is not known yet, or the superblock does not say yet that this copy has
// the data of no moment.
func (r *Resource) becomesTarget() bool {
	c := r.state.Conn
	return c == drbdwire.WFBitMapT || c == drbdwire.WFSyncUUID || isTarget(c) && !r.sync.ready
}

// mayTakeOver tells whether the peer, to which no writes go as it has ordered a resync,
// or lacks what is marked, may not have heard yet that it gets one: it takes itself for
// UpToDate then, and could take over without them. That lasts about one round trip, or
// until the peer is lost.
func (r *Resource) mayTakeOver() bool {
	c := r.state.Conn
	return c == drbdwire.StartingSyncS && r.sync.unanswered > 0 || c == drbdwire.WFBitMapS && r.sync.telling
}

// fetches tells whether the blocks of a write are on their way here, or to the own
// disk, for a resync: the older data would come after the newer.
func (r *Resource) fetches(q *request) bool {
	return isTarget(r.state.Conn) && r.sync.planner.Flying(q.sector, q.size) || r.mirror.writing(q.sector, q.size)
}

// writes tells whether a write into the range is on its way to either disk, for
// the peer or for users of this node.
func (r *Resource) writes(sector uint64, size uint32) bool {
	return r.mirror.writing(sector, size) || r.requests.underWay(sector, size)
}

// whole tells whether the own copy has all that users know of: a write that it
// alone has may be told as done.
func (r *Resource) whole() bool { return r.state.Disk == drbdwire.UpToDate }

func writeEffect(op Op) EffectKind {
	switch op {
	case OpTrim:
		return Trim
	case OpZero:
		return Zero
	default:
		return Write
	}
}

// mirrored tells whether writes go to the peer. Source: DRBD 8.4 wire, section
// 5.5.
func (r *Resource) mirrored() bool {
	s := r.state
	if s.Conn < drbdwire.Connected {
		return false
	}
	syncing := s.Conn >= drbdwire.WFBitMapT && s.Conn <= drbdwire.PausedSyncT
	return s.PeerDisk == drbdwire.UpToDate || s.PeerDisk >= drbdwire.Inconsistent && syncing
}

// sendWrite mirrors a write. FUA makes the peer acknowledge only what is on
// its stable storage, also when it is a kernel's DRBD.
func (r *Resource) sendWrite(q *request, stable bool) {
	r.nextWrite()
	q.remote, q.barrier, q.epoch, q.sent = halfPending, true, r.epochs.current, r.now
	r.epochs.count++
	r.epochs.bytes += uint64(q.size)
	if r.epochs.count >= uint32(r.cfg.MaxEpochSize) || r.epochs.bytes >= lazyBytes {
		r.epochs.closeSoon()
	}
	var flags drbdwire.DataFlags
	if stable {
		flags |= drbdwire.FlagFUA
	}
	q.resync = r.running()
	syncing := q.resync != 0
	if syncing {
		flags |= drbdwire.FlagMaySetInSync
	}
	switch {
	case r.cfg.Protocol == drbdwire.ProtocolC || syncing:
		flags |= drbdwire.FlagSendWriteAck
	case r.cfg.Protocol == drbdwire.ProtocolB:
		flags |= drbdwire.FlagSendReceiveAck
	}
	r.mirror.sequence++
	d := drbdwire.Data{Sector: q.sector, ID: q.blockID(), Sequence: r.mirror.sequence, Flags: flags}
	switch {
	case q.op == OpTrim, q.op == OpZero && r.link.flags&drbdwire.FeatureWZeroes == 0:
		d.Flags |= drbdwire.FlagDiscard // which zeroes as well, see trimArrived
		t := drbdwire.Trim{Data: d, Size: q.size}
		r.send(DataSocket, drbdwire.CmdTrim, t.Append(r.small[:0]))
	case q.op == OpZero:
		d.Flags |= drbdwire.FlagZeroes
		t := drbdwire.Trim{Data: d, Size: q.size}
		r.send(DataSocket, drbdwire.CmdZeroes, t.Append(r.small[:0]))
	default:
		r.sendBulk(drbdwire.H100, DataSocket, drbdwire.CmdData, append(d.Append(r.small[:0]), q.digest...), q.buf,
			q.size)
	}
}

// advanceLog prepares the next transaction of the activity log.
func (r *Resource) advanceLog() {
	m := &r.meta
	if !m.ready || m.logPending || m.busy == metaLog || m.move.stage != moveNone {
		return
	}
	evicted, ok := r.log.Next(&m.logTx)
	if ok {
		m.logPending = true
		m.logEvicted = append(m.logEvicted[:0], evicted...)
	}
}

// blockAcked takes the peer's answer about one block.
func (r *Resource) blockAcked(cmd drbdwire.Command, data []byte) error {
	a, err := drbdwire.DecodeBlockAck(data)
	if err != nil {
		return err
	}
	if a.ID.IsSyncer() || cmd == drbdwire.CmdNegRSDReply || cmd == drbdwire.CmdRSIsInSync ||
		cmd == drbdwire.CmdRSCancel {
		return r.syncBlockAcked(cmd, a)
	}
	if a.ID == lookID {
		r.lookRefused(a.Sector, a.Size)
		return nil
	}
	q := r.requests.find(a.ID, a.Sector)
	if q == nil {
		return unknownBlock(cmd, a)
	}
	if cmd == drbdwire.CmdNegAck {
		// Also after the answer that protocol B gives early.
		q.remote = halfFailed
		if planted.On(planted.NegAckIgnored) {
			q.remote = halfDone
			return nil
		}
		r.markDifferent(q)
		if !r.link.denied && r.countsAsWhole() {
			r.link.denied, r.link.since = true, r.now
		}
		return nil
	}
	if q.remote != halfPending {
		return nil // a second answer: protocol B and C in one, or a late one
	}
	// Alone, a copy that lacks other blocks is none that users can go on with.
	q.partial = r.state.PeerDisk != drbdwire.UpToDate
	switch cmd {
	case drbdwire.CmdNegDReply:
		q.remote = halfFailed
	case drbdwire.CmdRSWriteAck:
		q.remote = halfDone
		if q.local == halfFailed {
			r.markDifferent(q) // again: what the resync had sent of the block before may have been acknowledged since
		} else if r.isRunning(q.resync) {
			r.clearBits(q.sector, q.size)
		}
	case drbdwire.CmdWriteAck, drbdwire.CmdRecvAck:
		q.remote = halfDone
	default: // dispatch sends nothing else here
	}
	return nil
}

// peerFails tells whether the peer has refused a write, and its word that its disk has
// failed, which comes on the other socket, is still on the way. The generation that
// this node begins then has to be on record before users are told of the write.
func (r *Resource) peerFails() bool { return r.link.denied && r.countsAsWhole() }

// countsAsWhole tells whether the peer may take its copy for as good as this one.
func (r *Resource) countsAsWhole() bool {
	return r.state.PeerDisk == drbdwire.UpToDate || r.sync.unheard || r.mayBeWhole()
}

// copyIsWhole notes that the copy which has the peer's share of the writes lacks
// no other blocks any more: its resync has ended.
func (t *table) copyIsWhole() {
	for i := range t.list {
		t.list[i].partial = false
	}
}

// failsHere tells whether the peer is about to have a write that the own disk, which is
// kept, has not.
func (t *table) failsHere() bool {
	lacks := func(q request) bool { return q.isWrite() && q.local == halfFailed && q.remote == halfPending }
	return slices.ContainsFunc(t.list, lacks) || slices.ContainsFunc(t.told.all(), lacks)
}

// markDifferent notes that only one copy has a write.
func (r *Resource) markDifferent(q *request) {
	r.sync.whole = false
	if r.bits != nil && !planted.On(planted.ForgetInFlight) {
		r.bits.Set(q.sector, q.size)
	}
}

// clearBits marks whole blocks as equal on both nodes.
func (r *Resource) clearBits(sector uint64, size uint32) {
	if r.bits != nil && r.meta.open {
		r.bits.Clear(sector, size)
	}
}
