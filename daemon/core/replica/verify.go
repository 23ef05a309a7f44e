package replica

import (
	"bytes"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// FromLast as Sector of an OrderVerify: go on where the last one broke off.
const FromLast = ^uint64(0)

// verification compares the copies of two nodes that are in sync, block by
// block. The node that was told to drives it.
//
//	VerifyS                                    VerifyT
//	               --P_OV_REQUEST------------> read, digest
//	read, digest,  <-------------P_OV_REPLY---
//	compare        --P_OV_RESULT-------------> equal or not
//	all through    --P_STATE Connected-------> over
//
// Users' writes to a block wait while it is compared, on both nodes, and it is
// not compared before the earlier ones are on both disks. Blocks that differ are
// marked; the next resync copies them. Each P_OV_REQUEST must get one
// P_OV_RESULT: a kernel's VerifyT locks the block in between and counts them. So
// the second look at a block that differs is a read, as of a Primary without a
// disk.
//
// Source: DRBD 8.4 wire, section 11; DRBD 8.4 states, section 8.7.
type verification struct {
	from, until uint64 // sectors that the order names
	walk        *resync.Walk
	moved       time.Duration // on VerifyS: when a block was through, or the peer began to owe one
	pinged      bool          // all blocks are compared, the last results are on their way
	begun       bool          // on VerifyT: a request has come
	left        uint64        // on VerifyT: blocks without a result
	total       uint64        // on VerifyT: blocks
	compared    uint64        // on VerifyS: blocks
	progress    resync.Progress
	found       uint64 // blocks that differ
	skipped     uint64 // blocks that the peer could not read
	ranges      []sectorRange
	resume      uint64 // sector where the next one begins, unless told otherwise
	last        *VerifyResult
	// suspect: blocks of this node or of the peer are marked that differ from what
	// was written. Which of the two is damaged, nobody knows.
	suspect bool
}

// VerifyResult is what came of an online verify, in blocks of 4 KiB.
type VerifyResult struct {
	Compared, OutOfSync, Unreadable uint64
	// Complete: nothing broke it off.
	Complete bool
}

func isVerify(c drbdwire.ConnState) bool { return c == drbdwire.VerifyS || c == drbdwire.VerifyT }

// mayVerify tells whether the copies can be compared now.
func (r *Resource) mayVerify() (drbdwire.Code, string) {
	s := r.state
	code := drbdwire.Success
	switch {
	case r.algs.verify == "":
		code = drbdwire.NoVerifyAlg
	case s.Conn < drbdwire.Connected:
		code = drbdwire.NeedConnection
	case s.Conn > drbdwire.Connected:
		code = drbdwire.ResyncRunning
	case s.Disk < drbdwire.Inconsistent:
		code = drbdwire.NoLocalDisk
	case s.PeerDisk < drbdwire.Inconsistent:
		code = drbdwire.NoRemoteDisk
	case s.Disk != drbdwire.UpToDate || s.PeerDisk != drbdwire.UpToDate:
		code = drbdwire.NoUpToDateDisk
	}
	return code, code.String()
}

// orderVerify begins an order to compare the copies from one sector up to
// another, 0 being the end of the device.
func (r *Resource) orderVerify(from, until uint64) {
	if from == FromLast {
		from = r.verify.resume
	}
	from -= from % (pageSize / 512)
	code, why := r.mayVerify()
	switch {
	case code < drbdwire.Success:
		r.refuse(code, why)
	case r.isResizing():
		r.refuse(drbdwire.InTransientState, "a change of the size is not over")
	case r.isAboutToCopy():
		r.refuse(drbdwire.InTransientState, "what is marked is about to be copied")
	case from >= r.size || until != 0 && until <= from:
		r.refuse(drbdwire.NotSupported, fmt.Sprintf("sectors %d to %d are not on this device of %d sectors, or the wrong "+
			"way round", from, until, r.size))
	case until != 0 && !r.endsByState():
		r.refuse(drbdwire.NotSupported, "the peer's protocol knows no end of a verify before that of the device")
	default:
		r.verify.from, r.verify.until = from, until
		r.ask(drbdwire.CmdStateChgReq, uint32(drbdwire.ConnMask)<<4, uint32(drbdwire.VerifyS)<<4)
	}
}

// endsByState tells whether a P_STATE can end a verify. Source: DRBD 8.4 wire,
// section 3.
func (r *Resource) endsByState() bool { return r.link.version != 100 }

// abortVerify ends the verify that this node drives, once what was asked for
// is compared.
func (r *Resource) abortVerify() {
	switch {
	case r.state.Conn == drbdwire.VerifyT:
		r.refuse(drbdwire.NotSupported, "the peer drives this verify: abort it there")
	case r.state.Conn != drbdwire.VerifyS:
		r.finish(drbdwire.NothingToDo, "")
	case !r.endsByState():
		r.refuse(drbdwire.NotSupported, "the peer's protocol knows no end of a verify before that of the device")
	default:
		r.verify.walk.Stop()
		r.finish(drbdwire.Success, "")
	}
}

// verifyGranted begins the verify that the peer has agreed to.
func (r *Resource) verifyGranted() {
	if code, why := r.mayVerify(); code < drbdwire.Success {
		r.refuse(code, why) // it has changed since
		return
	}
	r.enterVerify(drbdwire.VerifyS)
	r.finish(drbdwire.Success, "")
}

func (r *Resource) enterVerify(conn drbdwire.ConnState) {
	v := &r.verify
	*v = verification{from: v.from, until: v.until, resume: v.resume, last: v.last}
	if conn == drbdwire.VerifyS {
		v.walk = resync.NewWalk(r.now, r.cfg.Resync, r.size, v.from, v.until)
		v.progress = resync.NewProgress(r.now, v.walk.Left())
	}
	next := r.state
	next.Conn = conn
	r.set(next, "online verify begins")
}

// advanceVerify asks for the next blocks, and ends a verify that is through.
func (r *Resource) advanceVerify() {
	v := &r.verify
	if r.state.Conn != drbdwire.VerifyS || r.frozen != "" {
		return
	}
	if !r.verifyOwed() {
		v.moved = r.now
	}
	for r.mirror.list.len() < maxPeerWork/2 {
		sector, size, ok := v.walk.Next(r.now, r.crossing)
		if !ok {
			break
		}
		b := drbdwire.BlockRequest{Sector: sector, ID: drbdwire.Syncer(), Size: size}
		r.send(DataSocket, drbdwire.CmdOVRequest, b.Append(r.small[:0]))
	}
	v.progress.Update(r.now, v.walk.Left())
	if !v.pinged && v.walk.Done() {
		// One round trip, so that the peer has all results before it hears that
		// the verify is over.
		v.pinged = true
		r.link.pinged = Never
		r.ping()
	}
}

// verifyOwed tells whether it is the peer that what was asked for waits for: the own
// disk is not asked for a block to compare.
func (r *Resource) verifyOwed() bool {
	if r.state.Conn != drbdwire.VerifyS || !r.verify.walk.Waits() {
		return false
	}
	for i, list := 0, r.mirror.list.all(); i < len(list); i++ {
		if list[i].kind == workCompare {
			return false
		}
	}
	return true
}

// crossing tells whether a write of a user into the range may not be on both
// disks yet: what is read there now may differ. In protocol C the answer to the
// write says that it is, in A and B only the end of its epoch.
func (r *Resource) crossing(start, end uint64) bool {
	for _, list := range r.requests.both() {
		for i := range list {
			q := &list[i]
			under := q.local == halfPending || q.remote == halfPending || q.barrier && r.cfg.Protocol != drbdwire.ProtocolC
			if q.isWrite() && q.started && under && overlap(start, end, q.sector, q.end()) {
				return true
			}
		}
	}
	return false
}

// comparing tells whether a range is being compared by this node, or has waited for that
// for the longest time: a write to it must wait, or the two copies would differ for a
// moment, or the block's turn would never come.
func (r *Resource) comparing(start, end uint64) bool {
	if r.state.Conn != drbdwire.VerifyS {
		return false
	}
	next, until := r.verify.walk.Ahead()
	return r.verify.walk.Touches(start, end) || overlap(start, end, next, until)
}

// digestArrived takes the digest of the peer's block, and has the own one
// read. Late ones, after the verify was given up, are thrown away.
func (r *Resource) digestArrived(data []byte) error {
	b, err := drbdwire.DecodeBlockRequest(data)
	if err != nil {
		return err
	}
	if err := r.inside(b.Sector, b.Size); err != nil {
		return err
	}
	if r.state.Conn != drbdwire.VerifyS || !r.verify.walk.Asked(b.Sector) {
		return nil
	}
	if b.Sector%(pageSize/512) != 0 || b.Size != r.verify.walk.Size(b.Sector) {
		return fmt.Errorf("P_OV_REPLY for %d bytes at sector %d, which was never asked for", b.Size, b.Sector)
	}
	return r.work(peerWork{
		kind: workCompare, sector: b.Sector, size: b.Size, id: b.ID,
		digest: bytes.Clone(data[drbdwire.BlockRequestSize:]),
	})
}

// lookID is the handle of a P_DATA_REQUEST for a second look. No user's request
// has it: those are numbered from 1 on.
var lookID = drbdwire.BlockID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}

