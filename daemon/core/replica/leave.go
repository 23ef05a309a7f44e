package replica

import "github.com/optionc/pollux/daemon/format/drbdwire"

// Masks of a request for a state change. Source: DRBD 8.4 wire, section 6.
const (
	connBits     = uint32(drbdwire.ConnMask) << 4
	diskBits     = uint32(15) << 9
	peerDiskBits = uint32(15) << 13
)

// askToLeave tells the peer that the connection is about to end. A Primary that
// fences takes the peer's word at the same time that its copy is old from now on:
// one that can't answer any more may have users of its own. Source: DRBD 8.4
// states, section 8.3.
func (r *Resource) askToLeave() {
	s := r.state
	r.order.peerLeft = mayGoOn(s)
	mask, value := connBits, uint32(drbdwire.Disconnecting)<<4
	if s.Role == drbdwire.Primary && r.fencing(s) != DontCare && s.PeerDisk >= drbdwire.Consistent {
		r.order.outdates = true
		mask |= peerDiskBits
		value |= uint32(drbdwire.Outdated) << 13
	}
	r.ask(drbdwire.CmdConnStChgReq, mask, value)
}

// leaveAnswered goes on when the peer has answered that. One that is Primary and
// fences lets only an outdated copy go, so this node offers to be one; and what is
// worse than that anyway needs no leave.
func (r *Resource) leaveAnswered(granted bool, code drbdwire.Code) {
	s := r.state
	bound := code == drbdwire.PrimaryNOP && s.Role != drbdwire.Primary
	switch {
	case granted:
		r.order.peerOutdated = r.order.peerOutdated || r.order.outdates
		r.dropLink(drbdwire.StandAlone, "disconnected by order")
	case bound && !r.order.yielding && s.Disk >= drbdwire.Consistent:
		r.order.yielding, r.order.peerLeft = true, true
		r.ask(drbdwire.CmdConnStChgReq, connBits|diskBits,
			uint32(drbdwire.Disconnecting)<<4|uint32(drbdwire.Outdated)<<9)
	case r.order.kind == OrderShutdown, bound && s.Disk < drbdwire.Consistent:
		r.dropLink(drbdwire.StandAlone, "disconnected by order, against the peer's will")
	default:
		r.link.wanted = true
		if !r.order.given {
			r.order.peerLeft, r.order.peerOutdated = false, false
		}
		r.refuse(drbdwire.FailedByPeer, "refused by the peer: "+code.String())
	}
}

// consentToLeave decides about the peer's wish to disconnect.
func (r *Resource) consentToLeave(mask, value drbdwire.State) (drbdwire.Code, func()) {
	s := r.state
	yields := mask.Disk != 0 && value.Disk == drbdwire.Outdated
	if s.Role == drbdwire.Primary && r.fencing(s) != DontCare && s.PeerDisk >= drbdwire.Consistent && !yields {
		return drbdwire.PrimaryNOP, nil
	}
	return drbdwire.Success, func() {
		r.order.peerLeft = mayGoOn(s) || mask.PeerDisk != 0
		r.order.peerOutdated = yields
		r.order.given = true
	}
}

// leaves tells whether an order ends the link. The peer may have become Primary since it
// was asked about that, or since it has agreed.
func (r *Resource) leaves() bool {
	return r.order.kind == OrderDisconnect || r.order.kind == OrderShutdown
}

// mayGoOn tells whether the peer is a Primary with a disk: this copy will be old
// when they part. One without a disk has no other copy than this.
func mayGoOn(s drbdwire.State) bool {
	return s.Peer == drbdwire.Primary && s.PeerDisk >= drbdwire.Inconsistent
}
