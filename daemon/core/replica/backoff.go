package replica

import (
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Connections that fail again and again are tried at growing intervals: twice as
// long each time, from firstPause to lastPause, which is connect-int's default.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 10 * time.Second
)

// failures counts connections that came to nothing, one after the other.
type failures struct {
	count  int
	before time.Duration // no connection is looked for before that
}

// linkFailed takes the end of a connection into account. What ends before the
// nodes understood each other, or because they don't, would end so again; what
// broke after that is worth another try at once, and so is the first failure.
func (r *Resource) linkFailed(old, why drbdwire.ConnState) {
	f := &r.failures
	if old >= drbdwire.Connected && why != drbdwire.ProtocolError {
		*f = failures{}
		return
	}
	if f.count++; f.count > 1 {
		pause := lastPause
		if shift := f.count - 2; shift < 6 {
			pause = min(firstPause<<shift, lastPause)
		}
		f.before = r.now + pause
	}
}

// pausing tells whether it is too early to look for the peer again.
func (r *Resource) pausing() bool {
	return r.link.conn == 0 && r.state.Conn == drbdwire.Unconnected && r.now < r.failures.before
}

func (r *Resource) pauseDeadline() time.Duration {
	if r.pausing() {
		return r.failures.before
	}
	return Never
}
