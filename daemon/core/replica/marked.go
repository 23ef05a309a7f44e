package replica

import "github.com/optionc/pollux/daemon/format/drbdwire"

// copyMarked ends a state in which both copies count as equal, and blocks are
// marked all the same: a handshake let the device grow, the resync of what was
// added broke off, or only the target had heard of a full resync by order when
// the connection did. The kernel leaves that as it is. Here the Primary begins
// a new generation, and the resync that follows from it. What an online verify
// has found stays until the nodes connect again, as with the kernel: the copy
// that a new Primary would overwrite may be the good one.
func (r *Resource) copyMarked() {
	if r.state.Role != drbdwire.Primary || !r.isMarked() || r.verify.suspect || r.isAboutToCopy() {
		return
	}
	// By force a copy that was not whole has a generation already, and the peer lacks that.
	own := r.uuids.Bitmap != 0 && r.uuids.Current&^1 != r.peer.uuids.Current&^1
	if r.uuids.Bitmap != 0 && !own {
		return
	}
	r.decided(aboutData, "copies what is marked", "both copies count as equal, and blocks are marked", r.standing())
	if !own {
		r.newGeneration()
	}
	r.afterSuper(gateMarked)
}

// isMarked tells whether there is something to copy to a peer that counts as
// equal. That may be marked there alone.
func (r *Resource) isMarked() bool {
	s := r.state
	return s.Conn == drbdwire.Connected && s.Disk == drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate &&
		(r.bits.Count() > 0 || r.peer.uuids.Dirty > 0)
}

// tellMarked starts the resync once the generation is on record: the peer
// compares again when it hears of a resync that has begun. This node may have
// stepped down meanwhile.
func (r *Resource) tellMarked() {
	if !r.isMarked() {
		r.tellGeneration() // a resync that came in between ends with it, and users may live on this copy later
		return
	}
	r.sendUUIDs()
	next := r.state
	next.Conn = drbdwire.WFBitMapS
	r.sync.telling = true
	r.set(next, "what is marked is copied")
	r.sendState()
	r.sendBitmap()
}

// isAboutToCopy tells whether the generation for that is on its way to the disk. A verify
// that began meanwhile would be in the way of the resync, which nothing starts again.
func (r *Resource) isAboutToCopy() bool { return r.meta.awaits(gateMarked) }
