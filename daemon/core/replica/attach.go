package replica

import (
	"errors"
	"fmt"

	"github.com/optionc/pollux/daemon/core/actlog"
	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// attach begins to use the disk below: superblock, activity log and bitmap are
// read, a log that was not closed is replayed. Source: DRBD 8.4 metadata,
// section 8.2.
func (r *Resource) attach(disk Disk) {
	if r.state.Disk != drbdwire.Diskless || r.meta.busy != metaIdle || r.diskBusy() {
		r.refuse(drbdwire.InTransientState, "a disk is attached, or was not let go yet")
		return
	}
	if r.servesFromPeer() {
		r.join(disk)
		return
	}
	r.open(disk)
}

// open begins to read the disk.
func (r *Resource) open(disk Disk) {
	var err error
	r.meta.layout, err = r.place(disk)
	if err != nil {
		r.refuse(drbdwire.IsDiskless, err.Error())
		return
	}
	if r.state.Role == drbdwire.Primary {
		r.meta.served = r.uuids.Current &^ 1
	}
	r.state.Disk = drbdwire.Attaching // so nobody looks for the peer
	if !r.order.joins {
		r.partToAttach()
	}
	r.order.owed = owed{word: r.meta.last, parting: r.meta.parting}
	r.meta.disk, r.meta.whole, r.meta.open, r.meta.last = disk, disk, true, lastWord{}
	r.meta.bad = false
	r.meta.wanted, r.meta.durable, r.meta.gates = 0, 0, r.meta.gates[:0]
	r.readMeta(metaReadSuper, r.meta.layout.Superblock, pageSize)
}

// partToAttach ends the connection: the peer learns of the new disk by a new
// handshake, and not before it is known what is on it.
func (r *Resource) partToAttach() {
	switch {
	case r.link.conn != 0:
		r.dropLink(drbdwire.Unconnected, "attaching a disk")
	case r.state.Conn == drbdwire.WFConnection:
		r.emit(Effect{Kind: Hangup})
		next := r.state
		next.Conn = drbdwire.Unconnected
		r.set(next, "attaching a disk")
	}
}

// place finds the superblock; everything else is where that says.
func (r *Resource) place(disk Disk) (drbdmeta.Layout, error) {
	switch r.cfg.Meta {
	case drbdmeta.KindFlexible:
		return drbdmeta.FlexibleExternal(disk.MetaSectors, disk.DataSectors, 1, 8)
	case drbdmeta.KindIndexed:
		return drbdmeta.Indexed(r.cfg.MetaSlot, disk.MetaSectors, disk.DataSectors)
	default:
		return drbdmeta.Internal(disk.MetaSectors, 1, 8)
	}
}

func (r *Resource) superRead(data []byte) {
	m := &r.meta
	super, err := drbdmeta.DecodeSuperblock(data)
	r.isOther(super)
	if errors.Is(err, drbdmeta.ErrNoMetadata) {
		if r.lookWhereItWas() {
			return
		}
		if r.cfg.Meta == drbdmeta.KindInternal && m.disk.LastSectors == 0 {
			err = fmt.Errorf("%w. It is elsewhere if the disk has grown since: then what drbdadm notes in "+
				"drbd-minor-N.lkbd must say how large it was", err)
		}
	}
	if err == nil {
		err = super.Validate(r.cfg.Meta, m.layout.Superblock, m.disk.MetaSectors)
	}
	if err == nil {
		m.layout = super.Layout(m.layout.Superblock)
		m.layout.DataSectors = min(m.layout.DataSectors, m.disk.DataSectors)
	}
	var size, shown uint64 // what the disk says, and what users of a Primary know
	if err == nil {
		size, err = drbdmeta.AgreedSize(m.layout.DataSectors, 0, super.Size, r.cfg.UserSize)
	}
	if err == nil && super.Size > size && super.Flags&drbdmeta.MDConsistent != 0 {
		err = fmt.Errorf("the disk has room for %d sectors, but holds good data of %d", size, super.Size)
	}
	if err == nil && m.layout.ALSize > maxLog {
		err = fmt.Errorf("the activity log has %d MiB, at most %d are supported", m.layout.ALSize>>20, maxLog>>20)
	}
	if err == nil && r.state.Role == drbdwire.Primary {
		shown = r.size
		size, err = r.fitsUsers(size, super)
	}
	if err == nil && m.layout.DataSectors < shown {
		err = fmt.Errorf("the disk has room for %d sectors, but users of this Primary have seen %d", m.layout.DataSectors, shown)
	}
	if err != nil {
		r.attachFailed(err.Error())
		return
	}
	m.parting = m.parting && super.UUIDs.Current == m.onDisk // else it is another disk
	m.super, m.flags, r.uuids = super, super.Flags, super.UUIDs
	if m.begun == 0 || m.begun != super.UUIDs.Current&^1 { // else that may be in the disk's cache only
		m.onDisk, m.begun, m.fetched, m.untold = super.UUIDs.Current, 0, 0, 0
	}
	m.sized = super.Size
	m.last.keep(super, m.layout.Superblock)
	r.size = max(size, shown)
	r.bits = resync.NewBitmap(size)
	r.log = actlog.New(r.cfg.ALExtents, m.layout.Stripes, m.layout.StripeSize4k)
	m.loaded = 0
	r.loadBitmap()
}

// hasServed fails unless the users of this Primary have seen the data of that
// generation, and nothing newer. What it had begun when it lost the disk is as
// good as the one before, for they were told of nothing in it.
func (r *Resource) hasServed(generation uint64) error {
	own := r.uuids.Current &^ 1
	begun := r.meta.begun != 0 && generation == r.meta.begun && own == r.meta.seen()&^1
	switch {
	case own != generation && !begun:
		return fmt.Errorf("can only attach to data with current UUID %016X, which this Primary has served; the disk's is %016X",
			own, generation)
	case r.meta.behind:
		return errors.New("can only attach to current data, and users of this Primary have written to the peer's disk alone")
	}
	return nil
}

// replay turns what the activity log names into bits, if the node was Primary
// when it last wrote the superblock. Source: DRBD 8.4 metadata, section 6.3.
func (r *Resource) replay(data []byte) {
	m := &r.meta
	primary := m.flags&drbdmeta.MDPrimaryInd != 0
	if m.super.NeedsReplay() {
		replayed, err := drbdmeta.Replay(m.super, data)
		if err != nil {
			// Any block may differ.
			m.flags |= drbdmeta.MDFullSync
		}
		for _, extent := range replayed.Hot {
			if !planted.On(planted.LoseBitmap) {
				r.bits.SetExtent(extent)
			}
		}
	}
	crashed := primary || m.flags&drbdmeta.MDCrashedPrimary != 0 && !planted.On(planted.CrashFlagOnce)
	if planted.On(planted.NoCrashFlag) {
		crashed = false
	}
	if m.flags&drbdmeta.MDFullSync != 0 || m.super.Size == 0 || crashed && m.flags&drbdmeta.MDALDisabled != 0 {
		r.bits.SetAll()
	}
	r.waiting.degraded = primary && m.flags&drbdmeta.MDConnectedInd == 0
	m.lent = true
	next := r.found()
	r.order.owed.replayed = true
	if !r.order.joins { // else the peer decides with this node what the disk is worth
		m.flags, m.parting = 0, false
	}
	if m.flags &= drbdmeta.MDConsistent; crashed {
		m.flags |= drbdmeta.MDCrashedPrimary
	}
	if r.size > r.bits.Sectors() {
		r.bits.Resize(r.size, true)
	}
	// The bits first, then the superblock that says that the log counts no
	// more; the log itself is empty before it is used again.
	m.allPages, m.clean = true, false
	r.setCurrent(r.uuids.Current)
	m.dirty()
	if r.state.Role == drbdwire.Primary && (m.begun != 0 || r.uuids.Bitmap != 0) && !r.order.joins {
		r.divertGeneration() // the peer was told that there is nothing in that one, or may have it whole
	}
	if m.begun = 0; r.state.Role != drbdwire.Primary {
		m.untold = 0
	}
	r.set(next, "attached")
	r.afterSuper(gateAttached)
}

// found is the state that the disk itself gives rise to. That the peer was outdated
// counts if it was not connected: the target of a resync may have become whole, and
// may be used, before this disk took another word.
func (r *Resource) found() drbdwire.State {
	m, next := &r.meta, r.state
	switch {
	case r.order.joins:
		next.Disk = drbdwire.Negotiating
	case m.flags&drbdmeta.MDConsistent == 0:
		next.Disk = drbdwire.Inconsistent
	case m.flags&drbdmeta.MDWasUpToDate == 0 && !m.parting, m.behind:
		next.Disk = drbdwire.Outdated
	case r.state.Role == drbdwire.Secondary && r.isOlderThanMet():
		next.Disk = drbdwire.Outdated
	case r.state.Role == drbdwire.Primary:
		next.Disk = drbdwire.UpToDate // and nothing was written since it was let go
	case m.flags&drbdmeta.MDPeerOutdated != 0 && m.flags&drbdmeta.MDConnectedInd == 0:
		next.Disk, next.PeerDisk = drbdwire.UpToDate, drbdwire.Outdated
		if r.cfg.OutdatedWFCTimeout > 0 {
			next.Disk = drbdwire.Consistent
		}
	default:
		next.Disk = drbdwire.Consistent
	}
	return next
}

// noteMet keeps the generations of a whole copy that this node meets without a disk: the
// peer may be away when it attaches one.
func (r *Resource) noteMet() {
	switch s, u := r.state, r.peer.uuids; {
	case s.Conn < drbdwire.Connected:
	case s.Disk >= drbdwire.Inconsistent:
		r.meta.met = drbdmeta.UUIDs{} // they were compared
	case r.peer.hasUUIDs && s.PeerDisk >= drbdwire.Outdated && s.PeerDisk != drbdwire.DUnknown:
		r.meta.met = drbdmeta.UUIDs{Current: u.Current, Bitmap: u.Bitmap, History0: u.History0, History1: u.History1}
	}
}

// isOlderThanMet tells whether the disk is surely older than that copy. With the same
// generation it is not: what else the peer has said may be from before a resync.
func (r *Resource) isOlderThanMet() bool {
	if r.meta.met.Current&^1 == r.uuids.Current&^1 {
		return false
	}
	result := handshake.Compare(handshake.Side{UUIDs: r.uuids}, handshake.Side{UUIDs: r.meta.met}).Result
	return r.meta.met.Current != 0 && (result == -handshake.BitmapSync || result == -handshake.FullSync)
}

func (r *Resource) replayed() {
	r.meta.ready = true
	if r.moveBehindGrown() {
		return
	}
	r.attachDone()
}

// attachDone ends the attach.
func (r *Resource) attachDone() {
	if r.order.joins {
		r.located()
		r.negotiate()
		return
	}
	r.meta.behind, r.meta.only = false, false // not before: if an attach fails, what is known of the disk counts again
	wait := r.cfg.WFCTimeout
	switch {
	case r.state.PeerDisk == drbdwire.Outdated:
		wait = r.cfg.OutdatedWFCTimeout
	case r.waiting.degraded:
		wait = r.cfg.DegrWFCTimeout
	}
	r.located()
	r.waiting.until = Never
	if r.state.Disk == drbdwire.Consistent && r.state.Conn < drbdwire.Connected && wait > 0 {
		r.waiting.until = r.now + wait
	}
	r.fenceLost(r.fence.call == 0) // a Primary without a disk has not asked about its peer
	r.finish(drbdwire.Success, "")
	r.dialAgain()
}

func (r *Resource) attachFailed(why string) {
	r.letGoOfDisk("not attached: " + why)
	r.dialAgain()
}

// diskFailed gives up a disk that returned an error: the other copy goes on
// serving, and nothing more is believed or written here.
func (r *Resource) diskFailed(why string) {
	if r.state.Disk <= drbdwire.Failed {
		return
	}
	r.prepareLastWord()
	only, even := r.meta.only, r.isEven()
	next := r.state
	next.Disk = drbdwire.Failed
	r.note = why
	r.decided(aboutData, "not used any more", why, r.standing())
	r.set(next, why)
	r.meta.begun = r.unanswered()
	r.sendUUIDs()
	r.sendState()
	whole := r.sync.whole || r.begins()
	r.letGoOfDisk(why)
	r.meta.only = r.meta.only && (only || !even)
	r.sync.stop()
	if s := r.state; whole && s.Role == drbdwire.Primary && s.Conn == drbdwire.Connected && isBehind(s.PeerDisk) {
		r.rejoin()
	}
}

// isEven tells whether users of a Primary wait since it has lost the peer's copy, which was
// whole, so that they were told of nothing that it lacks. What is marked was not told then.
func (r *Resource) isEven() bool { return r.fence.postponed && r.partedEven() }

// rejoin ends the connection to a peer whose copy was to become a target and is needed
// now: that finds in the next handshake that it is whole. Users wait for it.
func (r *Resource) rejoin() {
	r.rejoins = r.now + r.cfg.PingInt
	r.dropLink(drbdwire.Unconnected, "the peer's copy, which was to become a target, is needed now")
}

// letGoOfDisk goes Diskless; what waited for the metadata has nothing to wait
// for any more.
func (r *Resource) letGoOfDisk(why string) {
	m := &r.meta
	m.open, m.ready, m.allPages, m.logPending = false, false, false, false
	m.move, r.resizing = move{}, resizing{}
	if m.busy != metaIdle {
		m.busy = metaOrphan
	}
	r.loseOnlyCopy()
	switch {
	case m.served != 0 && !planted.On(planted.ForgetServed):
		r.setCurrent(m.served)
	case m.onDisk != 0 && (r.state.Disk > drbdwire.Attaching || planted.On(planted.ForgetServed)):
		r.setCurrent(m.seen())
	}
	gates := m.gates
	m.gates = nil
	for _, g := range gates {
		if g.what != gateAttached {
			r.pass(g.what)
		}
	}
	r.oweAgain()
	next := r.state
	next.Disk = drbdwire.Diskless
	r.set(next, why)
	r.sendState()
	if r.order.kind == OrderAttach || r.order.kind == OrderResize {
		r.refuse(drbdwire.IsDiskless, why)
	}
	r.requests.loseDisk()
	r.mirror.loseLog()
	r.sayLastWord()
	r.diskIdle()
}

// unanswered gives the generation that a Primary was writing down when it lost the
// disk: that may have it, or the one before. 0 is none.
func (r *Resource) unanswered() uint64 {
	last, before := r.meta.super.UUIDs.Current&^1, r.meta.seen()&^1
	if r.state.Role != drbdwire.Primary || r.meta.served != 0 || last == before {
		return 0
	}
	return last
}

// loseOnlyCopy notes whether the disk that is lost had what users were told is
// done, and no peer has; of one that failed in an attach that is known. A generation that follows the one on disk was begun when
// the peer was lost, which was whole, and nobody was told of anything in it.
func (r *Resource) loseOnlyCopy() {
	s := r.state
	if s.Disk <= drbdwire.Attaching || r.bits == nil {
		return
	}
	r.meta.only = r.meta.only || !r.peerIsWhole() && r.meta.served == 0 && !r.sync.whole && r.bits.Count() > 0 && !r.begins() &&
		(s.Role == drbdwire.Primary || r.uuids.Bitmap != 0 && r.meta.flags&drbdmeta.MDWasUpToDate != 0)
}

// begins tells whether the generation that follows the one on disk is not there yet,
// be the start of a resync on its way there as well.
func (r *Resource) begins() bool {
	u, before := &r.uuids, r.meta.seen()&^1
	since := u.Bitmap &^ 1
	return u.Current&^1 != before && (since == before || since == before+syncStep && u.History0&^1 == before)
}

// diskIdle lets the shell close the disk once nothing is under way on it, and nothing
// has to be written there.
func (r *Resource) diskIdle() {
	if r.state.Disk == drbdwire.Diskless && r.meta.busy == metaIdle && r.meta.last.tries == 0 && !r.diskBusy() {
		r.emit(Effect{Kind: CloseDisk})
	}
}

// lookWhereItWas goes on at the former end of a disk that has grown while
// nobody used it: there the metadata is.
func (r *Resource) lookWhereItWas() bool {
	m := &r.meta
	last := m.disk.LastSectors
	if r.cfg.Meta != drbdmeta.KindInternal || last == 0 || last >= m.disk.MetaSectors {
		return false
	}
	layout, err := drbdmeta.Internal(last, 1, 8)
	if err != nil {
		return false
	}
	m.layout, m.disk = layout, Disk{DataSectors: last, MetaSectors: last}
	r.readMeta(metaReadSuper, layout.Superblock, pageSize)
	return true
}
