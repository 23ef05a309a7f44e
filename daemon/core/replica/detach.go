package replica

import (
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// detach is the order to stop using the disk below. The peer is asked first:
// somebody may depend on this copy. Source: DRBD 8.4 states, section 8.5.
func (r *Resource) detach() {
	switch code, why := r.mayDetach(); {
	case r.state.Disk == drbdwire.Diskless:
		r.dropLastWord()
		r.finish(drbdwire.NothingToDo, "")
	case code < drbdwire.Success:
		r.refuse(code, why)
	case r.state.Conn == drbdwire.Connected:
		r.ask(drbdwire.CmdStateChgReq, 15<<9, uint32(drbdwire.Failed)<<9)
	default:
		r.order.stage = stageDrain
	}
}

func (r *Resource) mayDetach() (drbdwire.Code, string) {
	s := r.state
	switch {
	case planted.On(planted.DetachUnasked):
		return drbdwire.Success, ""
	case s.Disk < drbdwire.Inconsistent || s.Conn == drbdwire.WFReportParams:
		return drbdwire.InTransientState, "the disk is being attached or let go, or the handshake with the peer is not over"
	case s.Conn > drbdwire.Connected:
		return drbdwire.ResyncRunning, "a resync is running"
	case s.Role == drbdwire.Primary && s.PeerDisk != drbdwire.UpToDate:
		return drbdwire.NoUpToDateDisk, "the peer has no UpToDate copy to go on with"
	case s.Peer == drbdwire.Primary && s.PeerDisk != drbdwire.UpToDate:
		return drbdwire.NoUpToDateDisk, "the peer is Primary and has no UpToDate copy of its own"
	default:
		return drbdwire.Success, ""
	}
}

// detached lets go of the disk once the peer has everything that users were
// told is done, or this disk has it for a peer that is lost. New requests wait that long.
func (r *Resource) detached() {
	code, why := r.mayDetach()
	switch s := r.state; {
	case code >= drbdwire.Success && (!r.requests.settled() || r.owesWrites() || r.peerFails()) && !planted.On(planted.DetachUndrained):
		r.epochs.closeSoon()
		return
	case code < drbdwire.Success:
		r.meta.parting = r.meta.parting && s.Disk < drbdwire.Inconsistent // it has failed, and is told so for that
		r.recordFlags()
		r.refuse(code, why)
		return
	case r.meta.parting && !r.order.durable:
		return
	case !r.meta.parting && s.Conn == drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate:
		r.meta.parting = true
		r.recordFlags()
		r.afterSuper(gateOrder)
		return
	}
	r.diskFailed("detached by order")
	r.finish(drbdwire.Success, "")
}
