package replica

import (
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A disk that fails while the peer has a whole copy is old from the next write
// on. It may work again after a restart of this node, and still says of itself
// that it is good then: that would become the truth when the start-up wait is over
// and the peer is away. So the last thing that is written to it is that it is old.
// The kernel's DRBD writes what it last said.

// lastWordTries is how often that is tried: a disk that fails some requests may take
// others. Nobody waits for it.
const lastWordTries = 4

// lastWord is a superblock that may still have to be written to a disk that is not
// used any more.
type lastWord struct {
	super drbdmeta.Superblock // the last one that is durable
	at    int64               // and where, bytes
	tries int                 // that are left
}

// keep notes the superblock that is durable.
func (w *lastWord) keep(super drbdmeta.Superblock, at int64) { w.super, w.at = super, at }

// prepareLastWord is called before a failed disk is let go of.
func (r *Resource) prepareLastWord() {
	m := &r.meta
	whole := r.state.Conn >= drbdwire.Connected && r.state.PeerDisk == drbdwire.UpToDate
	if !whole || m.last.super.Flags&drbdmeta.MDWasUpToDate == 0 || m.move.stage != moveNone {
		return
	}
	m.parting = true
	m.last.super.Flags &^= drbdmeta.MDWasUpToDate
	m.last.tries = lastWordTries
}

// sayLastWord writes that the disk is old. What nobody relied on yet, a superblock
// that had no answer, is taken back by that.
func (r *Resource) sayLastWord() {
	m := &r.meta
	if m.last.tries == 0 || m.busy != metaIdle {
		return
	}
	m.last.tries--
	r.startMeta(metaLastWord, m.last.at, m.last.super.Append(r.scratch()), true)
}

// saidLastWord goes on when the disk has answered.
func (r *Resource) saidLastWord(failed bool) {
	if !failed {
		r.meta.last.tries = 0
	}
	r.sayLastWord()
	r.diskIdle()
}
