package replica

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// promote makes this node Primary, if its data may be used.
func (r *Resource) promote() {
	if r.state.Role == drbdwire.Primary {
		r.finish(drbdwire.NothingToDo, "")
		return
	}
	if r.askFirst() && !r.order.asked {
		r.order.stage = stageFencing
		r.callFence()
		return
	}
	if r.askFirst() && r.order.force {
		next := r.state
		next.PeerDisk, r.fence.users = min(next.PeerDisk, drbdwire.Outdated), false
		r.decided(aboutFencing, "peer disk Outdated", "forced, though "+r.fence.answer, r.standing())
		r.set(next, "the peer counts as outdated by force")
	}
	if code, why := r.MayPromote(r.order.force); code < drbdwire.Success {
		if code == drbdwire.TwoPrimaries && r.order.secondTry == 0 {
			r.tryAgain()
			return
		}
		if r.order.asked {
			why += "; " + r.fence.answer
		}
		if s := r.state; r.cfg.InconDegrCmd && s.Disk == drbdwire.Inconsistent && s.Conn < drbdwire.Connected {
			r.call(HandlerPriOnInconDegr)
		}
		r.refuse(code, why)
		return
	}
	if r.state.Conn < drbdwire.Connected {
		r.becomePrimary()
		return
	}
	mask, value := uint32(3), uint32(drbdwire.Primary)
	if r.order.force && r.state.Disk >= drbdwire.Inconsistent { // also what is good already: the peer may know better
		mask |= 15 << 9
		value |= uint32(drbdwire.UpToDate) << 9
	}
	r.ask(drbdwire.CmdStateChgReq, mask, value)
}

// tryAgain gives a peer that is Primary the time of a ping: the word that it has
// stepped down may be on its way. It may be dead as well, and be missed at the
// next ping alone, so that is now. Source: DRBD 8.4 states, section 8.1.
func (r *Resource) tryAgain() {
	r.order.stage, r.order.secondTry = stageYield, r.now+r.cfg.PingTimeout+100*time.Millisecond
	r.ping()
}

// forcing tells whether the order declares data good that is not known to be.
func (r *Resource) forcing() bool {
	return r.order.force && r.state.Disk >= drbdwire.Inconsistent && r.state.Disk < drbdwire.UpToDate
}

// MayPromote tells whether a promotion would be refused, and why: a node that
// can't be sure that it has the newest data does not serve it unless forced.
func (r *Resource) MayPromote(force bool) (drbdwire.Code, string) {
	s := r.state
	switch {
	case r.frozen != "":
		return drbdwire.InTransientState, "the device is frozen: " + r.frozen
	case s.Conn == drbdwire.WFReportParams:
		return drbdwire.InTransientState, "the handshake with the peer is not over"
	case s.Disk == drbdwire.Attaching:
		return drbdwire.InTransientState, "the disk is being attached"
	case s.Peer == drbdwire.Primary:
		return drbdwire.TwoPrimaries, "the peer is Primary"
	case r.LostOnlyCopy() && !force:
		return drbdwire.NoUpToDateDisk, "the disk that this node has let go has newer data than the peer's: attach it, or force this"
	case r.askFirst() && (s.Disk == drbdwire.UpToDate || s.Disk == drbdwire.Consistent && r.waiting.over):
		return drbdwire.PrimaryNOP, "the peer is not known to be outdated or dead"
	case planted.On(planted.PromoteOutdated) && s.Disk == drbdwire.Outdated,
		planted.On(planted.PromoteUnsure) && s.Disk == drbdwire.Consistent:
		return drbdwire.Success, ""
	case s.Disk == drbdwire.UpToDate || planted.On(planted.PromoteStale) && s.Disk >= drbdwire.Inconsistent:
		return drbdwire.Success, ""
	case s.Disk == drbdwire.Diskless && r.peerIsWhole():
		return drbdwire.Success, ""
	case force && s.Disk >= drbdwire.Inconsistent && s.Conn <= drbdwire.Connected:
		return drbdwire.Success, ""
	case s.Disk == drbdwire.Consistent:
		return drbdwire.NoUpToDateDisk, "this node has not heard from its peer since it started, which may have newer data"
	case s.Disk == drbdwire.Outdated:
		return drbdwire.NoUpToDateDisk, "the peer went on without this node and has newer data"
	case isTarget(s.Conn) || s.Conn == drbdwire.WFSyncUUID || s.Conn == drbdwire.WFBitMapT:
		return drbdwire.NoUpToDateDisk, "the resync from the peer is not over"
	default:
		return drbdwire.NoUpToDateDisk, fmt.Sprintf("the disk is %s", s.Disk)
	}
}

// noticed goes on with a promotion that the peer has agreed to. For a node without a disk
// the peer may begin a generation then, and tells. A Primary that has not heard of that
// would refuse this copy, the only one, when the connection breaks first. A kernel may tell
// nothing.
func (r *Resource) noticed() {
	switch s := r.state; {
	case s.Conn < drbdwire.Connected:
		r.order.stage = stageStart
		r.promote()
	case s.Disk >= drbdwire.Inconsistent || !r.peerIsWhole() || r.order.heard || r.now >= r.order.secondTry:
		r.order.stage, r.passed = stageStart, true
		r.becomePrimary()
	}
}

