package replica

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// parameter takes one packet of the exchange that follows a new link, or that
// follows a change while connected. Source: DRBD 8.4 wire, section 5.
func (r *Resource) parameter(cmd drbdwire.Command, data []byte) error {
	if r.link.phase == phaseParams {
		r.progress()
	}
	switch cmd {
	case drbdwire.CmdProtocol:
		theirs, err := drbdwire.DecodeProtocol(data)
		if err != nil {
			return err
		}
		if err := handshake.MatchProtocol(r.protocol(), theirs); err != nil {
			r.giveUp(err.Error())
			return nil
		}
		r.peer.protocol, r.peer.integrity = true, theirs.IntegrityAlg
	case drbdwire.CmdProtocolUpdate:
		return r.protocolChanged(data)
	case drbdwire.CmdSyncParam89:
		return r.syncParamArrived(data)
	case drbdwire.CmdSizes:
		sizes, err := drbdwire.DecodeSizes(data)
		if err != nil {
			return err
		}
		r.sizesArrived(sizes)
	case drbdwire.CmdUUIDs:
		uuids, err := drbdwire.DecodeUUIDs(data)
		if err != nil {
			return err
		}
		r.uuidsArrived(uuids)
	case drbdwire.CmdState:
		s, err := drbdwire.DecodeState(data)
		if err != nil {
			return err
		}
		if !r.peer.protocol {
			return errors.New("P_STATE came before P_PROTOCOL")
		}
		r.stateArrived(s)
	default: // dispatch sends nothing else here
	}
	return nil
}

// sizesArrived agrees on the size of the device: what both disks have room
// for, and never less than what users have seen. Source: DRBD 8.4 metadata,
// section 4.2.
func (r *Resource) sizesArrived(s drbdwire.Sizes) {
	r.peer.sizes = s
	if r.state.Conn >= drbdwire.Connected && r.state.Disk >= drbdwire.Negotiating {
		r.sizeWanted(s)
		return
	}
	if r.state.Disk < drbdwire.Negotiating {
		r.sizeFollows(s)
		return
	}
	if s.Disk == 0 {
		return
	}
	r.peerRoom = s.Disk
	user := r.cfg.UserSize
	if user == 0 || s.User != 0 && s.User < user {
		user = s.User
	}
	size, err := drbdmeta.AgreedSize(r.meta.layout.DataSectors, s.Disk, r.size, user)
	if err != nil {
		r.giveUp(err.Error())
		return
	}
	if size < r.size && r.state.Disk >= drbdwire.Outdated {
		r.giveUp(fmt.Sprintf("the peer's disk has room for %d sectors only, this device has %d with good data",
			s.Disk, r.size))
		return
	}
	r.cfg.UserSize = user
	if size < r.size {
		r.size = size
		r.bits.Resize(size, true)
		r.meta.allPages = true
		r.meta.dirty()
		return
	}
	r.growInHandshake(size, s.Current)
}

// sizeFollows takes over the size of the peer's device, without a disk of one's
// own. Users that have seen a larger one keep that.
func (r *Resource) sizeFollows(s drbdwire.Sizes) {
	if s.Current == 0 && r.state.Conn >= drbdwire.Connected {
		r.sendSizes() // the peer asks whether it may grow; it has not done so yet
		return
	}
	size := cmp.Or(s.Current, s.User, s.Disk)
	if size == 0 || size < r.size {
		return
	}
	grown := r.size != 0 && size > r.size
	if grown && r.order.joins && r.meta.open {
		r.attachFailed("the device has grown meanwhile")
	}
	if r.size = size; grown {
		r.showSize()
	}
}

