package oracle

import (
	"slices"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// differingMarks is how many blocks differ, and are marked on one of the nodes:
// an online verify finds them, and no resync has claimed that they are equal; see
// isMarked. What rotted is not among them, nor what is marked and equal: they would
// hide as many blocks that nothing has marked.
func (o *Oracle) differingMarks() int {
	found := 0
	for block, ok := o.w.Differing(0); ok; block, ok = o.w.Differing(block + 1) {
		if !slices.Contains(o.rotten, block) && o.isMarked(uint64(block*blockSectors)) {
			found++
		}
	}
	return found
}

// verified checks what an online verify said that node n drove: what differs
// while both copies count as equal breaks promise 3, unless a disk has lied;
// and who cries wolf is not heard when a disk really rots. What was marked before is
// no such claim, nor are two copies of which one has failed since: what its disk could not
// read is found to differ, and the next resync writes it anew.
func (o *Oracle) verified(n int) {
	r := o.w.Node(n).Core().Status().Resources[0].Verified
	if r == nil {
		return
	}
	o.Counts.Verified += int(r.Compared)
	o.foundMarks = o.foundMarks || r.OutOfSync > 0
	if r.OutOfSync > uint64(len(o.rotten)+o.nodes[n].marked) && !o.w.IsTainted() && !o.hasFailed(0) && !o.hasFailed(1) {
		o.w.Fail(promise3, "%s found %d blocks that differ", name(n), r.OutOfSync)
	}
}

// hasFailed tells whether node n does not take its copy for a whole one any more.
func (o *Oracle) hasFailed(n int) bool { return o.w.Node(n).State().Disk <= drbdwire.Inconsistent }

// HasFound tells whether an online verify has marked what no resync has begun to
// copy since. It may be equal by now, because users wrote it once more: a node
// takes a mark away for a resync alone.
func (o *Oracle) HasFound() bool { return o.foundMarks }