// becomePrimary is reached with the peer's consent, or without a peer.
func (r *Resource) becomePrimary() {
	if code, why := r.MayPromote(r.order.force); code < drbdwire.Success {
		if code == drbdwire.TwoPrimaries {
			r.ping() // it may be dead, and be missed at the next ping alone
		}
		r.sendState() // the peer, which has agreed, takes this node for Primary
		r.refuse(code, why)
		return
	}
	forced := r.forcing()
	next := r.state
	next.Role = drbdwire.Primary
	why := "promoted"
	if forced {
		next.Disk, why = drbdwire.UpToDate, "promoted by force"
	}
	r.decided(OrderPrimary.String(), "allowed", why, r.standing())
	alone := next.Conn < drbdwire.Connected || next.PeerDisk <= drbdwire.Failed
	r.link.discard = false
	r.set(next, why)
	if r.meta.open {
		switch {
		case (alone || forced) && r.uuids.Bitmap == 0:
			r.newGeneration()
		case alone && r.meta.lent && !planted.On(planted.LentGeneration):
			r.divertGeneration()
		case forced:
			r.setCurrent(r.rng.next() | 4)
		default:
			r.setCurrent(r.uuids.Current)
		}
		r.meta.dirty()
	} else {
		r.meta.only = false // its users will see the peer's data
		r.setCurrent(r.peer.uuids.Current)
	}
	r.order.stage = stageRecord
	r.afterSuper(gatePromoted)
}

// promoted tells the peer, once the mark of a Primary is durable. One without a disk lives
// on this copy when it is promoted itself, and finds it again by its generation.
func (r *Resource) promoted() {
	if r.order.kind != OrderPrimary || r.state.Role != drbdwire.Primary {
		return
	}
	if s := r.state; s.Conn >= drbdwire.Connected && (r.order.force || s.PeerDisk < drbdwire.Inconsistent) {
		r.sendUUIDs()
	}
	r.sendState()
	r.order.stage = stageWritten
	r.copyMarked()
}

// expose makes the device once all that the last Primary wrote is on the disk:
// its users must neither see it come late nor be overtaken by it.
func (r *Resource) expose() {
	if r.mirror.written() || planted.On(planted.ShownTooEarly) {
		r.order.stage = stageExpose
		r.emit(Effect{Kind: Expose, Sector: r.size})
	}
}

// demote takes the device away first: nobody may write while the node turns
// Secondary.
func (r *Resource) demote() {
	if r.state.Role != drbdwire.Primary {
		r.finish(drbdwire.NothingToDo, "")
		return
	}
	r.order.stage = stageWithdraw
	r.emit(Effect{Kind: Withdraw})
}

// deviceDone goes on when the device was made or taken away.
func (r *Resource) deviceDone(failed bool, text string) {
	switch {
	case r.order.stage == stageExpose && failed:
		r.note = text
		r.order.stage = stageDrain
	case r.order.stage == stageExpose:
		r.finish(drbdwire.Success, "")
	case r.order.stage == stageWithdraw && failed:
		r.refuse(drbdwire.DeviceInUse, text)
	case r.order.stage == stageWithdraw:
		r.order.stage = stageDrain
	}
}

// drained turns the node Secondary when everything its users wrote is on both
// disks, or marked. What the peer has refused may be told already, in protocols A and B:
// the generation for that begins when its word comes that its disk has failed, or it is
// lost, and a Secondary would begin none.
func (r *Resource) drained() {
	if (!r.requests.idle() || r.whole() && r.peerFails()) && !planted.On(planted.DemoteEarly) {
		r.epochs.closeSoon()
		return
	}
	r.order.stage, r.requests.unsure = stageRecord, false
	r.catchUp()
	next := r.state
	next.Role = drbdwire.Secondary
	why := "demoted"
	if r.order.kind == OrderPrimary {
		why = "demoted again: " + r.note
	}
	if suspended(r.state) || r.mayBeBack() {
		r.fence.postponed = false // nothing was told as done since the copies parted
	}
	r.set(next, why)
	r.setCurrent(r.uuids.Current)
	r.meta.dirty()
	r.afterSuper(gateDemoted)
}

func (r *Resource) demoted() {
	if r.state.Role != drbdwire.Secondary {
		return
	}
	r.sendState()
	if r.order.kind == OrderPrimary {
		r.refuse(drbdwire.DeviceInUse, r.note)
		return
	}
	r.finish(drbdwire.Success, "")
}

// peerWants takes the peer's request for a state change. What it says is in
// its own view and is mirrored first. Source: DRBD 8.4 wire, section 6.
func (r *Resource) peerWants(cmd drbdwire.Command, data []byte) error {
	c, err := drbdwire.DecodeStateChange(data)
	if err != nil {
		return err
	}
	reply := drbdwire.CmdStateChgReply
	if cmd == drbdwire.CmdConnStChgReq {
		reply = drbdwire.CmdConnStChgReply
	}
	code, then := r.consent(drbdwire.UnpackState(c.Mask), drbdwire.UnpackState(c.Value))
	r.send(MetaSocket, reply, drbdwire.StateReply{Code: code}.Append(nil))
	if code >= drbdwire.Success && then != nil {
		then()
	}
	return nil
}