// uuidsArrived keeps the peer's generations; a peer that declares that nothing
// needs to be copied is believed by a disk that was never used.
func (r *Resource) uuidsArrived(u drbdwire.UUIDs) {
	if u.Flags&drbdwire.UUIDDiskGone != 0 {
		r.peer.lost = u
		return
	}
	r.peer.uuids, r.peer.hasUUIDs, r.peer.began = u, true, false
	stage := r.order.stage
	r.order.heard = stage == stageJoin || stage == stageNotice || stage == stageAsking && r.order.kind == OrderPrimary
	r.noteMet()
	if r.state.Role == drbdwire.Primary && r.state.Disk < drbdwire.Inconsistent && !r.meta.open {
		r.adopt(u)
	}
	if r.meta.served != 0 {
		r.follow(u)
	}
	if r.state.Conn == drbdwire.Connected && u.Flags&drbdwire.UUIDSkipInitialSync != 0 &&
		r.uuids.Current == drbdmeta.JustCreated {
		r.decided(aboutBitmap, fmt.Sprintf("cleared of %d KiB", r.bits.Count()*4),
			"this copy is just created, and the peer was ordered to skip the initial sync",
			fmt.Sprintf("own current %016X; peer current %016X bits:%d flags:%d", r.uuids.Current, u.Current, u.Dirty, u.Flags))
		r.clearAll()
		r.setCurrent(u.Current)
		r.uuids.Bitmap = 0
		r.meta.dirty()
		next := r.state
		next.Disk, next.PeerDisk = drbdwire.UpToDate, drbdwire.UpToDate
		r.set(next, "the peer skipped the initial sync")
		// It drops its bitmap generation when it has sent it. What it knows of this
		// node is older still, and a full sync would end with that, so it is told.
		r.peer.uuids.Bitmap = 0
		r.sendUUIDs()
	}
}

// adopt follows the generation of the only copy that a Primary without a disk
// has. Its users have seen the data of its own: a copy that is older is not
// theirs, and one that is newer was another Primary's meanwhile. Source: DRBD
// 8.4 states, section 4.
func (r *Resource) adopt(u drbdwire.UUIDs) {
	own := r.uuids.Current &^ 1
	if r.state.Conn < drbdwire.Connected && own != u.Current&^1 {
		r.giveUp(fmt.Sprintf("can only connect to data with current UUID %016X, which this Primary without a disk "+
			"has served; the peer's is %016X", own, u.Current&^1))
		return
	}
	if r.state.Conn < drbdwire.Connected && r.meta.only {
		r.giveUp("this Primary has lost its disk, and with it writes that the peer's copy lacks")
		return
	}
	r.setCurrent(u.Current)
}

// follow is adopt for a Primary whose disk is old: its users have seen the peer's
// data.
func (r *Resource) follow(u drbdwire.UUIDs) {
	if r.state.Conn < drbdwire.Connected && r.meta.served != u.Current&^1 {
		r.giveUp(fmt.Sprintf("can only connect to data with current UUID %016X, which this Primary has served; "+
			"the peer's is %016X", r.meta.served, u.Current&^1))
		return
	}
	r.meta.served = u.Current &^ 1
}

// refusesHalf parts from a peer whose copy users of this Primary have seen, and that
// is not whole any more, as when somebody has called it bad meanwhile. The own disk,
// which is older, would now be the better one, and users would go back in time.
func (r *Resource) refusesHalf(disk drbdwire.DiskState) bool {
	if r.meta.served == 0 || r.state.Disk < drbdwire.Outdated || disk != drbdwire.Inconsistent {
		return false
	}
	r.giveUp("the peer's copy, which this Primary has served, is no longer whole, and the own one is older")
	return true
}

// refusesOther adopts the peer's generation where this Primary has lost its disk since
// that came: then its copy must be the one that users have seen.
func (r *Resource) refusesOther() bool {
	if s := r.state; s.Role == drbdwire.Primary && s.Disk < drbdwire.Inconsistent && !r.meta.open && r.peer.hasUUIDs {
		r.adopt(r.peer.uuids)
	}
	return r.state.Conn != drbdwire.WFReportParams
}

