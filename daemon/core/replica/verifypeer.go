package replica

import (
	"fmt"
	"slices"

	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// The other side of a verify, which the peer drives, and what both find.

// consentVerify decides about a verify that the peer wants to drive. While the size
// changes there is none, nor when what is marked is about to be copied: that could not
// be done then.
func (r *Resource) consentVerify() (drbdwire.Code, func()) {
	code, _ := r.mayVerify()
	if r.isResizing() || r.isAboutToCopy() {
		code = drbdwire.InTransientState
	}
	return code, func() { r.enterVerify(drbdwire.VerifyT) }
}

// digestWanted takes the peer's request for the digest of a block. The first
// one says where the peer begins. Source: DRBD 8.4 wire, section 11.
func (r *Resource) digestWanted(data []byte) error {
	b, err := drbdwire.DecodeBlockRequest(data)
	if err != nil {
		return err
	}
	if err := r.inside(b.Sector, b.Size); err != nil {
		return err
	}
	if r.algs.verify == "" {
		r.ack(drbdwire.CmdNegRSDReply, b.Sector, b.ID, b.Size)
		return nil
	}
	if v := &r.verify; r.state.Conn == drbdwire.VerifyT && !v.begun {
		const blockSectors = pageSize / 512
		v.begun = true
		v.total = (r.size+blockSectors-1)/blockSectors - b.Sector/blockSectors
		v.left = v.total
		v.progress = resync.NewProgress(r.now, v.total)
	}
	return r.work(peerWork{kind: workVerify, sector: b.Sector, size: b.Size, id: b.ID})
}

// sendDigest answers a request for the digest of a block.
func (r *Resource) sendDigest(w *peerWork, sum []byte) {
	b := drbdwire.BlockRequest{Sector: w.sector, ID: w.id, Size: w.size}
	r.send(DataSocket, drbdwire.CmdOVReply, append(b.Append(r.small[:0]), sum...))
}

// sendNoDigest answers one for a block that can't be read: with zeros, as the
// kernel does, which no block's digest is.
func (r *Resource) sendNoDigest(w *peerWork) {
	if size, err := drbdwire.DigestSize(r.algs.verify); err == nil {
		r.sendDigest(w, make([]byte, size))
	}
}

// resultArrived takes what the peer found about a block.
func (r *Resource) resultArrived(data []byte) error {
	a, err := drbdwire.DecodeBlockAck(data)
	if err != nil {
		return err
	}
	if err := r.inside(a.Sector, a.Size); err != nil {
		return err
	}
	if a.ID == drbdwire.VerifiedOutOfSync() {
		r.foundDifference(a.Sector, a.Size)
	}
	v := &r.verify
	if r.state.Conn != drbdwire.VerifyT || v.left == 0 {
		return nil
	}
	v.left--
	v.progress.Update(r.now, v.left)
	if v.left == 0 {
		r.finishVerify()
	}
	return nil
}

// verifyStopped ends a verify that the peer does not drive to the end of the
// device.
func (r *Resource) verifyStopped() {
	v := &r.verify
	v.total, v.left, v.begun = v.total-v.left, 0, true
	r.finishVerify()
}

// sectorRange is the sectors from start to end-1.
type sectorRange struct{ start, end uint64 }

// keptRanges is how many ranges wait for their neighbours before they are told.
const keptRanges = 16

// foundDifference marks a block that differs, and remembers it for the log.
func (r *Resource) foundDifference(sector uint64, size uint32) {
	if r.bits == nil || !r.meta.open {
		return
	}
	r.bits.Set(sector, size)
	v := &r.verify
	v.suspect = true
	v.found++
	add := sectorRange{sector, sector + uint64(size)/512}
	i, _ := slices.BinarySearchFunc(v.ranges, add, func(a, b sectorRange) int {
		if a.end < b.start {
			return -1
		}
		return 1
	})
	for i < len(v.ranges) && v.ranges[i].start <= add.end {
		add.start, add.end = min(add.start, v.ranges[i].start), max(add.end, v.ranges[i].end)
		v.ranges = slices.Delete(v.ranges, i, i+1)
	}
	v.ranges = slices.Insert(v.ranges, i, add)
	if !isVerify(r.state.Conn) {
		r.tellRanges(0) // a late result
		v.found = 0
		return
	}
	r.tellRanges(keptRanges)
}

// tellRanges names ranges that differ in the log, all but so many.
func (r *Resource) tellRanges(keep int) {
	v := &r.verify
	for len(v.ranges) > keep {
		s := v.ranges[0]
		v.ranges = slices.Delete(v.ranges, 0, 1)
		r.emit(Effect{Kind: Changed, Text: fmt.Sprintf("online verify: out of sync: sectors %d to %d (%d KiB)", s.start,
			s.end-1, (s.end-s.start+1)/2)})
	}
}

// VerifyReport is a verify that is running.
type VerifyReport struct {
	resync.Report
	OutOfSync uint64 // blocks
}

// verifying describes the verify that is running, nil if none is.
func (r *Resource) verifying() *VerifyReport {
	if !isVerify(r.state.Conn) {
		return nil
	}
	return &VerifyReport{Report: r.verify.progress.Report(r.now), OutOfSync: r.verify.found}
}