// consent decides about a change that the peer wants to make to itself.
func (r *Resource) consent(mask, value drbdwire.State) (drbdwire.Code, func()) {
	s := r.state
	conn := value.Conn
	switch {
	case s.Conn < drbdwire.Connected:
		return drbdwire.InTransientState, nil
	case r.link.resolve && r.order.stage == stageAsking:
		return drbdwire.ConcurrentStChg, nil
	case mask.Conn == drbdwire.ConnMask && conn == drbdwire.Disconnecting &&
		s.Role == drbdwire.Primary && s.Disk < drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate:
		return drbdwire.NoUpToDateDisk, nil
	case mask.Conn == drbdwire.ConnMask && conn == drbdwire.Disconnecting:
		return r.consentToLeave(mask, value)
	case mask.Conn == drbdwire.ConnMask && (conn == drbdwire.StartingSyncS || conn == drbdwire.StartingSyncT):
		return r.consentFullSync(conn)
	case mask.Conn == drbdwire.ConnMask && conn == drbdwire.VerifyS:
		return r.consentVerify()
	case mask.Conn == drbdwire.ConnMask && conn != drbdwire.WFReportParams:
		return drbdwire.NotSupported, nil
	case mask.Role != 0 && value.Role == drbdwire.Primary && s.Role == drbdwire.Primary:
		return drbdwire.TwoPrimaries, nil
	case mask.Role != 0 && value.Role == drbdwire.Primary && r.promoting():
		return drbdwire.ConcurrentStChg, nil
	case mask.Role != 0 && value.Role == drbdwire.Primary && s.PeerDisk < drbdwire.Inconsistent && s.Disk < drbdwire.UpToDate:
		return drbdwire.NoUpToDateDisk, nil // the peer has not heard yet that this copy is in doubt
	case mask.Role != 0 && value.Role == drbdwire.Primary && mask.Disk == 0 && r.LostOnlyCopy():
		return drbdwire.NoUpToDateDisk, nil
	case mask.Disk != 0 && value.Disk < drbdwire.Inconsistent && r.order.kind == OrderDetach:
		return drbdwire.ConcurrentStChg, nil // or both were without a disk
	case mask.Disk != 0 && value.Disk < drbdwire.Inconsistent && s.Disk < drbdwire.UpToDate &&
		(s.Role == drbdwire.Primary || s.Peer == drbdwire.Primary):
		return drbdwire.NoUpToDateDisk, nil
	}
	return drbdwire.Success, func() {
		next := r.state
		if mask.Role != 0 {
			next.Peer = value.Role
			r.meta.only = r.meta.only && value.Role != drbdwire.Primary // or it was forced
		}
		// A disk that was declared UpToDate by force is news for the
		// handshake that the peer's P_STATE starts, so it is not taken here.
		r.set(next, "the peer changes its role")
		if r.state.Peer == drbdwire.Primary && r.state.PeerDisk < drbdwire.Inconsistent {
			r.afterSuper(gateGeneration) // it waits for that, whether or not there is a new one
		}
	}
}

// promoting tells whether this node is on its way to Primary.
func (r *Resource) promoting() bool {
	return r.order.kind == OrderPrimary && r.state.Role != drbdwire.Primary
}

// Ordered tells whether an order is being carried out: one to outdate is refused meanwhile.
func (r *Resource) Ordered() bool { return r.order.kind != 0 && !r.asksOnly() }

// Opening tells whether this node is Primary, and its device is still on its way to users.
func (r *Resource) Opening() bool {
	return r.order.kind == OrderPrimary && r.state.Role == drbdwire.Primary
}

func (r *Resource) consentFullSync(conn drbdwire.ConnState) (drbdwire.Code, func()) {
	s := r.state
	if s.Conn > drbdwire.Connected {
		return drbdwire.ResyncRunning, nil
	}
	own := drbdwire.StartingSyncT
	if conn == drbdwire.StartingSyncT {
		own = drbdwire.StartingSyncS
	}
	if own == drbdwire.StartingSyncT && (s.Role == drbdwire.Primary || s.Disk < drbdwire.Inconsistent) ||
		own == drbdwire.StartingSyncS && s.Disk != drbdwire.UpToDate {
		return drbdwire.NoUpToDateDisk, nil
	}
	if own == drbdwire.StartingSyncT && !r.endIsOnRecord() {
		return drbdwire.InTransientState, nil
	}
	return drbdwire.Success, func() {
		r.enterFullSync(own)
		if own == drbdwire.StartingSyncS {
			r.proveConsent()
		}
	}
}

// proveConsent sends a ping after the consent to be the source, on the same socket: once
// that is answered, the target knows that it is one.
func (r *Resource) proveConsent() {
	r.link.pinged = Never
	r.ping()
	r.sync.unanswered = r.link.pings
}
