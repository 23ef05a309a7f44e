package world

import (
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// illness is what is wrong with a disk for good, or with a part of it.
type illness struct {
	meta, part  time.Duration // until then metadata, or a part of the data, fail
	start, size int           // of that part, sectors
	drop, stray int           // so many writes of data will be lost, or go astray
	snapshot    *device       // what the disk was once; nil is nothing
}

// isIll tells whether a request fails for where it is.
func (d *device) isIll(q *diskRequest) bool {
	switch now := d.node.w.now; {
	case q.onMeta:
		return now < d.ill.meta
	case q.size > 0 && now < d.ill.part:
		return q.sector < d.ill.start+d.ill.size && d.ill.start < q.sector+q.size
	default:
		return false
	}
}

// wellAgain ends all of it; a disk that tries long enough reads every sector.
func (d *device) wellAgain() {
	d.ill = illness{}
	d.data.Heal()
}

// lies tells whether a write of data did not do what its answer says, and does
// what it did instead.
func (d *device) lies(q *diskRequest) bool {
	w := d.node.w
	switch {
	case d.ill.drop > 0:
		d.ill.drop--
		w.Tracef("%s loses a write of %d sectors at %d", Name(d.node.id), len(q.row), q.sector)
	case d.ill.stray > 0:
		d.ill.stray--
		at := w.luck.ill.Below(int(d.layout().DataSectors)-len(q.row)) / 8 * 8
		w.Tracef("%s writes %d sectors at %d, not at %d", Name(d.node.id), len(q.row), at, q.sector)
		w.taint(at, len(q.row))
		if err := d.writeData(at, q.row, q.durable); err != nil {
			w.Fail(promiseInside, "%v", err)
		}
	default:
		return false
	}
	w.taint(q.sector, len(q.row))
	return true
}

// taint notes that a disk has lied about sectors.
func (w *World) taint(sector, n int) {
	if w.tainted == nil {
		w.tainted = make([]bool, w.nodes[0].disk.data.Sectors())
	}
	for s := sector; s < sector+n; s++ {
		w.tainted[s] = true
	}
}

// Tainted tells whether a disk has lied about a sector. What it holds is then
// not what anybody may rely on, before the copies have been compared.
func (w *World) Tainted(sector int) bool { return w.tainted != nil && w.tainted[sector] }

// IsTainted tells whether any disk has lied.
func (w *World) IsTainted() bool { return w.tainted != nil }

// Trust ends all doubt about the disks.
func (w *World) Trust() { w.tainted = nil }

// SpoilSectors makes a few places of the disk unreadable until they are
// written.
func (n *Node) SpoilSectors() {
	luck := n.w.luck.ill
	for range 1 + luck.Below(8) {
		size := 8 << luck.Below(4)
		at := luck.Below(int(n.disk.layout().DataSectors)-size) / 8 * 8
		n.w.Tracef("%s can't read %d sectors at %d", Name(n.id), size, at)
		n.disk.data.MakeBad(at, size)
	}
}

// Unreadable is how many sectors of its data can't be read.
func (n *Node) Unreadable() int { return n.disk.data.Bad() }

// FailRange makes an eighth of the disk fail, for a while.
func (n *Node) FailRange(d time.Duration) {
	ill, sectors := &n.disk.ill, int(n.disk.layout().DataSectors)
	ill.part, ill.start, ill.size = n.w.now+d, n.w.luck.ill.Below(8)*(sectors/8), sectors/8
}

// FailMetadata makes every request for the metadata fail, for a while.
func (n *Node) FailMetadata(d time.Duration) { n.disk.ill.meta = n.w.now + d }

// LoseWrite lets the next write of data be answered, and not happen.
func (n *Node) LoseWrite() { n.disk.ill.drop++ }

// MisplaceWrite lets the next write of data go to another place.
func (n *Node) MisplaceWrite() { n.disk.ill.stray++ }

// Remember keeps what the disk is now, for Revert.
func (n *Node) Remember() {
	n.disk.ill.snapshot = &device{
		size: n.disk.size, last: n.disk.last, base: n.disk.base, data: n.disk.data.Clone(), meta: n.disk.meta.Clone(),
	}
}

// Revert gives a node that is down the disk that it remembers, as somebody does
// who restores an image. Whatever differs by that, nobody knows of. That may be a
// write, too, that was on its way to the peer when the node went down: the activity
// log that names it is gone. Nobody restores an image of half a copy over the only
// whole one.
func (n *Node) Revert() {
	old := n.disk.ill.snapshot
	if old == nil || n.alive || n.disk.isWhole() && !n.w.nodes[1-n.id].staysWhole() && !old.isWhole() {
		return
	}
	n.w.Tracef("%s has the disk of a while ago", Name(n.id))
	all := func() bool { return true }
	data, meta := old.data.Clone(), old.meta.Clone()
	data.PowerLoss(all)
	meta.PowerLoss(all)
	mine, theirs := n.disk.data.Seen(), n.w.nodes[1-n.id].disk.data.Seen()
	for s, now := range data.Seen() {
		if now != mine[s] || now != theirs[s] {
			n.w.taint(s, 1)
		}
	}
	for _, q := range n.cut {
		n.w.taint(int(q.sector), int(q.size)/sectorSize)
	}
	n.disk.data, n.disk.meta, n.disk.size, n.disk.last = data, meta, old.size, old.last
	n.w.compareAll()
}

// staysWhole tells whether the node has a whole copy that is not about to be
// overwritten by a resync.
func (n *Node) staysWhole() bool {
	switch n.state.Conn {
	case drbdwire.StartingSyncT, drbdwire.WFBitMapT, drbdwire.WFSyncUUID:
		return !n.alive && n.disk.isWhole()
	default:
		return n.disk.isWhole()
	}
}
