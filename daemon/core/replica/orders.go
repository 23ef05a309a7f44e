package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// order is the one order of an administrator, or of the failover core, that is
// being carried out.
type order struct {
	kind    OrderKind // 0 is none
	id      uint64
	force   bool
	stage   stage
	durable bool
	// peerLeft: the link is about to end by order while the peer's side is
	// Primary, so this copy will be old.
	peerLeft bool
	// peerOutdated: the link is about to end by order, and the peer marks its
	// copy as old.
	peerOutdated bool
	given        bool // the peer was given leave to end the link: the two above stay, whatever it answers
	outdates     bool // the peer is asked for that, and has not answered
	// joins: an attach of a Primary that serves its users from the peer's disk; disk
	// is what it attaches, heard that the peer has told its generations since it
	// knows.
	joins, heard bool
	disk         Disk
	owed         owed // what counts again if an attach fails
	asked        bool // the handler fence-peer has answered
	yielding     bool // this node has offered to mark its own copy as old
	// secondTry is when a promotion that a Primary peer stands in the way of is
	// tried again, or how long an attach waits until the peer knows of the disk that
	// was lost, or a promotion until it has told a generation; 0 is not known yet.
	secondTry time.Duration
}

type stage uint8

const (
	stageStart   stage = iota
	stageAsking        // the peer's consent is under way
	stageFencing       // the handler fence-peer is
	stageWritten       // what the last Primary wrote is on its way to the disk
	stageExpose        // the device is being made
	stageWithdraw
	stageDrain
	stageRecord // the superblock is on its way
	stageResize // the disk is measured, metadata moved, the peer asked
	stageYield  // the peer is Primary, but may have just stepped down
	stageJoin   // the peer compares the disk that is being attached
	stageNotice // the peer begins a generation, for users that will live on its copy
)

// command takes an order. One is carried out at a time.
func (r *Resource) command(in Input) {
	if in.Order == OrderOutdate && r.asksOnly() && (in.Force || !r.hasChanges()) {
		r.refuse(drbdwire.NoUpToDateDisk, "the peer has gone on while fence-peer was asked about it")
	}
	if in.Order == OrderResumeIO && r.order.stage == stageDrain {
		// Users' requests that it waits for may wait for nothing else.
		r.emit(Effect{Kind: Answer, ID: in.ID, Code: r.resumeIO()})
		return
	}
	if r.order.kind != 0 {
		r.decided(in.Order.String(), "refused", "another order is being carried out: "+r.order.kind.String(), r.standing())
		r.emit(Effect{
			Kind: Answer, ID: in.ID, Code: drbdwire.InTransientState,
			Text: "another order is being carried out",
		})
		return
	}
	r.order = r.order.leaving()
	r.order.kind, r.order.id, r.order.force = in.Order, in.ID, in.Force
	switch in.Order {
	case OrderAttach:
		r.attach(in.Disk)
	case OrderDetach:
		r.detach()
	case OrderConnect:
		r.connect()
	case OrderDisconnect, OrderShutdown:
		r.disconnect()
	case OrderPrimary:
		r.promote()
	case OrderSecondary:
		r.demote()
	case OrderOutdate:
		r.outdate()
	case OrderResize:
		r.resize(in)
	case OrderNewCurrentUUID:
		r.newCurrent(in.Force)
	case OrderInvalidate:
		r.invalidate()
	case OrderInvalidateRemote:
		r.startFullSync(drbdwire.StartingSyncS)
	case OrderVerify:
		r.orderVerify(in.Sector, in.Until)
	case OrderAbortVerify:
		r.abortVerify()
	case OrderPauseSync, OrderResumeSync:
		r.pauseSync(in.Order == OrderPauseSync)
	case OrderSuspendIO:
		r.suspendIO()
	case OrderResumeIO:
		r.finish(r.resumeIO(), "")
	case OrderAdjust:
		r.adjust(in.Data)
	default:
		r.refuse(drbdwire.NotSupported, fmt.Sprintf("order %d is not known", in.Order))
	}
}

// finish answers the order that was carried out.
func (r *Resource) finish(code drbdwire.Code, text string) {
	if r.order.kind == 0 {
		return
	}
	r.emit(Effect{Kind: Answer, ID: r.order.id, Code: code, Text: text})
	r.order = r.order.leaving()
	// What it waited for says nothing about the next order.
	r.meta.gates = slices.DeleteFunc(r.meta.gates, func(g gate) bool { return g.what == gateOrder || g.what == gateClear })
}