// hasGivenUp parts from a peer in whose handshake this node has given up what waited for
// it, and stepped down. The peer was told neither of the marks, nor that this node left as
// a crashed Primary: it would count as equal, and what is marked here would be copied from
// there, or not at all. Met anew it hears of that.
func (r *Resource) hasGivenUp() bool {
	const crashed = drbdmeta.MDCrashedPrimary
	told := &r.link.told
	if r.link.role != drbdwire.Primary || r.state.Role == drbdwire.Primary || r.state.Disk < drbdwire.Inconsistent ||
		r.bits.Count() == told.Dirty && (r.meta.flags&crashed == 0 || told.Flags&drbdwire.UUIDCrashedPrimary != 0) {
		return false
	}
	r.dropLink(drbdwire.Unconnected, "this node has stepped down meanwhile, and marked what the peer was not told of")
	return true
}

// accept goes on with a handshake in which the Primary had no disk: it knows
// which data it has served, and parts from other data. That it is Connected
// says that it has found its own.
func (r *Resource) accept(s drbdwire.State, next *drbdwire.State) {
	switch {
	case r.peer.served && s.Conn == drbdwire.Connected && isBehind(next.Disk):
		next.Disk = drbdwire.UpToDate
	case next.Role == drbdwire.Primary && next.Disk < drbdwire.Inconsistent &&
		r.state.PeerDisk == drbdwire.UpToDate && isBehind(next.PeerDisk):
		next.PeerDisk = drbdwire.UpToDate // it has not heard yet
	}
}

// stateArrived takes the peer's view of itself.
func (r *Resource) stateArrived(s drbdwire.State) {
	negotiating := s.Disk == drbdwire.Negotiating
	disk := s.Disk
	if negotiating {
		disk = drbdwire.Consistent
		if r.peer.uuids.Flags&drbdwire.UUIDInconsistent != 0 {
			disk = drbdwire.Inconsistent
		}
	}
	if r.order.stage == stageJoin && disk < drbdwire.Inconsistent {
		r.attachFailed("the peer has lost its own disk meanwhile")
	}
	old := r.state
	switch {
	case old.Conn == drbdwire.WFReportParams:
		r.decide(s.Role, disk)
		return
	case old.Conn < drbdwire.Connected:
		return
	case r.joinAnswered(s):
		r.decide(s.Role, disk)
		return
	case old.Conn == drbdwire.Connected && r.reconsider(s, disk, negotiating):
		r.decide(s.Role, disk)
		return
	}
	if s.Conn == drbdwire.Ahead && s.Role == drbdwire.Primary && old.Conn != drbdwire.Behind {
		r.fallBehind(s.Role)
		return
	}
	if s.Conn == drbdwire.Connected && isSource(old.Conn) {
		r.sourceFinished(s.Role, disk)
		return
	}
	if s.Conn == drbdwire.Connected && old.Conn == drbdwire.VerifyT && disk == drbdwire.UpToDate {
		r.verifyStopped()
		old = r.state
	}
	if isTarget(old.Conn) && disk < drbdwire.Inconsistent && r.hasEverything() {
		r.finishTarget() // nothing that the source has lost is missing here
		old = r.state
	}
	next := old
	next.Peer, next.PeerDisk = s.Role, disk
	r.link.denied = r.link.denied && disk == drbdwire.UpToDate
	next.PeerPause = s.AfterPause || s.UserPause
	accepted := r.peer.unsure && s.Conn >= drbdwire.Connected
	r.peer.unsure = r.peer.unsure && !accepted
	r.accept(s, &next)
	r.set(next, "the peer's state")
	if accepted {
		r.recordGeneration(r.state) // that was postponed
	}
	if s.Conn == drbdwire.Connected && !r.link.denied {
		r.copyMarked() // a verify that the peer has driven may have been in the way
	}
}

