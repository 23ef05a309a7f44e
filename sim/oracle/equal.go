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
	shared := o.shared()
	o.Counts.Compared += o.compared(shared)
	for block, ok := o.w.Differing(0); ok; block, ok = o.w.Differing(block + 1) {
		for s := block * blockSectors; s < min((block+1)*blockSectors, shared); s++ {
			if a[s] != b[s] && !o.busy[block] && !o.w.Tainted(s) && !o.isMarked(uint64(s)) {
				o.w.Fail(promise3, "sector %d has version %d on %s and %d on %s, and nobody writes it", s, a[s], name(0),
					b[s], name(1))
				return
			}
		}
	}
}

// compared is how many sectors are held to be equal: those that nobody writes, and
// that no disk has lied about.
func (o *Oracle) compared(shared int) int {
	n := shared
	for _, block := range o.busyBlocks {
		n -= max(0, min((block+1)*blockSectors, shared)-block*blockSectors)
	}
	if !o.w.IsTainted() {
		return n
	}
	for s := range shared {
		if o.w.Tainted(s) && !o.busy[s/blockSectors] {
			n--
		}
	}
	return n
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
	for _, b := range o.busyBlocks {
		o.busy[b] = false
	}
	o.busyBlocks = o.busyBlocks[:0]
	mark := func(b int) {
		if !o.busy[b] {
			o.busy[b] = true
			o.busyBlocks = append(o.busyBlocks, b)
		}
	}
	o.w.Busy(func(sector uint64, size uint32) {
		for b := sector / blockSectors; b <= (sector+uint64(size)/512-1)/blockSectors; b++ {
			mark(int(b))
		}
	})
	for _, b := range o.rotten {
		mark(b)
	}
}
