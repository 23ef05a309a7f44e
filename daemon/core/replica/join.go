package replica

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A Primary that serves its users from the peer's disk attaches one of its own
// without losing that. The users wait meanwhile; the connection stays.
//
//	requests end --> Attaching: superblock, log, bitmap --> Negotiating:
//	P_SIZES, P_UUIDS, P_STATE  ----------------------------> the peer decides
//	both decide  <---------------------- P_UUIDS, P_STATE ---
//	WFBitMapT, or Connected if nothing was written meanwhile
//
// What is not answered so, an older state that crosses it, decides nothing. The
// disk may be old, never newer: then the attach fails, and nobody was asked.
// Source: DRBD 8.4 states, sections 4 and 5.

// servesFromPeer tells whether the users of this node live on the peer's disk.
func (r *Resource) servesFromPeer() bool {
	s := r.state
	return s.Role == drbdwire.Primary && s.Conn == drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate &&
		s.Disk < drbdwire.Inconsistent
}

// join holds the users of this node back, for the attach of a disk.
func (r *Resource) join(disk Disk) {
	r.order.joins, r.order.disk, r.order.stage = true, disk, stageDrain
	r.order.secondTry = r.now + r.cfg.PingTimeout + 100*time.Millisecond
}

// drainedToJoin begins to read the disk when the peer has marked all that users
// wrote, and has a generation of its own for that.
func (r *Resource) drainedToJoin() {
	switch {
	case !r.servesFromPeer():
		r.refuse(drbdwire.InTransientState, "the peer's copy was lost before the attach began")
	case r.unnoticed() && r.waitsForNotice():
		if r.now >= r.order.secondTry {
			r.refuse(drbdwire.InTransientState, "the peer has not yet heard of the disk that was lost")
		}
	case !r.requests.settled():
		r.epochs.closeSoon()
	default:
		r.order.stage = stageStart
		r.open(r.order.disk)
	}
}

// fitsUsers fails if users of this Primary can't go on with the disk, and gives the
// size that it has of their device. One that has more room does not enlarge the
// device by that.
func (r *Resource) fitsUsers(size uint64, super drbdmeta.Superblock) (uint64, error) {
	switch {
	case !r.order.joins:
		return size, r.hasServed(super.UUIDs.Current &^ 1)
	case super.Size > r.size && super.Flags&drbdmeta.MDConsistent != 0:
		return 0, fmt.Errorf("the disk holds good data of %d sectors, but users see a device of %d", super.Size, r.size)
	default:
		return min(size, r.size), nil
	}
}

// negotiate tells the peer of the disk, unless it is clear already that the two
// would not go on with the peer's data.
func (r *Resource) negotiate() {
	if s := r.state; s.Conn != drbdwire.Connected || s.PeerDisk != drbdwire.UpToDate || !r.peer.hasUUIDs {
		r.attachFailed("the peer's copy was lost meanwhile")
		return
	}
	r.link.told = r.ownUUIDs()
	in := r.sides(r.state.Peer, r.state.PeerDisk)
	if d := handshake.Decide(in); d.GiveUp || d.Result > 0 {
		r.attachFailed("users of this Primary have seen the peer's data, and the disk has others: " + d.Text)
		return
	}
	r.order.stage = stageJoin
	r.progress()
	r.sendSizes()
	r.sendUUIDs()
	r.sendState()
}

// joinAnswered tells whether a state of the peer's is its answer.
func (r *Resource) joinAnswered(s drbdwire.State) bool {
	return r.order.stage == stageJoin && r.order.heard && s.PeerDisk >= drbdwire.Inconsistent
}

// worth is the state of the own disk that a handshake goes by.
func (r *Resource) worth() drbdwire.DiskState {
	switch {
	case r.state.Disk != drbdwire.Negotiating:
		return r.state.Disk
	case r.meta.flags&drbdmeta.MDConsistent == 0:
		return drbdwire.Inconsistent
	default:
		return drbdwire.Consistent
	}
}

// joined enters the attached disk into the state that both have decided on.
func (r *Resource) joined(next *drbdwire.State) {
	next.Disk = r.worth()
	r.link.denied = false // that was about the peer's disk alone, which was kept if it is here
	r.meta.behind, r.meta.parting, r.meta.only = false, false, false
}

// leaveJoin gives up an attach whose peer is lost.
func (r *Resource) leaveJoin() {
	switch {
	case !r.order.joins:
	case r.meta.open:
		r.attachFailed("the connection to the peer, whose copy users see, is lost")
	default:
		r.refuse(drbdwire.NeedConnection, "the connection to the peer, whose copy users see, is lost")
	}
}
