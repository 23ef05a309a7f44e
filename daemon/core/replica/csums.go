package replica

import (
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A resync need not send what both sides have: the target sends a digest of
// its own block, or asks whether the source's block is all zeros.
//
//	target                                    source
//	read, digest --P_CSUM_RS_REQUEST--------> read, digest, compare
//	             <-----------P_RS_IS_IN_SYNC- equal
//	             <-----------P_RS_DATA_REPLY- different
//	             --P_RS_THIN_REQ------------> read, all zeros?
//	punch a hole <----------P_RS_DEALLOCATED- yes
//	             <-----------P_RS_DATA_REPLY- no
//
// Source: DRBD 8.4 wire, section 11.

// chooseRequests decides how this target asks for what it lacks.
func (r *Resource) chooseRequests() {
	s := &r.sync
	crashed := r.meta.flags&drbdmeta.MDCrashedPrimary != 0
	s.csums = r.algs.csums != "" && (crashed || !r.cfg.CsumsAfterCrashOnly)
	s.equal, s.thin = 0, 0
	params := r.cfg.Resync
	if r.link.flags&drbdwire.FeatureThinResync != 0 && !s.csums && r.cfg.RSDiscardGranularity%pageSize == 0 {
		s.thin = r.cfg.RSDiscardGranularity
	}
	if s.thin != 0 {
		params.MaxRequest = s.thin
	}
	s.planner = resync.NewPlanner(params)
}

// flushFirst makes sure that what is compared is on stable storage: a block
// that counts as equal must stay so after a power loss. Protocol C leaves
// nothing in a cache. It tells whether there is a flush to wait for.
func (r *Resource) flushFirst() bool {
	if !r.sync.csums || r.cfg.Protocol == drbdwire.ProtocolC {
		return false
	}
	if !r.mirror.written() {
		r.sync.csums = false // of the last link, and not in the cache yet
		return false
	}
	r.mirror.next++
	r.sync.flush, r.sync.flushed = peerBase|r.mirror.next, r.now
	r.emit(Effect{Kind: Flush, ID: r.sync.flush})
	return true
}

// want asks the source for a range.
func (r *Resource) want(sector uint64, size uint32) {
	b := drbdwire.BlockRequest{Sector: sector, ID: drbdwire.Syncer(), Size: size}
	switch {
	case r.sync.csums && r.algs.csums != "" && !r.sync.uneven:
		r.enqueue(peerWork{kind: workSum, sector: sector, size: size, id: drbdwire.Syncer()})
		r.passed = true
	case size == r.sync.thin:
		r.send(DataSocket, drbdwire.CmdRSThinReq, b.Append(r.small[:0]))
	default:
		r.send(DataSocket, drbdwire.CmdRSDataRequest, b.Append(r.small[:0]))
	}
}

// sendChecksum asks for a range that differs from what this target has.
func (r *Resource) sendChecksum(w *peerWork, sum []byte) {
	b := drbdwire.BlockRequest{Sector: w.sector, ID: w.id, Size: w.size}
	r.send(DataSocket, drbdwire.CmdCsumRSRequest, append(b.Append(r.small[:0]), sum...))
}

// blockIsEqual tells the target that it has what this source has.
func (r *Resource) blockIsEqual(w *peerWork) {
	if isSource(r.state.Conn) {
		r.clearBits(w.sector, w.size)
	}
	r.ack(drbdwire.CmdRSIsInSync, w.sector, w.id, w.size)
}

// blockIsZero tells the target that it need not be sent zeros.
func (r *Resource) blockIsZero(w *peerWork) {
	b := drbdwire.BlockDesc{Sector: w.sector, Size: w.size}
	r.send(DataSocket, drbdwire.CmdRSDeallocated, b.Append(r.small[:0]))
}

// blockFailed notes that a block can't be had in this resync.
func (r *Resource) blockFailed(sector uint64, size uint32) {
	if isTarget(r.state.Conn) {
		r.sync.planner.Failed(sector, size)
		r.sync.failed += uint64(size) / pageSize
	}
}

// depend lets a resync wait for that of another resource.
func (r *Resource) depend(wait bool) {
	next, why := r.state, "the resync before this one is over"
	next.AfterPause = wait
	if wait {
		why = "another resource's resync goes before"
	}
	r.set(next, why)
	r.sendState()
}

// pauseSync lets no resync go on, or all go on again. The peer hears of it and
// pauses as well.
func (r *Resource) pauseSync(pause bool) {
	if r.state.UserPause == pause {
		r.finish(drbdwire.NothingToDo, "")
		return
	}
	next, why := r.state, "resync resumed by order"
	next.UserPause = pause
	if pause {
		why = "resync paused by order"
	}
	r.set(next, why)
	r.sendState()
	r.finish(drbdwire.Success, "")
}
