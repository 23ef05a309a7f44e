package replica

import (
	"bytes"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// lazyPages is how often a running resync writes down what it has done, so
// that a crash does not start it all over.
const lazyPages = 2 * time.Second

// synchronisation is a resync on this node, as source or target.
//
//	source: WFBitMapS --bitmaps--> superblock --> SyncSource --peer's STATE--> Connected
//	target: WFBitMapT --bitmaps--> WFSyncUUID --P_SYNC_UUID--> SyncTarget, superblock,
//	        requests ... no bits left, ping, --> Connected, superblock, STATE
type synchronisation struct {
	planner   *resync.Planner
	number    uint64 // of this one or the last, counted since the start
	progress  resync.Progress
	receiver  drbdwire.BitmapReceiver
	receiving bool // a bitmap has begun to come in
	ready     bool // the target's superblock says that its data is behind
	pinged    bool // all bits are gone, the last acks are on their way
	// unheard: the target of a full resync by order was whole, and has not asked for a
	// block yet: it may not have heard that it is one.
	unheard bool
	// unanswered is how many pings the target has to answer until it certainly has heard
	// this node's consent to be the source of a resync that it has ordered.
	unanswered int
	// telling: the peer may take itself for UpToDate, and gets a resync. Its bitmap, which
	// says that it has heard that, has not come yet.
	telling bool
	// asked: the target has had all that it lacked, and has sent its ping since: when
	// that is answered, the resync is over there.
	asked  bool
	failed uint64
	// uneven: a write has failed on one of two disks that are kept. What was found equal
	// before it is not any more, and the answer about that may come after it.
	uneven    bool
	nextPages time.Duration
	call      uint64        // the handler that the start waits for; 0 is none
	kept      uint64        // the snapshot that the start waits for; 0 is none
	uuid      uint64        // what the source called the target's generation meanwhile
	csums     bool          // as target, compares before it fetches
	equal     uint64        // blocks that were found equal so
	thin      uint32        // size of the requests whose blocks may be all zeros, 0 is none
	flush     uint64        // number of the Flush before the first comparison, 0 is none
	flushed   time.Duration // when the disk was asked for that
	// added: what this target is about to fetch was added to the device just now; it
	// has everything else.
	added bool
	// whole: the target was as good as this copy when it was ordered to be
	// overwritten, and still is.
	whole bool
}

func isTarget(c drbdwire.ConnState) bool {
	return c == drbdwire.SyncTarget || c == drbdwire.PausedSyncT
}

func isSource(c drbdwire.ConnState) bool {
	return c == drbdwire.SyncSource || c == drbdwire.PausedSyncS
}

// stop ends a resync without a result.
func (s *synchronisation) stop() { *s = synchronisation{planner: s.planner, number: s.number} }

// running is the number of the resync that runs, 0 for none. While a verify runs it is that of
// the last resync: a write takes away the marks of the verify, too.
func (r *Resource) running() uint64 {
	if c := r.state.Conn; c < drbdwire.SyncSource || c > drbdwire.PausedSyncT {
		return 0
	}
	return r.sync.number
}

// isRunning tells whether it is that resync which runs. A write that was sent in one proves
// nothing about the marks of the next: when both disks have it, users may have written to
// one of them since.
func (r *Resource) isRunning(number uint64) bool { return number != 0 && number == r.running() }

func (s *synchronisation) deadline(conn drbdwire.ConnState) time.Duration {
	if conn != drbdwire.SyncTarget || !s.ready {
		return Never
	}
	return min(s.planner.Deadline(), s.nextPages)
}

// syncStep is what the bitmap generation grows by when a resync starts.
const syncStep = 1 << 48

// becomeSource names the generation that the target has while it is behind,
// and waits until that is durable. Source: DRBD 8.4 states, section 4.
func (r *Resource) becomeSource() {
	u := &r.uuids
	uuid := u.Bitmap + syncStep
	if u.Bitmap == 0 || u.Bitmap == drbdmeta.JustCreated {
		uuid = r.rng.next() &^ 1
	}
	r.keepKnown()
	u.Bitmap = uuid
	r.meta.allPages = true
	r.meta.dirty()
	r.afterSuper(gateSource)
}

// keepKnown lets the generation that the target is known by be the first of the history,
// however often a start does not reach it. This node may crash before it has, and each
// time that it goes on alone then, it needs the second for what it names anew. The
// kernel's DRBD keeps there what was the bitmap's.
func (r *Resource) keepKnown() {
	u, known := &r.uuids, r.peer.uuids.Current&^1
	if r.peer.began {
		known = u.Bitmap &^ 1
	}
	switch known {
	case u.History0 &^ 1:
	case u.Current &^ 1: // it was as new, and is to be overwritten
		u.History1, u.History0 = u.History0, u.Current
	case u.History1 &^ 1:
		if u.Bitmap != 0 {
			u.History1, u.History0 = u.History0, u.History1
		}
	default:
		if u.Bitmap != 0 {
			u.History1, u.History0 = u.History0, u.Bitmap
		}
	}
}

func (r *Resource) sourceReady() {
	added := r.resizing.source && r.state.Conn == drbdwire.Connected
	r.resizing.source = false
	if !added && r.state.Conn != drbdwire.WFBitMapS && r.state.Conn != drbdwire.StartingSyncS &&
		r.state.Conn != drbdwire.Ahead {
		return
	}
	if r.sync.call = r.call(HandlerBeforeResyncSource); r.sync.call == 0 {
		r.beginSource()
	}
}

func (r *Resource) beginSource() {
	r.sync.number++
	r.sync.whole, r.sync.asked, r.sync.uneven = false, false, false
	r.peer.began = true
	next := r.state
	next.Conn, next.PeerDisk = drbdwire.SyncSource, drbdwire.Inconsistent
	r.sync.progress = resync.NewProgress(r.now, r.bits.Count())
	r.send(DataSocket, drbdwire.CmdSyncUUID, drbdwire.SyncUUID{UUID: r.uuids.Bitmap}.Append(nil))
	r.set(next, fmt.Sprintf("resync of %d KiB begins", r.bits.Count()*4))
}

// syncUUIDArrived begins the resync on the target, if the handler has nothing
// against it.
func (r *Resource) syncUUIDArrived(data []byte) error {
	u, err := drbdwire.DecodeSyncUUID(data)
	if err != nil {
		return err
	}
	if r.lostForResync() {
		return nil
	}
	if c := r.state.Conn; c != drbdwire.WFSyncUUID && c != drbdwire.Behind || r.sync.call != 0 {
		return fmt.Errorf("P_SYNC_UUID came in connection state %s", r.state.Conn)
	}
	r.sync.uuid = u.UUID
	if r.sync.call = r.call(HandlerBeforeResyncTarget); r.sync.call == 0 {
		r.takeSnapshot()
	}
	return nil
}

// lostForResync tells whether the own disk is lost, and with it a resync that was about
// to begin. The peer goes on with that until it hears so.
func (r *Resource) lostForResync() bool {
	return r.state.Conn == drbdwire.Connected && r.state.Disk < drbdwire.Inconsistent
}

// beginTarget makes this copy a target: from now on it has the data of no
// moment, and says so on disk before a block of it changes.
func (r *Resource) beginTarget() {
	r.setCurrent(r.sync.uuid)
	r.uuids.Bitmap = 0
	next := r.state
	if next.Role == drbdwire.Primary {
		r.meta.served = r.peer.uuids.Current &^ 1
	}
	next.Conn, next.Disk = drbdwire.SyncTarget, drbdwire.Inconsistent
	r.sync.number++
	r.sync.ready, r.sync.failed, r.sync.uneven = false, 0, false
	r.chooseRequests()
	r.sync.progress = resync.NewProgress(r.now, r.bits.Count())
	r.set(next, fmt.Sprintf("resync of %d KiB begins", r.bits.Count()*4))
	r.meta.allPages = true
	r.meta.dirty()
	if planted.On(planted.TargetUnmarked) {
		r.pass(gateTarget)
		return
	}
	r.afterSuper(gateTarget)
}

func (r *Resource) targetReady() {
	if planted.On(planted.ResyncTooShort) && r.size > 0 {
		r.clearBits(r.size-r.size%8192, uint32(r.size%8192)*512)
	}
	if !isTarget(r.state.Conn) {
		return
	}
	r.sync.ready = !r.flushFirst()
	r.sync.nextPages = r.now + lazyPages
	r.sync.planner.Start(r.now, r.bits)
}

// advanceSync asks for what is missing and ends the resync when nothing is.
func (r *Resource) advanceSync() {
	if isSource(r.state.Conn) || isTarget(r.state.Conn) {
		r.sync.progress.Update(r.now, r.bits.Count())
	}
	if r.state.Conn != drbdwire.SyncTarget || !r.sync.ready || r.frozen != "" {
		return
	}
	if r.now >= r.sync.nextPages {
		r.sync.nextPages = r.now + lazyPages
		r.meta.allPages = true
	}
	for r.mirror.list.len() < maxPeerWork/2 && !r.makesRoom() {
		sector, size, ok := r.sync.planner.Next(r.now, r.bits, r.writes)
		if !ok {
			break
		}
		r.want(sector, size)
		if planted.On(planted.ClearOnSend) {
			r.clearBits(sector, size)
		}
	}
	if !r.sync.pinged && r.sync.planner.Done(r.bits) {
		// One round trip, so that the source has all acknowledgements before
		// it hears that the resync is over.
		r.sync.pinged = true
		r.link.pinged = Never
		r.ping()
	}
}

// pingAnswered goes on with what waits for a round trip. The answer to an earlier ping
// says nothing about it: the peer may have sent that before it had the acknowledgements,
// and lack them for good if the link is lost now.
func (r *Resource) pingAnswered() {
	r.link.pings = max(r.link.pings-1, 0)
	r.sync.unanswered = max(r.sync.unanswered-1, 0)
	if r.link.pings > 0 {
		return
	}
	if r.state.Conn == drbdwire.VerifyS && r.verify.pinged {
		r.finishVerify()
		return
	}
	if isTarget(r.state.Conn) && r.sync.pinged {
		r.sync.pinged = false
		if r.sync.planner.Done(r.bits) {
			r.finishTarget()
		}
	}
}

// hasEverything tells whether the target of a resync lacks no block any more.
func (r *Resource) hasEverything() bool {
	return r.sync.ready && r.bits.Count() == 0 && r.sync.planner.Done(r.bits)
}

// finishTarget ends the resync on the target. Source: DRBD 8.4 states,
// section 4.
func (r *Resource) finishTarget() {
	next := r.state
	next.Conn = drbdwire.Connected
	text := "resync done"
	if r.bits.Count() == 0 {
		p, u := &r.peer.uuids, &r.uuids
		old := u.Current
		u.Bitmap = 0
		u.History0, u.History1 = old, p.Bitmap
		if p.Bitmap == 0 { // a full sync by order: the source had nothing to rotate
			u.History1 = p.History0
		}
		r.setCurrent(p.Current)
		r.meta.fetched = p.Current
		p.Bitmap, p.History0, p.History1, p.Dirty = 0, u.History0, u.History1, 0
		next.Disk = drbdwire.UpToDate
		r.meta.flags &^= drbdmeta.MDCrashedPrimary
	} else {
		text = fmt.Sprintf("resync ended with %d KiB that the source could not read", r.bits.Count()*4)
	}
	if r.sync.csums {
		text += fmt.Sprintf(", %d KiB were equal by checksum", r.sync.equal*4)
	}
	r.meta.allPages = true
	r.meta.dirty()
	r.sync.stop()
	r.decided(aboutResync, "ended on the target", text, r.standing())
	r.set(next, text)
	if r.state.Disk == drbdwire.UpToDate {
		r.dropSnapshot()
	}
	r.call(HandlerAfterResyncTarget)
	r.afterSuper(gateFinished)
}

// targetFinished tells the source, once the end is durable.
func (r *Resource) targetFinished() {
	if r.state.Conn == drbdwire.Connected {
		r.sendState()
	}
}

// sourceFinished ends the resync on the source, because the target says that
// it has everything.
func (r *Resource) sourceFinished(role drbdwire.Role, disk drbdwire.DiskState) {
	r.sync.asked = r.sync.asked || disk == drbdwire.UpToDate // it may have users of its own from now on
	if disk == drbdwire.UpToDate && r.bits.Count() > 0 {
		r.dropLink(drbdwire.ProtocolError, fmt.Sprintf("the peer ended the resync with %d KiB still missing",
			r.bits.Count()*4))
		return
	}
	if disk == drbdwire.UpToDate && r.requests.failsHere() {
		// The block may be marked no more: the target has acknowledged what it was before.
		r.dropLink(drbdwire.ProtocolError, "the peer ended the resync before it had a write that has failed here")
		return
	}
	r.resizing.unproven, r.link.denied = false, false
	next := r.state
	next.Conn, next.Peer, next.PeerDisk = drbdwire.Connected, role, disk
	if disk == drbdwire.UpToDate || r.sync.asked {
		r.endGeneration()
	}
	if disk == drbdwire.UpToDate {
		u, p := &r.uuids, &r.peer.uuids // the target has the same now, and will be the source of the next one
		p.Current, p.Bitmap, p.History0, p.History1, p.Dirty = u.Current, u.Bitmap, u.History0, u.History1, 0
		r.peer.began = false
		r.meta.flags &^= drbdmeta.MDCrashedPrimary
	}
	r.meta.allPages = true
	r.meta.dirty()
	r.sync.stop()
	r.decided(aboutResync, "ended on the source", fmt.Sprintf("the target's disk is %s", disk), r.standing())
	r.set(next, "resync done")
	if s := r.state; s.Disk == drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate && r.cfg.Fencing != DontCare {
		r.call(HandlerUnfencePeer)
	}
}

// blockWanted takes the target's request for a block.
func (r *Resource) blockWanted(cmd drbdwire.Command, data []byte) error {
	b, err := drbdwire.DecodeBlockRequest(data)
	if err != nil {
		return err
	}
	r.resizing.unproven, r.sync.unheard = false, false
	w := peerWork{kind: workSource, sector: b.Sector, size: b.Size, id: b.ID}
	switch cmd {
	case drbdwire.CmdRSThinReq:
		w.kind = workThin
	case drbdwire.CmdCsumRSRequest:
		if r.algs.csums != "" { // else there is nothing to compare with
			w.kind, w.digest = workCsum, bytes.Clone(data[drbdwire.BlockRequestSize:])
		}
	default:
	}
	return r.work(w)
}

// blockArrived takes a block from the source. Late ones, after the resync was
// given up, are thrown away.
func (r *Resource) blockArrived(in Input) error {
	d, err := drbdwire.DecodeData(in.Data)
	if err != nil {
		return err
	}
	if !isTarget(r.state.Conn) || !r.sync.ready {
		r.ack(drbdwire.CmdNegAck, d.Sector, d.ID, in.Size)
		r.free(in.Buf)
		return nil
	}
	return r.work(peerWork{kind: workResync, sector: d.Sector, size: in.Size, id: d.ID, buf: in.Buf, digest: digestIn(in.Data)})
}

// deallocatedArrived takes the source's word that a range is all zeros.
func (r *Resource) deallocatedArrived(data []byte) error {
	b, err := drbdwire.DecodeBlockDesc(data)
	if err != nil {
		return err
	}
	if !isTarget(r.state.Conn) || !r.sync.ready {
		return nil
	}
	return r.work(peerWork{kind: workClear, sector: b.Sector, size: b.Size, id: drbdwire.Syncer()})
}

// blockSynced notes that a block of the source's is on the own disk.
func (r *Resource) blockSynced(w *peerWork) {
	r.clearBits(w.sector, w.size)
	if isTarget(r.state.Conn) {
		r.sync.planner.Received(r.now, w.sector, w.size)
	}
	r.ack(drbdwire.CmdRSWriteAck, w.sector, w.id, w.size)
}

// syncBlockAcked takes an answer that belongs to the resync.
func (r *Resource) syncBlockAcked(cmd drbdwire.Command, a drbdwire.BlockAck) error {
	if err := r.inside(a.Sector, a.Size); err != nil {
		return err
	}
	target := isTarget(r.state.Conn)
	switch {
	case cmd == drbdwire.CmdRSWriteAck && isSource(r.state.Conn):
		r.clearBits(a.Sector, a.Size)
	case cmd == drbdwire.CmdRSIsInSync && target && r.sync.uneven:
		r.sync.planner.Retry(a.Sector, a.Size)
	case cmd == drbdwire.CmdRSIsInSync && target:
		r.clearBits(a.Sector, a.Size)
		r.sync.planner.Received(r.now, a.Sector, a.Size)
		r.sync.equal += uint64(a.Size) / pageSize
	case cmd == drbdwire.CmdNegRSDReply:
		r.blockFailed(a.Sector, a.Size)
		r.unreadable(a.Sector)
	case cmd == drbdwire.CmdRSCancel && target:
		r.sync.planner.Retry(a.Sector, a.Size)
	}
	return nil
}
