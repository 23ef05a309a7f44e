package oracle

import "github.com/optionc/pollux/daemon/format/drbdwire"

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
	for s := range a {
		if o.busy[s/blockSectors] {
			continue
		}
		o.Counts.Compared++
		if a[s] != b[s] {
			o.w.Fail(promise3, "sector %d has version %d on %s and %d on %s, and nobody writes it", s, a[s], name(0),
				b[s], name(1))
			return
		}
	}
}

// markBusy notes the blocks that somebody writes now.
func (o *Oracle) markBusy() {
	clear(o.busy)
	o.w.Busy(func(sector uint64, size uint32) {
		for b := sector / blockSectors; b <= (sector+uint64(size)/512-1)/blockSectors; b++ {
			o.busy[b] = true
		}
	})
}