// compared takes the digest of the own block. One that differs is read once more
// on both nodes before it counts.
func (r *Resource) compared(w *peerWork, sum []byte) {
	equal := bytes.Equal(w.digest, sum)
	switch {
	case r.state.Conn != drbdwire.VerifyS || !r.verify.walk.Asked(w.sector):
	case equal || w.again:
		r.judged(w.sector, w.size, equal)
	default:
		r.verify.moved = r.now
		b := drbdwire.BlockRequest{Sector: w.sector, ID: lookID, Size: w.size}
		r.send(DataSocket, drbdwire.CmdDataRequest, b.Append(r.small[:0]))
	}
}

// lookArrived takes the peer's block for a second look. Late ones, after the
// verify was given up, are thrown away.
func (r *Resource) lookArrived(d drbdwire.Data, in Input) {
	if r.state.Conn != drbdwire.VerifyS || !r.verify.walk.Asked(d.Sector) || in.Size > pageSize || r.algs.verify == "" {
		r.free(in.Buf)
		r.lookRefused(d.Sector, in.Size)
		return
	}
	// Nothing is written, so a digest of its own, if it has one, need not hold.
	r.mirror.next++
	r.mirror.add(peerWork{
		kind: workLook, started: true, number: r.mirror.next, conn: r.link.conn, sector: d.Sector, size: in.Size, buf: in.Buf,
		asked: r.askDigest(r.algs.verify, in.Buf, in.Size, peerBase),
	})
}