// leaving is what outlasts an order: what the end of the link will mean.
func (o *order) leaving() order {
	return order{peerLeft: o.peerLeft, peerOutdated: o.peerOutdated, given: o.given}
}

// refuse answers that the order can't be carried out, and why.
func (r *Resource) refuse(code drbdwire.Code, why string) {
	r.note = why
	r.decided(r.order.kind.String(), "refused", code.String()+": "+why, r.standing())
	r.finish(code, why)
}

func (r *Resource) connect() {
	r.link.discard = r.order.force
	if r.order.force && r.state.Role == drbdwire.Primary {
		r.link.discard = false
		r.refuse(drbdwire.NotSupported, "discard-my-data is not allowed on a Primary")
		return
	}
	r.link.wanted = true
	r.failures = failures{}
	r.finish(drbdwire.Success, "")
	r.dialAgain()
}

// disconnect leaves the peer. It is told first, so that it knows the parting
// from a failure.
func (r *Resource) disconnect() {
	if s := r.state; r.order.kind == OrderDisconnect && !r.order.force && s.Role == drbdwire.Primary &&
		s.Disk < drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate {
		r.refuse(drbdwire.NoUpToDateDisk, "this node is Primary on the peer's disk")
		return
	}
	r.link.wanted = false
	switch {
	case r.state.Conn >= drbdwire.Connected:
		r.askToLeave()
	case r.link.conn != 0:
		r.dropLink(drbdwire.StandAlone, "disconnected by order")
		r.disconnected()
	default:
		if r.state.Conn == drbdwire.WFConnection {
			r.emit(Effect{Kind: Hangup})
		}
		next := r.state
		next.Conn = drbdwire.StandAlone
		r.set(next, "disconnected by order")
		r.disconnected()
	}
}

func (r *Resource) disconnected() {
	if r.order.kind == OrderShutdown {
		r.shutdown()
		return
	}
	r.finish(drbdwire.Success, "")
}

// shutdown leaves metadata that needs no replay.
func (r *Resource) shutdown() {
	switch {
	case r.state.Role == drbdwire.Primary:
		r.refuse(drbdwire.DeviceInUse, "this node is Primary: demote it first")
	case !r.meta.open:
		r.finish(drbdwire.Success, "")
	case r.owesWrites():
		r.order.stage = stageDrain
	default:
		r.meta.clean, r.meta.ready, r.meta.allPages = true, false, true
		r.meta.dirty()
		r.afterSuper(gateShutdown)
	}
}

// closed ends the use of the disk after the clean superblock.
func (r *Resource) closed() {
	r.meta.open = false
	r.state.Disk = drbdwire.Diskless
	r.emit(Effect{Kind: CloseDisk})
	r.finish(drbdwire.Success, "")
}

// outdate marks the own data as old: the peer is known, or must be assumed, to
// have gone on.
func (r *Resource) outdate() {
	s := r.state
	switch {
	case s.Conn >= drbdwire.Connected:
		r.refuse(drbdwire.ConnectedOutdates, drbdwire.ConnectedOutdates.String())
	case s.Role == drbdwire.Primary: // whatever its disk is like: for handlers the other answer means that it may be passed over
		r.refuse(drbdwire.NoUpToDateDisk, "this node is Primary")
	case s.Disk < drbdwire.Outdated:
		changed := r.uuids.Bitmap != 0 && !r.order.force
		r.refuse(drbdwire.LowerThanOutdated, drbdwire.LowerThanOutdated.String())
		if !changed {
			r.heardOfUsers()
		}
	case !r.order.force && r.hasChanges():
		r.refuse(drbdwire.FailedByPeer, "this node has changes that its peer lacks")
	default:
		s.Disk = drbdwire.Outdated
		r.waiting.until = Never
		r.decided(aboutData, "counts as Outdated", "ordered", r.standing())
		r.set(s, "outdated")
		r.order.stage = stageRecord
		r.afterSuper(gateOrder)
	}
}

