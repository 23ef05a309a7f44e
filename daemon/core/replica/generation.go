package replica

import (
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// newCurrent is the order to begin a new generation of the data.
//
//	connected, both disks fresh, clear:  both nodes take the same new one, and
//	                                     count as equal without having been copied
//	StandAlone:                          the last one is what a copy of this disk
//	                                     will have; the bitmap says from now on
//	                                     what that lacks. With clear it is emptied.
//
// Source: DRBD 8.4 states, section 4.
func (r *Resource) newCurrent(clearBitmap bool) {
	s := r.state
	fresh := clearBitmap && s.Conn == drbdwire.Connected && s.Disk == drbdwire.Inconsistent &&
		s.PeerDisk == drbdwire.Inconsistent && r.uuids.Current&^1 == drbdmeta.JustCreated &&
		r.peer.uuids.Current&^1 == drbdmeta.JustCreated
	switch {
	case !r.meta.ready:
		r.refuse(drbdwire.IsDiskless, "the generation of the data is on the disk, and none is attached")
		return
	case !fresh && s.Conn != drbdwire.StandAlone:
		r.refuse(drbdwire.NotSupported, "it is possible while StandAlone only, or with --clear-bitmap while connected "+
			"if neither disk was ever used")
		return
	}
	if u := &r.uuids; u.Bitmap != 0 {
		u.History1, u.History0, u.Bitmap = u.History0, u.Bitmap, 0
	}
	r.newGeneration()
	r.order.stage = stageRecord
	switch {
	case fresh:
		r.clearAll()
		r.afterSuper(gateSkip)
	case clearBitmap:
		r.afterSuper(gateClear)
	default:
		r.afterSuper(gateOrder)
	}
}

// clearOnRecord empties the bitmap by order, once no peer that has met this node before
// goes by it: pages are written before the superblock is.
func (r *Resource) clearOnRecord() {
	if r.meta.open {
		r.clearAll()
		r.markUnderWay()
		r.meta.dirty()
	}
	r.afterSuper(gateOrder)
}

func (r *Resource) clearAll() {
	r.bits.ClearAll()
	r.meta.allPages = true
}

// markUnderWay marks what is on its way to the own disk: a copy that is made of it right
// now may lack that.
func (r *Resource) markUnderWay() {
	for _, list := range r.requests.both() {
		for i := range list {
			if q := &list[i]; q.isWrite() && q.local == halfPending {
				r.bits.Set(q.sector, q.size)
			}
		}
	}
	for i, work := 0, r.mirror.list.all(); i < len(work); i++ {
		if w := &work[i]; w.writes() {
			r.bits.Set(w.sector, w.size)
		}
	}
}

// endGeneration is the end of a resync on its source: the target has this node's
// generation now, and what it had meanwhile is history. It has not what keepKnown put
// there of a target that was as new.
func (r *Resource) endGeneration() {
	u := &r.uuids
	if u.History0&^1 != u.Current&^1 {
		u.History1 = u.History0
	}
	u.History0, u.Bitmap = u.Bitmap, 0
	r.meta.dirty()
}

// mayBeWhole tells whether the target of a resync that is being lost may have a whole
// copy in the generation of this node, and users of its own from now on. It has had
// everything, and only its word that it is through has not come; if it was not, it is
// copied as a whole later. Or it lacks what a resize has added, and may not have heard
// that it is a target. The kernel's DRBD goes on in the generation that the target has
// then, and takes it for half a copy.
func (r *Resource) mayBeWhole() bool {
	return isSource(r.state.Conn) && r.sync.asked || r.resizing.source || r.resizing.unproven
}

// skipSync tells the peer the generation that both have from now on.
func (r *Resource) skipSync() {
	if r.state.Conn != drbdwire.Connected {
		r.refuse(drbdwire.NeedConnection, "the connection broke before the peer was told")
		return
	}
	u := r.ownUUIDs()
	u.Flags |= drbdwire.UUIDSkipInitialSync
	r.send(DataSocket, drbdwire.CmdUUIDs, u.Append(nil))
	r.uuids.Bitmap = 0
	r.meta.dirty()
	next := r.state
	next.Disk, next.PeerDisk = drbdwire.UpToDate, drbdwire.UpToDate
	r.set(next, "the initial sync is skipped by order")
	r.afterSuper(gateOrder)
}