// lookRefused takes a second look that the peer can't give: the first counts.
func (r *Resource) lookRefused(sector uint64, size uint32) {
	if r.state.Conn == drbdwire.VerifyS && r.verify.walk.Asked(sector) {
		r.judged(sector, size, false)
	}
}

// judged ends the comparison of a block, and tells the peer.
func (r *Resource) judged(sector uint64, size uint32, equal bool) {
	v := &r.verify
	id := drbdwire.VerifiedInSync()
	if !equal {
		id = drbdwire.VerifiedOutOfSync()
		r.foundDifference(sector, size)
	}
	v.compared++
	v.moved = r.now
	v.walk.Checked(r.now, sector)
	r.ack(drbdwire.CmdOVResult, sector, id, size)
}

// unreadable counts a block that the peer can't read: its disk tells the rest.
func (r *Resource) unreadable(sector uint64) {
	if r.state.Conn == drbdwire.VerifyS && r.verify.walk.Asked(sector) {
		r.verify.skipped++
		r.verify.moved = r.now
		r.verify.walk.Checked(r.now, sector)
	}
}

// String is the result as the log has it.
func (v VerifyResult) String() string {
	text := fmt.Sprintf("%d blocks of 4 KiB compared, %d out of sync", v.Compared, v.OutOfSync)
	if v.Unreadable > 0 {
		text += fmt.Sprintf(", %d that the peer could not read", v.Unreadable)
	}
	return text
}

// result sums up a verify as it stands.
func (v *verification) result(conn drbdwire.ConnState) VerifyResult {
	result := VerifyResult{OutOfSync: v.found, Unreadable: v.skipped}
	if conn == drbdwire.VerifyS {
		result.Compared, result.Complete = v.compared, v.walk.Done()
		return result
	}
	result.Compared, result.Complete = v.total-v.left, v.begun && v.left == 0
	return result
}

// finishVerify is reached when every block was compared.
func (r *Resource) finishVerify() {
	drives := r.state.Conn == drbdwire.VerifyS
	next := r.state
	next.Conn = drbdwire.Connected
	r.set(next, "online verify done: "+r.verify.result(r.state.Conn).String())
	if drives && r.endsByState() {
		r.sendState()
	}
	if drives {
		r.copyMarked()
	}
}

// leftVerify ends a verify that is over, however it ended.
func (r *Resource) leftVerify(old drbdwire.ConnState) {
	v := &r.verify
	result, outcome := v.result(old), "done"
	if !result.Complete {
		outcome = "broken off"
	}
	if old == drbdwire.VerifyS {
		if v.resume = v.walk.Reached(); v.resume >= r.size {
			v.resume = 0
		}
	}
	r.tellRanges(0)
	r.decided(aboutVerify, outcome, result.String(), "")
	*v = verification{resume: v.resume, last: &result, suspect: v.suspect}
	if result.OutOfSync > 0 {
		r.meta.allPages = true
		r.meta.dirty()
		r.call(HandlerOutOfSync)
	}
}