// invalidate gives up the own data.
func (r *Resource) invalidate() {
	s := r.state
	if s.Conn >= drbdwire.Connected {
		r.startFullSync(drbdwire.StartingSyncT)
		return
	}
	if s.Role == drbdwire.Primary || s.Conn != drbdwire.StandAlone || !r.meta.ready {
		r.refuse(drbdwire.NeedConnection, "without a peer, only a StandAlone Secondary with a disk can be invalidated")
		return
	}
	r.bits.SetAll()
	r.meta.allPages = true
	r.meta.dirty()
	s.Disk = drbdwire.Inconsistent
	r.set(s, "invalidated")
	r.order.stage = stageRecord
	r.afterSuper(gateOrder)
}

// startFullSync asks the peer to let one side copy everything to the other.
func (r *Resource) startFullSync(conn drbdwire.ConnState) {
	switch s := r.state; {
	case s.Conn < drbdwire.Connected:
		r.refuse(drbdwire.NeedConnection, drbdwire.NeedConnection.String())
	case s.Conn > drbdwire.Connected:
		r.refuse(drbdwire.ResyncRunning, drbdwire.ResyncRunning.String())
	case conn == drbdwire.StartingSyncT && (s.Role == drbdwire.Primary || s.PeerDisk != drbdwire.UpToDate),
		conn == drbdwire.StartingSyncS && (s.Peer == drbdwire.Primary || s.Disk != drbdwire.UpToDate):
		r.refuse(drbdwire.NoUpToDateDisk, "the side to be overwritten is Primary, or the other is not UpToDate")
	case conn == drbdwire.StartingSyncT && !r.endIsOnRecord():
		r.order.stage = stageDrain
	default:
		r.ask(drbdwire.CmdStateChgReq, uint32(drbdwire.ConnMask)<<4, uint32(conn)<<4)
	}
}

// ask sends a request for a state change to the peer, and a ping: a peer that
// died unnoticed is noticed soon.
func (r *Resource) ask(cmd drbdwire.Command, mask, value uint32) {
	r.order.stage = stageAsking
	r.ping()
	r.send(DataSocket, cmd, drbdwire.StateChange{Mask: mask, Value: value}.Append(nil))
}

// peerAnswered goes on with the order that the peer was asked about.
func (r *Resource) peerAnswered(data []byte) error {
	a, err := drbdwire.DecodeStateReply(data)
	if err != nil {
		return err
	}
	if r.order.stage != stageAsking {
		return nil
	}
	granted := a.Code >= drbdwire.Success
	switch r.order.kind {
	case OrderDisconnect, OrderShutdown:
		r.leaveAnswered(granted, a.Code)
	case OrderPrimary:
		if !granted {
			why := "refused by the peer: " + a.Code.String()
			if a.Code == drbdwire.NoUpToDateDisk && r.state.PeerDisk < drbdwire.Inconsistent {
				why = "refused by the peer: it knows of newer data on the disk that it has let go: attach that, or force this"
			}
			r.refuse(a.Code, why)
			return nil
		}
		r.order.stage, r.order.secondTry = stageNotice, r.now+r.cfg.Timeout
		r.noticed()
	case OrderDetach:
		if !granted {
			r.refuse(a.Code, "refused by the peer: "+a.Code.String())
			return nil
		}
		r.order.stage = stageDrain
	case OrderInvalidate, OrderInvalidateRemote:
		if !granted {
			r.refuse(a.Code, "refused by the peer: "+a.Code.String())
			return nil
		}
		r.fullSyncGranted()
	case OrderVerify:
		if !granted {
			r.refuse(a.Code, "refused by the peer: "+a.Code.String())
			return nil
		}
		r.verifyGranted()
	default: // nothing else asks
	}
	return nil
}

// orderLostPeer goes on with an order whose question the peer will not answer
// any more.
func (r *Resource) orderLostPeer() {
	if r.order.stage == stageFencing && r.fence.call == 0 {
		r.order.stage = stageStart
		r.promote() // the handler is asked anew
	}
	if r.order.stage != stageAsking {
		return
	}
	r.order.stage = stageStart
	switch r.order.kind {
	case OrderDisconnect, OrderShutdown:
		r.disconnected()
	case OrderPrimary:
		r.promote()
	case OrderDetach:
		r.detach()
	default:
		r.refuse(drbdwire.NeedConnection, "the connection broke before the peer answered")
	}
}