// reconsider tells whether a state that came while Connected asks for a new
// decision about who has the better data: the peer is at it already, attached
// a disk, or was made Primary by force while neither had good data.
func (r *Resource) reconsider(s drbdwire.State, disk drbdwire.DiskState, negotiating bool) bool {
	if r.state.Disk < drbdwire.Inconsistent || !r.peer.hasUUIDs {
		return false
	}
	forced := r.state.Disk == drbdwire.Inconsistent && r.state.PeerDisk == drbdwire.Inconsistent &&
		disk == drbdwire.UpToDate && s.Role == drbdwire.Primary
	starting := s.Conn >= drbdwire.StartingSyncS && s.Conn <= drbdwire.WFBitMapT
	return forced || starting || negotiating
}

// decide compares the generations of both copies and enters the state that
// follows; the peer decides the mirrored thing by itself.
func (r *Resource) decide(role drbdwire.Role, disk drbdwire.DiskState) {
	if r.state.Conn == drbdwire.WFReportParams &&
		(r.refusesFrozen(disk) || r.refusesHalf(disk) || r.refusesOther() || r.hasGivenUp()) {
		return
	}
	r.link.limit = Never
	r.link.phase = phaseUp
	if disk < drbdwire.Negotiating || r.state.Disk < drbdwire.Negotiating || !r.peer.hasUUIDs {
		r.connected(drbdwire.Connected, role, disk, "connected")
		return
	}
	in := r.sides(role, disk)
	if r.wasPrimarySince(&in) {
		r.decided(aboutData, "gets a generation of its own", "this node has had the end of a resync, which the source has not noted, "+
			"was Primary since and crashed", both(&in))
		r.newGeneration()
		r.dropLink(drbdwire.Unconnected, "what this node has written as Primary gets a generation of its own")
		return
	}
	d := handshake.Decide(in)
	r.decided(aboutHandshake, outcome(&d), fmt.Sprintf("rule %d, %s", d.Rule, d.Text), both(&in))
	for _, name := range d.Handlers {
		r.call(name)
	}
	switch {
	case r.order.joins && (d.GiveUp || d.Result > 0):
		r.attachFailed(d.Text)
		return
	case d.GiveUp:
		r.giveUp(d.Text)
		return
	}
	if d.Own != r.uuids {
		r.uuids = d.Own
		r.meta.dirty()
	}
	r.peer.uuids.Current, r.peer.uuids.Bitmap = d.Peer.Current, d.Peer.Bitmap
	r.peer.uuids.History0, r.peer.uuids.History1 = d.Peer.History0, d.Peer.History1
	if d.FullSync {
		r.bits.SetAll()
	}
	r.connected(d.Conn, role, disk, d.Text)
}

// wasPrimarySince tells whether this node has had all of a resync, was Primary after that,
// and crashed, and the source crashed before it had noted the end; that it had crashed as a
// Primary, too, is from before the resync. By their generations that one would be the source
// again, and in protocols A and B what only this node has of what users were told would be
// overwritten. The kernel's DRBD does that.
func (r *Resource) wasPrimarySince(in *handshake.Input) bool {
	own, peer := &in.Own, &in.Peer
	return r.state.Conn == drbdwire.WFReportParams && own.CrashedPrimary && own.Role == drbdwire.Secondary &&
		peer.Role == drbdwire.Secondary && own.Disk >= drbdwire.Consistent &&
		own.UUIDs.Current&^1 == peer.UUIDs.Current&^1 && handshake.MissedEnd(peer.UUIDs, own.UUIDs)
}

