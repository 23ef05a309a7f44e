package oracle

// verified checks what an online verify said that node n drove: what differs
// while both copies count as equal breaks promise 3, unless a disk has lied;
// and who cries wolf is not heard when a disk really rots. What was marked before is
// no such claim: see isMarked.
func (o *Oracle) verified(n int) {
	r := o.w.Node(n).Core().Status().Resources[0].Verified
	if r == nil {
		return
	}
	o.Counts.Verified += int(r.Compared)
	o.foundMarks = o.foundMarks || r.OutOfSync > 0
	if r.OutOfSync > uint64(len(o.rotten))+o.nodes[n].marked && !o.w.IsTainted() {
		o.w.Fail(promise3, "%s found %d blocks that differ", name(n), r.OutOfSync)
	}
}

// HasFound tells whether an online verify has marked what no resync has begun to
// copy since. It may be equal by now, because users wrote it once more: a node
// takes a mark away for a resync alone.
func (o *Oracle) HasFound() bool { return o.foundMarks }