// fullSyncGranted begins a full resync, unless the disk that was to be copied was lost
// while the peer was asked. If that is the own one, the peer takes its copy for the
// target's, and users of this node need it now.
func (r *Resource) fullSyncGranted() {
	conn, source := drbdwire.StartingSyncT, r.state.PeerDisk
	if r.order.kind == OrderInvalidateRemote {
		conn, source = drbdwire.StartingSyncS, r.state.Disk
	}
	if source == drbdwire.UpToDate {
		r.enterFullSync(conn)
		r.finish(drbdwire.Success, "")
		return
	}
	if conn == drbdwire.StartingSyncT {
		r.refuse(drbdwire.NoUpToDateDisk, "the peer's disk was lost before it answered")
		return
	}
	r.refuse(drbdwire.IsDiskless, "the disk was lost while the peer was asked")
	r.rejoin()
}

// enterFullSync begins a resync of everything, without a bitmap exchange.
func (r *Resource) enterFullSync(conn drbdwire.ConnState) {
	r.sync.unheard = conn == drbdwire.StartingSyncS && r.state.PeerDisk == drbdwire.UpToDate
	r.sync.whole = r.sync.unheard && r.bits.Count() == 0
	r.bits.SetAll()
	next := r.state
	next.Conn = conn
	r.set(next, "full sync by order")
	if conn == drbdwire.StartingSyncS {
		r.becomeSource()
		return
	}
	r.meta.allPages, r.meta.givenUp = true, true
	r.meta.dirty()
	next.Conn = drbdwire.WFSyncUUID
	r.set(next, "waiting for the source")
}

// endIsOnRecord tells whether the disk says that the last resync from here is over. Else
// it is no target: if the start of the next one does not get there either, both disks say
// that they were sources of the same generation, and count for equal.
func (r *Resource) endIsOnRecord() bool {
	return r.uuids.Bitmap != 0 || r.meta.last.super.UUIDs.Bitmap == 0
}

// invalidateOnRecord goes on with the order once that is so.
func (r *Resource) invalidateOnRecord() {
	switch {
	case r.state.Disk < drbdwire.Inconsistent:
		r.refuse(drbdwire.NoLocalDisk, "the disk was lost before it said that the last resync is over")
	case r.endIsOnRecord():
		r.order.stage = stageStart
		r.invalidate()
	}
}

// isGivenUp tells whether this copy is to be overwritten by order, and the source may
// lose what it knows of that before it has it on record. It would take both copies for
// equal then, and this one might be copied. So this one is none that anybody can go on
// with. A Primary begins a generation, or is known to have crashed.
func (r *Resource) isGivenUp() bool {
	return r.meta.givenUp && r.state.Conn == drbdwire.WFSyncUUID && r.state.Peer == drbdwire.Secondary
}

// advanceOrder goes on with a change of role when the last write is through.
func (r *Resource) advanceOrder() {
	switch r.order.stage {
	case stageYield:
		switch {
		case r.state.Conn < drbdwire.Connected:
			// Whether it went on alone is for those who hear more of it to find out.
			r.refuse(drbdwire.TwoPrimaries, "the peer was Primary when the connection to it was lost")
		case r.state.Peer != drbdwire.Primary || r.now >= r.order.secondTry:
			r.order.stage = stageStart
			r.promote()
		}
	case stageNotice:
		r.noticed()
	case stageWritten:
		r.expose()
	case stageDrain:
		switch {
		case r.order.kind == OrderDetach:
			r.detached()
		case r.order.kind == OrderInvalidate:
			r.invalidateOnRecord()
		case r.order.kind == OrderShutdown:
			r.order.stage = stageStart
			r.shutdown()
		case r.order.joins:
			r.drainedToJoin()
		default:
			r.drained()
		}
	case stageRecord:
		switch {
		case !r.order.durable:
		case (r.order.kind == OrderOutdate || r.order.kind == OrderInvalidate) && r.state.Disk < drbdwire.Inconsistent:
			r.refuse(drbdwire.IsDiskless, "the disk was lost before it said that its data is old")
		case r.order.kind == OrderNewCurrentUUID && r.state.Disk < drbdwire.Inconsistent:
			r.refuse(drbdwire.IsDiskless, "the disk was lost before the new generation was on it")
		default:
			r.finish(drbdwire.Success, "")
		}
	default: // waits for an answer
	}
}
