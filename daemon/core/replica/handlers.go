package replica

import (
	"fmt"
	"slices"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// The handlers of drbd.conf that a resource calls; package handshake names
// those of a split brain. Source: drbd.conf, section 4.
const (
	HandlerFencePeer          = "fence-peer"
	HandlerPriOnInconDegr     = "pri-on-incon-degr"
	HandlerLocalIOError       = "local-io-error"
	HandlerBeforeResyncTarget = "before-resync-target"
	HandlerAfterResyncTarget  = "after-resync-target"
	HandlerBeforeResyncSource = "before-resync-source"
	HandlerUnfencePeer        = "unfence-peer"
	HandlerOutOfSync          = "out-of-sync"
)

// call starts a handler and gives its number, or 0 if none of that name is
// configured. Called brings the exit status; whoever does not wait for it
// forgets the number.
func (r *Resource) call(name string) uint64 {
	if !slices.Contains(r.cfg.Handlers, name) {
		return 0
	}
	r.calls++
	r.emit(Effect{Kind: Call, ID: r.calls, Text: name})
	return r.calls
}

// called takes the exit status of a handler.
func (r *Resource) called(in Input) {
	switch in.ID {
	case 0:
	case r.sync.kept:
		r.snapshotTaken(in.Exit, in.Text)
	case r.sync.call:
		r.mayResync(in.Exit, in.Text)
	case r.fence.call:
		r.fenced(in.Exit, in.Text)
	}
}

// mayResync goes on with a resync whose start waited for a handler. Source:
// DRBD 8.4 states, section 3.
func (r *Resource) mayResync(exit int, text string) {
	r.sync.call = 0
	source := r.state.Conn != drbdwire.WFSyncUUID && r.state.Conn != drbdwire.Behind
	name, refused := HandlerBeforeResyncTarget, exit != 0
	if source {
		name, refused = HandlerBeforeResyncSource, exit != 0 && exit != 3
	}
	if refused {
		why := fmt.Sprintf("the handler %s forbids the resync with exit status %d", name, exit)
		if exit < 0 {
			why = fmt.Sprintf("the handler %s did not end well, so there is no resync: %s", name, text)
		}
		r.giveUp(why)
		return
	}
	if source {
		r.beginSource()
		return
	}
	r.takeSnapshot()
}

// watchPrimary calls for help when a Primary has no good copy left. Source:
// DRBD 8.4 states, section 10.
func (r *Resource) watchPrimary(old drbdwire.State) {
	if withoutData(r.state) && !withoutData(old) {
		r.call(HandlerPriOnInconDegr)
	}
}
