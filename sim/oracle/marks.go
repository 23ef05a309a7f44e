package oracle

import (
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

const pageBytes = 4096

// Marks checks that every block that differs is marked on one of the nodes: in
// the bitmap, or in the activity log of a node that is down.
func (o *Oracle) Marks() {
	if o.rules.Protocol != drbdwire.ProtocolC && (o.isTalking(0) || o.isTalking(1)) {
		return // what was acknowledged early is still on its way
	}
	var known [2]marks
	for n := range 2 {
		var used bool
		if known[n], used = o.marksOf(n); !used {
			return
		}
	}
	o.Counts.MarkChecks++
	o.markBusy()
	a, b := o.w.Node(0).Data(), o.w.Node(1).Data()
	shared := o.shared()
	for block, ok := o.w.Differing(0); ok; block, ok = o.w.Differing(block + 1) {
		s, differs := o.firstDiffering(block, shared)
		if !differs {
			continue
		}
		sector := uint64(s)
		if !known[0].has(sector) && !known[1].has(sector) {
			o.w.Fail(promise4, "sector %d has version %d on %s and %d on %s, and neither marks it", s, a[s], name(0),
				b[s], name(1))
			return
		}
		o.Counts.Marked++
	}
}

// firstDiffering is the first sector of a block that differs, and that nobody
// writes or has lied about.
func (o *Oracle) firstDiffering(block, shared int) (sector int, ok bool) {
	if o.busy[block] {
		return 0, false
	}
	a, b := o.w.Node(0).Data(), o.w.Node(1).Data()
	for s := block * blockSectors; s < min((block+1)*blockSectors, shared); s++ {
		if a[s] != b[s] && !o.w.Tainted(s) {
			return s, true
		}
	}
	return 0, false
}

func (o *Oracle) isTalking(n int) bool {
	node := o.w.Node(n)
	return node.Alive() && node.State().Conn >= drbdwire.WFReportParams
}

// A marks is what a node knows to differ: what its replica says, or else what its
// disk has stored.
type marks struct {
	replica *replica.Resource
	stored  *resync.Bitmap
}

func (m marks) has(sector uint64) bool {
	if m.replica == nil {
		return m.stored.Any(sector, 512)
	}
	marked, _ := m.replica.OutOfSync(sector, 512)
	return marked
}

// marksOf is what node n knows, or will know when it comes up. There is nothing
// for a disk that was never in use: that one is copied as a whole.
func (o *Oracle) marksOf(n int) (known marks, used bool) {
	node := o.w.Node(n)
	if node.Alive() {
		r := node.Core().Resource(0)
		if r.Generation() == drbdmeta.JustCreated {
			return marks{}, false
		}
		if _, loaded := r.OutOfSync(0, 512); loaded {
			return marks{replica: r}, true
		}
	}
	l := node.Layout()
	super, err := drbdmeta.DecodeSuperblock(node.Metadata(l.Superblock, pageBytes))
	if err != nil {
		o.w.Fail(promise4, "%s: %v", name(n), err)
		return marks{}, false
	}
	if super.UUIDs.Current&^1 == drbdmeta.JustCreated {
		return marks{}, false
	}
	bits := resync.NewBitmap(l.DataSectors)
	pages := node.Metadata(l.Bitmap, int64(bits.Pages())*pageBytes)
	for p := range bits.Pages() {
		bits.LoadPage(p, pages[p*pageBytes:])
	}
	if super.Flags&drbdmeta.MDFullSync != 0 {
		bits.SetAll()
	}
	if super.NeedsReplay() {
		replayed, err := drbdmeta.Replay(super, node.Metadata(l.ActivityLog, l.ALSize))
		if err != nil {
			bits.SetAll()
		}
		for _, extent := range replayed.Hot {
			bits.SetExtent(extent)
		}
	}
	return marks{stored: bits}, true
}
