package replica

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// OnCongestion says what a Primary does whose writes fill the network.
type OnCongestion uint8

// The choices. Source: DRBD 8.4 states, section 11.
const (
	CongestionBlocks      OnCongestion = 0 // writes wait
	CongestionPullsAhead  OnCongestion = 1 // blocks are marked instead of sent, and copied later
	CongestionDisconnects OnCongestion = 2
)

// catchUpAfter is how long the network has been idle when a node that pulled ahead
// lets the peer catch up.
const catchUpAfter = time.Second

const aboutCongestion = "congestion"

// congestion is the way back of a node that pulled ahead.
//
//	Connected --full--> Ahead --nothing in flight, a while--> superblock --> SyncSource
//	                      peer: STATE --> Behind ------------- P_SYNC_UUID --> SyncTarget
type congestion struct {
	due      time.Duration // when the peer may catch up; 0 is not known yet
	starting bool          // the resync's generation is being written down
}

// full names the limit that is reached, if one is.
func (r *Resource) full() string {
	c := &r.cfg
	if c.CongestionFill > 0 {
		if n := r.inFlight(); n >= c.CongestionFill {
			return fmt.Sprintf("congestion-fill: %d sectors are in flight", n)
		}
	}
	if n := r.log.Used(); c.CongestionExtents > 0 && n >= c.CongestionExtents {
		return fmt.Sprintf("congestion-extents: %d extents are in use", n)
	}
	return ""
}

// inFlight is how much users have written that the peer has not confirmed, in
// sectors.
func (r *Resource) inFlight() uint64 {
	n := uint64(0)
	for _, list := range r.requests.both() {
		for i := range list {
			if q := &list[i]; q.isWrite() && q.remote == halfPending {
				n += uint64(q.size) / 512
			}
		}
	}
	return n
}

// watchCongestion reacts to a full network, and ends that.
func (r *Resource) watchCongestion() {
	s := r.state
	switch {
	case s.Conn == drbdwire.Ahead:
		r.endCongestion()
	case r.cfg.OnCongestion == CongestionBlocks || s.Conn != drbdwire.Connected || s.Role != drbdwire.Primary ||
		s.Disk != drbdwire.UpToDate || s.PeerDisk != drbdwire.UpToDate || !r.meta.ready:
	default:
		why := r.full()
		if why == "" {
			return
		}
		if r.cfg.OnCongestion == CongestionDisconnects {
			r.decided(aboutCongestion, "disconnects", why, r.standing())
			r.giveUp("on-congestion disconnect: " + why)
			return
		}
		r.decided(aboutCongestion, "pulls ahead", why, r.standing())
		r.congestion = congestion{}
		next := s
		next.Conn = drbdwire.Ahead
		r.set(next, why)
		r.sendState()
		r.epochs.closeSoon()
	}
}

// endCongestion lets the peer catch up once it has confirmed all that was sent
// to it, and a while has passed.
func (r *Resource) endCongestion() {
	c := &r.congestion
	switch {
	case c.starting:
	case r.inFlight() > 0 || r.epochs.unacked.len() > 0 || r.epochs.count > 0:
		c.due = 0
		r.epochs.closeSoon()
	case c.due == 0:
		c.due = r.now + catchUpAfter
	case r.now >= c.due:
		r.catchUp()
	}
}

// catchUp begins the resync of a peer that has confirmed all that was sent to it. A Primary
// does not step down before that is on record: a Secondary begins no generation when the
// link is lost, and both copies would count as equal.
func (r *Resource) catchUp() {
	if r.state.Conn == drbdwire.Ahead && !r.congestion.starting {
		r.congestion.starting = true
		r.becomeSource()
	}
}

func (r *Resource) congestionDeadline() time.Duration {
	if c := &r.congestion; r.state.Conn == drbdwire.Ahead && c.due != 0 && !c.starting {
		return c.due
	}
	return Never
}

// fallBehind follows a peer that pulled ahead: this copy lacks what it is only
// told about from now on, until the peer begins the resync.
func (r *Resource) fallBehind(role drbdwire.Role) {
	r.sync.stop()
	next := r.state
	next.Conn, next.Peer = drbdwire.Behind, role
	r.set(next, "the peer pulled ahead")
}
