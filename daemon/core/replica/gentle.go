package replica

import (
	"time"

	"github.com/optionc/pollux/daemon/core/resync"
)

// A resync makes room for users: it waits a step when they used the disk since
// the last look, and it runs faster than c-min-rate all the same. Source: DRBD
// 8.4 states, section 11.1.
type gentle struct {
	used  uint64        // sectors that users read or wrote since the last look
	until time.Duration // the resync waits that long
	look  time.Duration // when the next look is due
}

// busySectors is how much use of the disk counts as none.
const busySectors = 64

// makesRoom tells whether the resync has to wait now.
func (r *Resource) makesRoom() bool {
	g := &r.gentle
	if r.cfg.CMinRate == 0 {
		return false
	}
	if r.now >= g.look {
		if g.used > busySectors && r.sync.progress.Report(r.now).Speed > uint64(r.cfg.CMinRate) {
			g.until = r.now + resync.StepTime
		}
		g.used, g.look = 0, r.now+resync.StepTime
	}
	return r.now < g.until
}

// syncDeadline is when the resync wants to go on.
func (r *Resource) syncDeadline() time.Duration {
	if r.now < r.gentle.until && (isTarget(r.state.Conn) || isSource(r.state.Conn)) {
		return r.gentle.until
	}
	return r.sync.deadline(r.state.Conn)
}
