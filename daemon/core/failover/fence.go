package failover

import (
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
)

// With Config.Fence nothing is started in place of a peer that counts as dead before it was switched off. It is shot
// only when something is to be started: a node that holds everything needs no peer's death. A device that fails is
// tried again for ever, and nothing starts; once the peer is heard it is not shot any more.
//
//	            something is to start           the device says that it did
//	+--------+ --------------------> +----------+ -----------------> +-----+
//	| silent |                       | shooting | <--+               | off |
//	+--------+                       +----------+    | 5 s: it failed +-----+
//	    ^                                  +---------+
//	    | the peer is heard: from everywhere
type fencing struct {
	wanted bool
	off    bool   // the peer is: it was shot, has left in order, or an operator says so
	id     uint64 // of the shot under way; 0: none
	again  time.Duration
	failed string // why the last shot failed
}

// shotEach is from one shot that failed to the next. Source: Heartbeat wire, section 8.11.
const shotEach = 5 * time.Second

// surelyOff says whether a peer that is not there can run nothing, and else has it shot.
func (c *Core) surelyOff(g *group) bool {
	f := &c.fence
	if !c.cfg.Fence || f.off {
		return true
	}
	f.wanted = true
	why := c.cfg.Peer + " counts as dead, and is being switched off before anything starts here"
	if f.failed != "" {
		why = c.cfg.Peer + " counts as dead, and could not be switched off: " + f.failed + ". It is tried again. If it is " +
			"surely off, order a takeover by force here"
	}
	c.wait(g, why, false)
	return planted.On(planted.FenceUnconfirmed) && f.id != 0
}

// shoot has the peer switched off if that is wanted.
func (c *Core) shoot() {
	f := &c.fence
	if !f.wanted || f.off || f.id != 0 || c.now < f.again || !c.peer.absent() || c.stage != stable {
		return
	}
	c.lastID++
	f.id = c.lastID
	c.notef("%s is switched off by its fencing device", c.cfg.Peer)
	c.emit(Effect{Kind: Fence, ID: f.id})
}

// fenceDeadline is when the next shot is due.
func (c *Core) fenceDeadline() time.Duration {
	f := &c.fence
	if !f.wanted || f.off || f.id != 0 || !c.peer.absent() || c.stage != stable {
		return Never
	}
	return f.again
}

// fenced takes the device's answer. One to a shot at a peer that was heard since is too late to mean anything.
func (c *Core) fenced(in Input) {
	f := &c.fence
	switch {
	case f.id == 0 || in.ID != f.id:
	case in.Failed && !planted.On(planted.FenceFailureCounts):
		if in.Text != f.failed {
			c.notef("%s could not be switched off: %s; nothing starts here, and it is tried again", c.cfg.Peer, in.Text)
		}
		f.id, f.again, f.failed = 0, c.now+shotEach, in.Text
	default:
		c.notef("%s is switched off", c.cfg.Peer)
		*f = fencing{off: true}
	}
}
