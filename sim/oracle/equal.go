package oracle

import (
	"slices"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Equal compares both disks wherever nothing is under way, if both nodes say
// that they are connected and up to date. Still says that nobody writes, so
// that protocols that acknowledge early are held to it as well.
func (o *Oracle) Equal(still bool) {
	if o.rules.Protocol != drbdwire.ProtocolC && !still {
		return
	}
	for n := range 2 {
		node := o.w.Node(n)
		s := node.State()
		if !node.Alive() || s.Conn != drbdwire.Connected || s.Disk != drbdwire.UpToDate ||
			s.PeerDisk != drbdwire.UpToDate {
			return
		}
	}
	o.Counts.EqualChecks++
	o.markBusy()
	a, b := o.w.Node(0).Data(), o.w.Node(1).Data()
	for s := range a[:o.shared()] {
		if o.busy[s/blockSectors] || o.w.Tainted(s) {
			continue
		}
		o.Counts.Compared++
		if a[s] != b[s] && !o.isMarked(uint64(s)) {
			o.w.Fail(promise3, "sector %d has version %d on %s and %d on %s, and nobody writes it", s, a[s], name(0),
				b[s], name(1))
			return
		}
	}
}

// Same tells whether both copies are equal now, whatever anybody says of them.
func (o *Oracle) Same() bool {
	n := o.shared()
	return slices.Equal(o.w.Node(0).Data()[:n], o.w.Node(1).Data()[:n])
}

// isMarked finds what is marked although both copies count as equal: nobody
// has written there since the device grew, and no Primary has copied it yet.
func (o *Oracle) isMarked(sector uint64) bool {
	for n := range 2 {
		if marked, known := o.w.Node(n).Core().Resource(0).OutOfSync(sector, 512); known && marked {
			return true
		}
	}
	return false
}

// shared is how many sectors both copies have.
func (o *Oracle) shared() int { return int(min(o.w.Node(0).Size(), o.w.Node(1).Size())) }

// markBusy notes the blocks that somebody writes now, or that may differ because
// a disk rots.
func (o *Oracle) markBusy() {
	clear(o.busy)
	o.w.Busy(func(sector uint64, size uint32) {
		for b := sector / blockSectors; b <= (sector+uint64(size)/512-1)/blockSectors; b++ {
			o.busy[b] = true
		}
	})
	for _, b := range o.rotten {
		o.busy[b] = true
	}
}
