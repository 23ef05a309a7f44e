package replica

import (
	"fmt"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// set moves the resource to the next state: what the state implies is added,
// what must be remembered goes to the superblock, who watches is told why.
func (r *Resource) set(next drbdwire.State, why string) {
	old := r.state
	next = r.implied(old, next)
	if r.sync.added && old.Conn == drbdwire.WFSyncUUID && next.Conn == drbdwire.Connected && next.Disk > drbdwire.Failed {
		next.Disk = drbdwire.UpToDate // the source has lost its disk, and has told users of nothing that is not here
	}
	if next.Conn != drbdwire.WFSyncUUID {
		if r.isGivenUp() {
			next.Disk = min(next.Disk, drbdwire.Inconsistent)
		}
		r.meta.givenUp = false
	}
	if next == old {
		return
	}
	r.state = next
	if next.Disk < drbdwire.Failed && next.Peer == drbdwire.Primary && (next.PeerDisk >= drbdwire.Inconsistent || !r.meta.only) {
		r.meta.behind = true // else users saw this disk until it was let go, and none since
	}
	r.noteMet()
	if next.Role != drbdwire.Primary || next.Disk == drbdwire.UpToDate {
		r.meta.served = 0
	}
	if next.Conn >= drbdwire.Connected {
		r.waiting.until, r.waiting.over = Never, false
	}
	if next.Conn >= drbdwire.Connected || next.Role == drbdwire.Primary || next.Disk != drbdwire.UpToDate {
		r.waiting.trusts = false
	}
	if next.Conn != old.Conn || next.PeerDisk < drbdwire.Inconsistent {
		r.sync.call, r.sync.kept, r.sync.added = 0, 0, false // what it was about is over
	}
	if next.Conn != drbdwire.Connected && !isVerify(next.Conn) {
		r.verify.suspect = false
	}
	if isVerify(old.Conn) && !isVerify(next.Conn) {
		r.leftVerify(old.Conn)
	}
	if next.PeerDisk == drbdwire.UpToDate && old.PeerDisk == drbdwire.Inconsistent && next.Conn == drbdwire.Connected {
		r.requests.copyIsWhole()
		r.meta.only = r.meta.only && old.Conn < drbdwire.Connected // the target had all before the disk was lost
	}
	r.recordGeneration(old)
	r.lend(old)
	r.watchUsers(old)
	r.recordFlags()
	r.watchPrimary(old)
	r.emit(Effect{Kind: Changed, State: next.Pack(), Text: describe(old, next, why)})
	if next.PeerDisk < drbdwire.Inconsistent && r.resizing.asked {
		r.resizeFailed("the peer has lost its disk, and does not answer")
	}
}

// lend notes whether a connected peer may have the generation of this copy. One that has
// no disk in use tells nothing about what is on that. If it was Primary all the same, its
// users had a generation that is not there.
func (r *Resource) lend(old drbdwire.State) {
	switch s := r.state; {
	case s.Conn < drbdwire.Connected:
	case s.Peer == drbdwire.Primary:
		r.meta.lent = true
	case r.peer.hasUUIDs:
		r.meta.lent = r.peer.uuids.Current&^1 == r.uuids.Current&^1
	case old.Conn >= drbdwire.Connected && old.Peer == drbdwire.Primary:
		r.meta.lent = false
	}
}

// sanitise applies what one part of a state implies for the others.
// Source: DRBD 8.4 states, section 2.1.
func sanitise(s drbdwire.State) drbdwire.State {
	if s.Conn < drbdwire.Connected {
		s.Peer, s.PeerPause = drbdwire.RoleUnknown, false
		if s.PeerDisk > drbdwire.DUnknown || s.PeerDisk < drbdwire.Inconsistent {
			s.PeerDisk = drbdwire.DUnknown
		}
	}
	if s.Conn > drbdwire.Connected && (s.Disk <= drbdwire.Failed || s.PeerDisk <= drbdwire.Failed) {
		s.Conn = drbdwire.Connected
	}
	if s.Conn >= drbdwire.Connected && s.Conn < drbdwire.Ahead {
		// The handshake has compared both copies. A node without a disk may have
		// had newer data on it: then accept decides.
		if isBehind(s.Disk) && s.PeerDisk >= drbdwire.Inconsistent {
			s.Disk = drbdwire.UpToDate
		}
		if isBehind(s.PeerDisk) && s.Disk >= drbdwire.Inconsistent {
			s.PeerDisk = drbdwire.UpToDate
		}
	}
	if isVerify(s.Conn) && (s.Disk != drbdwire.UpToDate || s.PeerDisk != drbdwire.UpToDate) {
		s.Conn = drbdwire.Connected
	}
	s.Conn = paused(s)
	lim := limits(s.Conn)
	s.Disk = min(max(s.Disk, lim.minDisk), lim.maxDisk)
	s.PeerDisk = min(max(s.PeerDisk, lim.minPeer), lim.maxPeer)
	return s
}

// paused gives the connection state of a resync that somebody may have paused.
func paused(s drbdwire.State) drbdwire.ConnState {
	pause := s.UserPause || s.PeerPause || s.AfterPause
	switch {
	case s.Conn == drbdwire.SyncSource && pause:
		return drbdwire.PausedSyncS
	case s.Conn == drbdwire.SyncTarget && pause:
		return drbdwire.PausedSyncT
	case s.Conn == drbdwire.PausedSyncS && !pause:
		return drbdwire.SyncSource
	case s.Conn == drbdwire.PausedSyncT && !pause:
		return drbdwire.SyncTarget
	default:
		return s.Conn
	}
}

// isBehind tells whether a copy is whole, and may be older than another.
func isBehind(d drbdwire.DiskState) bool { return d == drbdwire.Consistent || d == drbdwire.Outdated }

type diskLimits struct{ minDisk, maxDisk, minPeer, maxPeer drbdwire.DiskState }

// limits is what a connection state says about both disks. Source: DRBD 8.4
// states, section 2.1, no. 6.
func limits(c drbdwire.ConnState) diskLimits {
	switch c {
	case drbdwire.WFBitMapT, drbdwire.PausedSyncT, drbdwire.StartingSyncT, drbdwire.WFSyncUUID, drbdwire.Behind:
		return diskLimits{drbdwire.Inconsistent, drbdwire.Outdated, drbdwire.UpToDate, drbdwire.UpToDate}
	case drbdwire.VerifyS, drbdwire.VerifyT:
		return diskLimits{drbdwire.UpToDate, drbdwire.UpToDate, drbdwire.UpToDate, drbdwire.UpToDate}
	case drbdwire.WFBitMapS, drbdwire.PausedSyncS, drbdwire.StartingSyncS, drbdwire.Ahead:
		return diskLimits{drbdwire.UpToDate, drbdwire.UpToDate, drbdwire.Inconsistent, drbdwire.Consistent}
	case drbdwire.SyncTarget:
		return diskLimits{drbdwire.Inconsistent, drbdwire.Inconsistent, drbdwire.UpToDate, drbdwire.UpToDate}
	case drbdwire.SyncSource:
		return diskLimits{drbdwire.UpToDate, drbdwire.UpToDate, drbdwire.Inconsistent, drbdwire.Inconsistent}
	case drbdwire.Connected:
		return diskLimits{drbdwire.Diskless, drbdwire.UpToDate, drbdwire.Diskless, drbdwire.UpToDate}
	default:
		return diskLimits{drbdwire.Diskless, drbdwire.UpToDate, drbdwire.Inconsistent, drbdwire.DUnknown}
	}
}

// recordGeneration makes a new generation of the data when the two copies
// begin to differ. While I/O of the Primary is suspended they do not: the
// generation comes with the end of that, unless the peer comes first. If this node has
// pulled ahead they do already, and users know. Source: DRBD 8.4 states, section 4.
func (r *Resource) recordGeneration(old drbdwire.State) {
	s := r.state
	connected := old.Conn >= drbdwire.Connected
	parts := connected && s.Conn < drbdwire.Connected
	disk := connected && s.PeerDisk < drbdwire.Inconsistent && old.PeerDisk >= drbdwire.Inconsistent // the peer lost it
	// A Primary without a disk begins to live from this copy: what is on its disk is old then.
	beyond := connected && s.Peer == drbdwire.Primary && old.Peer != drbdwire.Primary && s.PeerDisk < drbdwire.Inconsistent
	if (s.Role == drbdwire.Primary && (parts || disk) || beyond) && s.Disk == drbdwire.UpToDate && r.uuids.Bitmap != 0 &&
		r.meta.lent {
		r.divertGeneration()
		r.afterSuper(gateGeneration)
	}
	if disk {
		r.resizing.source, r.resizing.unproven = false, false // there is no target any more
	}
	if s.Disk != drbdwire.UpToDate || r.uuids.Bitmap != 0 || planted.On(planted.NoNewGeneration) {
		r.fence.postponed = false
		return
	}
	had := old.PeerDisk == drbdwire.Inconsistent || old.PeerDisk == drbdwire.Consistent ||
		old.PeerDisk == drbdwire.UpToDate
	gone := s.PeerDisk < drbdwire.Inconsistent || s.PeerDisk == drbdwire.DUnknown || s.PeerDisk == drbdwire.Outdated
	primary := s.Role == drbdwire.Primary || s.Peer == drbdwire.Primary
	promotedBeyond := s.Peer == drbdwire.Primary && s.PeerDisk < drbdwire.Inconsistent &&
		(old.Peer != drbdwire.Primary || old.Disk != drbdwire.UpToDate)
	back := s.Role == drbdwire.Primary && old.Disk < drbdwire.Inconsistent // the peer went, or was promoted, without it
	if primary && (had || back) && gone || promotedBeyond {
		parted := old.Conn >= drbdwire.Connected && old.PeerDisk == drbdwire.UpToDate
		r.fence.postponed, r.fence.even = true, parted || back && old.Conn < drbdwire.Connected
	}
	switch {
	case !r.fence.postponed:
	case !gone && s.Conn >= drbdwire.Connected:
		r.fence.postponed = false
	case r.peer.unsure: // it may part at once, and has not gone on with this copy then
		r.fence.postponed = s.Conn >= drbdwire.Connected
	case r.mayBeBack(): // and has been told of the generation before
	case s.Role != drbdwire.Primary || !suspended(s) || old.Conn == drbdwire.Ahead && r.bits.Count() > 0:
		r.fence.postponed = false
		r.partGeneration()
		r.afterSuper(gateGeneration)
	}
}

// tellGeneration tells the peer a new generation that is on record.
func (r *Resource) tellGeneration() {
	if r.state.Conn >= drbdwire.Connected {
		r.sendUUIDs()
	}
}

// partGeneration begins the generation of a copy that goes on alone, or for a Primary
// that has no disk.
func (r *Resource) partGeneration() {
	if s := r.state; s.Role == drbdwire.Primary && s.Conn < drbdwire.Connected && r.partedEven() {
		r.meta.untold = r.meta.seen()
	}
	r.newGeneration()
}

// newGeneration makes the current data distinguishable from the peer's, who
// knows them up to what is now the bitmap generation. One that a Primary had begun
// there when it lost its disk is older than this: nobody was told of anything in it.
func (r *Resource) newGeneration() {
	u := &r.uuids
	if lost := r.peer.lost; lost.History0 != 0 && lost.Current&^1 == u.Current&^1 {
		u.History1, u.History0 = u.History0, lost.History0
	}
	u.Bitmap = u.Current
	r.setCurrent(r.rng.next() | 4)
	r.meta.lent = r.state.Conn >= drbdwire.Connected && r.state.Peer == drbdwire.Primary
	r.meta.dirty()
}

// divertGeneration names the current data anew, where the peer lacks blocks
// already and is known by another generation. It may have the last one as well:
// as a Primary that lived from this disk, or as a target that never began. What
// is written here now is not for the one, and no part of the other. The kernel's
// DRBD goes on in the old generation. A peer that was as new as this copy, and was to be
// overwritten by order, is known by nothing but the last one until it begins: so that
// goes where a later start of this node, which makes a new generation too, leaves it.
func (r *Resource) divertGeneration() {
	switch u := &r.uuids; {
	case u.History0&^1 == u.Current&^1: // a start of this node has put it there
	case r.peer.uuids.Current&^1 == u.Current&^1 && u.History0+syncStep != u.Bitmap:
		u.History1, u.History0 = u.History0, u.Current
	default:
		u.History1 = u.Current
	}
	r.setCurrent(r.rng.next() | 4)
	r.meta.lent = false
	r.meta.dirty()
}

// setCurrent stores a generation with the mark of a Primary in bit 0.
func (r *Resource) setCurrent(uuid uint64) {
	uuid &^= 1
	if r.state.Role == drbdwire.Primary {
		uuid |= 1
	}
	r.uuids.Current = uuid
}

// recordFlags keeps in the superblock what a node must know after a crash.
// Source: DRBD 8.4 metadata, section 3.2.
func (r *Resource) recordFlags() {
	s := r.state
	if s.Disk < drbdwire.Inconsistent {
		return // a failed disk keeps what it said last
	}
	keep := r.meta.flags & (drbdmeta.MDFullSync | drbdmeta.MDCrashedPrimary)
	flags := keep
	add := func(on bool, f drbdmeta.Flags) {
		if on {
			flags |= f
		}
	}
	unmarked := planted.On(planted.TargetUnmarked) && isTarget(s.Conn)
	add(s.Disk > drbdwire.Inconsistent && !r.isGivenUp() || unmarked, drbdmeta.MDConsistent)
	add(s.Disk > drbdwire.Outdated && !r.meta.parting || unmarked, drbdmeta.MDWasUpToDate)
	add(s.Role == drbdwire.Primary || s.Peer == drbdwire.Primary && s.PeerDisk < drbdwire.Inconsistent,
		drbdmeta.MDPrimaryInd)
	add(s.Conn > drbdwire.WFReportParams, drbdmeta.MDConnectedInd)
	// A node that starts with that asks nobody before it is promoted.
	add((s.PeerDisk == drbdwire.Inconsistent || s.PeerDisk == drbdwire.Outdated) && !r.mayRun(s), drbdmeta.MDPeerOutdated)
	if flags != r.meta.flags {
		if r.meta.flags&^flags&drbdmeta.MDPrimaryInd != 0 && r.bits != nil {
			r.meta.allPages = true // the activity log counts no more from now on
		}
		r.meta.flags = flags
		r.meta.dirty()
	}
}

func describe(old, s drbdwire.State, why string) string {
	text := ""
	add := func(changed bool, what string, from, to fmt.Stringer) {
		if changed {
			text += fmt.Sprintf("%s %s -> %s; ", what, from, to)
		}
	}
	add(old.Role != s.Role, "role", old.Role, s.Role)
	add(old.Conn != s.Conn, "connection", old.Conn, s.Conn)
	add(old.Disk != s.Disk, "disk", old.Disk, s.Disk)
	add(old.Peer != s.Peer, "peer role", old.Peer, s.Peer)
	add(old.PeerDisk != s.PeerDisk, "peer disk", old.PeerDisk, s.PeerDisk)
	return text + why
}
