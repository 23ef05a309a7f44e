package replica

import (
	"time"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A disk that fails while the peer has a whole copy is old from the next write
// on. It may work again after a restart of this node, and still says of itself
// that it is good then: that would become the truth when the start-up wait is over
// and the peer is away. So the last thing that is written to it is that it is old.
// The kernel's DRBD writes what it last said.

// A disk that fails some requests may take others, and one that fails all of them may
// do so for a moment. That is tried lastWordAtOnce times, and then after each
// lastWordPause, until it has succeeded, lastWordTries are over, or an order wants
// the disk. Nobody waits for it.
const (
	lastWordAtOnce = 4
	lastWordPause  = time.Second
	lastWordTries  = lastWordAtOnce + 60
)

// lastWord is a superblock that may still have to be written to a disk that is not
// used any more.
type lastWord struct {
	super drbdmeta.Superblock // the last one that is durable
	at    int64               // and where, bytes
	tries int                 // that are left
	next  time.Duration       // when the next one is due
	// waits: users have not gone on with a copy of the peer's yet. It has a whole one,
	// but counts for worse, or is away.
	waits bool
}

// owed is what a disk that is being attached was to be told, or was told, when it was
// let go. If the attach fails, that counts again: the attach may have told it otherwise.
type owed struct {
	word              lastWord
	parting, replayed bool
}

// keep notes the superblock that is durable.
func (w *lastWord) keep(super drbdmeta.Superblock, at int64) { w.super, w.at = super, at }

// prepareLastWord is called before a failed disk is let go of.
func (r *Resource) prepareLastWord() {
	m := &r.meta
	whole := r.peerIsWhole()
	saysSo := m.last.super.Flags&drbdmeta.MDWasUpToDate == 0
	behind := r.state.Disk <= drbdwire.Outdated // as was ordered, or found in a handshake
	old := !whole && !r.peerMayServe() && behind
	m.behind = m.behind || behind && (!saysSo || m.parting) // the disk does not say so, or for another reason
	if !whole && !r.peerMayServe() && !old || saysSo {
		return
	}
	if m.move.mayBeFound(m.layout) {
		m.last.keep(m.super.At(m.move.to), m.move.to.Superblock)
		m.last.super.Flags |= fullSync // who knows what else is there
	}
	m.parting = !old
	m.last.super.Flags &^= drbdmeta.MDWasUpToDate | drbdmeta.MDPeerOutdated
	m.last.tries, m.last.next, m.last.waits = lastWordTries, r.now, !whole && !old
}

// isOther forgets what a disk was to be told if this is another one.
func (r *Resource) isOther(super drbdmeta.Superblock) {
	m, word := &r.meta, &r.order.owed.word
	current := super.UUIDs.Current
	if super.DeviceUUID != word.super.DeviceUUID || m.layout.Superblock != word.at ||
		current != m.onDisk && (m.begun == 0 || current&^1 != m.begun) {
		r.order.owed = owed{}
	}
}

// oweAgain is called when a disk is let go, the attach of which may not be over.
func (r *Resource) oweAgain() {
	m, was := &r.meta, r.order.owed
	if r.order.kind != OrderAttach || m.last.tries > 0 {
		return
	}
	owes := was.word.tries > 0
	if was.replayed {
		owes = owes || was.parting
		was.word.keep(m.last.super, m.last.at)
		was.word.super.Flags &^= drbdmeta.MDWasUpToDate | drbdmeta.MDPeerOutdated
	}
	if m.last = was.word; owes {
		m.last.tries, m.last.next = lastWordTries, r.now
		m.parting = m.parting || was.parting
	}
}

// peerMayServe tells whether the peer has all that users know of, though it does not
// count as UpToDate: it was to be overwritten, its loss is not on record yet, or it has
// had all of a resync, or may have had, as the last acknowledgements are on their way.
// Once it is found to be whole, users go on with it. And a Primary that is away may go on
// alone: that is known when it is back, or is heard otherwise.
func (r *Resource) peerMayServe() bool {
	s := r.state
	if s.Role == drbdwire.Secondary && s.Conn < drbdwire.Connected {
		// With changes this copy is the newer one, and who orders a detach wants the disk now.
		return s.Disk > drbdwire.Outdated && !r.hasChanges() && r.order.kind != OrderDetach
	}
	return s.Role == drbdwire.Primary && (r.sync.whole || r.begins() || r.fence.postponed) || isSource(s.Conn)
}

// owesLastWord tells whether the disk, which is not used any more, has to be told
// yet. An attach reads first what it finds.
func (r *Resource) owesLastWord() bool {
	m := &r.meta
	return m.last.tries > 0 && m.busy == metaIdle && r.state.Disk == drbdwire.Diskless && r.order.kind != OrderAttach &&
		(!m.last.waits || r.peerIsWhole())
}

// OwesLastWord tells whether a disk that is not used any more may still have to be told
// that it is old.
func (r *Resource) OwesLastWord() bool { return r.meta.last.tries > 0 }

// lastWordDeadline is when the next try is due.
func (r *Resource) lastWordDeadline() time.Duration {
	if !r.owesLastWord() {
		return Never
	}
	return r.meta.last.next
}

// sayLastWord writes that the disk is old. What nobody relied on yet, a superblock
// that had no answer, is taken back by that.
func (r *Resource) sayLastWord() {
	m := &r.meta
	if !r.owesLastWord() || r.now < m.last.next {
		return
	}
	m.last.tries--
	m.last.waits = false
	r.startMeta(metaLastWord, m.last.at, m.last.super.Append(r.scratch()), true)
}

// heardOfUsers lets the disk that this node has lost be told that it is old: users have
// gone on with the peer's, which is away.
func (r *Resource) heardOfUsers() {
	if r.meta.last.tries > 0 {
		r.meta.last.waits, r.meta.behind = false, true
		r.sayLastWord()
	}
}

// saidLastWord goes on when the disk has answered.
func (r *Resource) saidLastWord(failed bool) {
	last := &r.meta.last
	switch {
	case !failed:
		last.tries = 0
	case last.tries <= lastWordTries-lastWordAtOnce:
		last.next = r.now + lastWordPause
	}
	r.sayLastWord()
	r.diskIdle()
}

// dropLastWord lets go of a failed disk that was not told yet.
func (r *Resource) dropLastWord() {
	if r.meta.last.tries > 0 {
		r.meta.last.tries = 0
		r.diskIdle()
	}
}