// sides is what a decision depends on.
func (r *Resource) sides(role drbdwire.Role, disk drbdwire.DiskState) handshake.Input {
	return handshake.Input{
		Own: handshake.Side{
			UUIDs: r.uuids, Role: r.toldRole(), Disk: r.state.Disk, Found: r.worth(), Dirty: r.link.told.Dirty,
			CrashedPrimary: r.link.told.Flags&drbdwire.UUIDCrashedPrimary != 0,
			DiscardMyData:  r.link.told.Flags&drbdwire.UUIDDiscardMyData != 0,
			Resolve:        r.link.resolve, Features: r.link.flags,
		},
		Peer: handshake.Side{
			UUIDs: drbdmeta.UUIDs{
				Current: r.peer.uuids.Current, Bitmap: r.peer.uuids.Bitmap,
				History0: r.peer.uuids.History0, History1: r.peer.uuids.History1,
			},
			Role: role, Disk: disk, Found: disk, Dirty: r.peer.uuids.Dirty,
			CrashedPrimary: r.peer.uuids.Flags&drbdwire.UUIDCrashedPrimary != 0,
			DiscardMyData:  r.peer.uuids.Flags&drbdwire.UUIDDiscardMyData != 0,
			Resolve:        !r.link.resolve, Features: r.link.flags,
		},
		AfterSB0: r.cfg.AfterSB0, AfterSB1: r.cfg.AfterSB1, AfterSB2: r.cfg.AfterSB2,
		AlwaysASBP: r.cfg.AlwaysASBP, RRConflict: r.cfg.RRConflict,
		// A handshake never takes the device from its users: call-pri-lost
		// goes the way of a Primary that can't be demoted.
		InUse: r.state.Role == drbdwire.Primary,
	}
}

// toldRole is the own role as the peer knows it, which decides by that: this node may
// have stepped down since, and both could wait for the other's bitmap for good.
func (r *Resource) toldRole() drbdwire.Role {
	if r.state.Conn == drbdwire.WFReportParams {
		return r.link.role
	}
	return r.state.Role
}

// connected enters the state that the handshake came to.
func (r *Resource) connected(conn drbdwire.ConnState, role drbdwire.Role, disk drbdwire.DiskState, why string) {
	if r.state.Role == drbdwire.Primary && role == drbdwire.Primary && !planted.On(planted.TwoPrimariesMeet) {
		r.giveUp("both nodes are Primary, and two are not allowed")
		return
	}
	again := r.state.Conn == drbdwire.Connected
	next := r.state
	next.Conn, next.Peer, next.PeerDisk = conn, role, disk
	if r.doubts(role, disk) {
		r.decided(aboutData, "is in doubt again", "the peer has come, without a disk to compare with", r.standing())
		next.Disk = drbdwire.Consistent
	}
	if r.order.joins {
		r.joined(&next)
	}
	r.peer.served = !again && role == drbdwire.Primary && disk < drbdwire.Negotiating
	r.peer.unsure = r.peer.served
	if !again && next.Role == drbdwire.Primary && next.Disk < drbdwire.Negotiating && isBehind(disk) {
		next.PeerDisk = drbdwire.UpToDate // adopt has compared
	}
	r.link.discard = false
	r.order.peerLeft, r.order.peerOutdated, r.order.given = false, false, false
	r.sync.telling = conn == drbdwire.WFBitMapS && next.SuspFencing // and is not fenced off
	if again {
		r.sendUUIDs()
	}
	r.set(next, why)
	r.sendState()
	r.letGoOfBad()
	r.thaw()
	switch r.state.Conn {
	case drbdwire.WFBitMapS:
		r.sendBitmap()
	case drbdwire.Connected:
		r.settled()
	default: // the target waits for the source's bitmap
	}
	switch {
	case r.order.joins:
		r.finish(drbdwire.Success, "")
	case r.order.stage == stageFencing:
		r.order.stage = stageStart
		r.promote() // the peer itself is asked now
	}
}

// settled is reached when both know that their copies need no resync.
func (r *Resource) settled() {
	if r.state.Disk == drbdwire.UpToDate && r.state.PeerDisk == drbdwire.UpToDate && r.uuids.Bitmap == 0 {
		r.forgetCrash()
	}
	r.copyMarked()
}

// forgetCrash drops the mark of a crashed Primary: the copies were compared.
func (r *Resource) forgetCrash() {
	if r.meta.flags&drbdmeta.MDCrashedPrimary != 0 {
		r.meta.flags &^= drbdmeta.MDCrashedPrimary
		r.meta.dirty()
	}
}
