package replica

import "github.com/optionc/pollux/daemon/format/drbdwire"

// Snapshot says whether a snapshot of the disk below is taken before it becomes
// the target of a resync.
type Snapshot uint8

// The choices. One that can't be taken is a warning, or forbids the resync.
const (
	NoSnapshot      Snapshot = 0
	TrySnapshot     Snapshot = 1
	RequireSnapshot Snapshot = 2
)

// What the shell is called for, besides handlers. The first has room for Offset
// bytes of changes, and is answered.
const (
	CallTakeSnapshot = "take-snapshot"
	CallDropSnapshot = "drop-snapshot"
)

// takeSnapshot begins the resync on the target, after what a whole copy holds
// was put aside. What an interrupted resync has left is nothing to keep.
func (r *Resource) takeSnapshot() {
	if r.cfg.Snapshot == NoSnapshot || r.state.Disk < drbdwire.Outdated {
		r.beginTarget()
		return
	}
	r.calls++
	r.sync.kept = r.calls
	r.emit(Effect{Kind: Call, ID: r.calls, Text: CallTakeSnapshot, Offset: int64(r.bits.Count()) * pageSize})
}

func (r *Resource) snapshotTaken(exit int, text string) {
	r.sync.kept = 0
	switch {
	case exit == 0:
		r.decided(aboutResync, "may begin", "a snapshot was taken", r.standing())
	case r.cfg.Snapshot == RequireSnapshot:
		r.giveUp("no resync without a snapshot: " + text)
		return
	default:
		r.decided(aboutResync, "may begin", "without a snapshot: "+text, r.standing())
	}
	r.beginTarget()
}

// dropSnapshot lets go of what a resync that ended well has replaced.
func (r *Resource) dropSnapshot() {
	if r.cfg.Snapshot != NoSnapshot {
		r.calls++
		r.emit(Effect{Kind: Call, ID: r.calls, Text: CallDropSnapshot})
	}
}
