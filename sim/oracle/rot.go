package oracle

// Rots notes that the block of a sector changed by itself on one node. No
// guest uses it: it may hold anything from now on, and nobody has to mark it
// before an online verify has compared it.
func (o *Oracle) Rots(sector uint64) {
	block := int(sector) / blockSectors
	o.rotten = append(o.rotten, block)
	for _, reg := range o.regs {
		for s := block * blockSectors; s < (block+1)*blockSectors; s++ {
			reg.is(s, anything)
		}
	}
}

// IsRotten tells whether a block that rotted, or that a disk has lied about,
// differs still.
func (o *Oracle) IsRotten() bool {
	_, differs := o.differing()
	return differs
}

// differing is a sector of a block that rotted in which the copies differ.
func (o *Oracle) differing() (sector uint64, ok bool) {
	a, b := o.w.Node(0).Data(), o.w.Node(1).Data()
	for _, block := range o.rotten {
		for s := block * blockSectors; s < (block+1)*blockSectors; s++ {
			if a[s] != b[s] {
				return uint64(s), true
			}
		}
	}
	for s := range a[:o.shared()] {
		if a[s] != b[s] && o.w.Tainted(s) {
			return uint64(s), true
		}
	}
	return 0, false
}

// Found checks that an online verify that has just ended has marked all that
// differs for a disk's sake. From then on nothing is excused; but what a disk
// has lied about may be what it holds now.
func (o *Oracle) Found() {
	if s, differs := o.differing(); differs && !o.w.Tainted(int(s)) && !o.isMarked(s) {
		o.w.Fail(promise3, "sector %d differs, and a verify has not found that", s)
	}
	o.Counts.Rotten++
	o.rotten = nil
	o.markBusy()
	a, b := o.w.Node(0).Data(), o.w.Node(1).Data()
	for s := range a[:o.shared()] {
		if !o.w.Tainted(s) {
			continue
		}
		now := o.tick()
		for _, reg := range o.regs {
			reg.doubt(s, now)
		}
		switch {
		case a[s] == b[s] || o.busy[s/blockSectors]:
		case !o.isMarked(uint64(s)):
			o.w.Fail(promise3, "sector %d has version %d on %s and %d on %s, and a verify has not found that", s, a[s], name(0),
				b[s], name(1))
			return
		default:
			o.Counts.Found++
		}
	}
	o.w.Trust()
}
