package world

import "math/bits"

// blockSectors is how many sectors one bit of differing stands for.
const blockSectors = 8

// differing has a bit for each block of the data in which the two disks differ
// for a reader. It follows every write, so that nobody has to compare whole disks
// to know.
type differing []uint64

// Differing is the first block of 4 KiB, from that one on, that is not the same on
// both disks, and false if there is none.
func (w *World) Differing(from int) (block int, ok bool) {
	for word := from / 64; word < len(w.differing); word++ {
		set := w.differing[word]
		if word == from/64 {
			set &= ^uint64(0) << (from % 64)
		}
		if set != 0 {
			return word*64 + bits.TrailingZeros64(set), true
		}
	}
	return 0, false
}

// compare finds out anew which blocks differ of those that a range touches.
func (w *World) compare(sector, count int) {
	a, b := w.nodes[0].disk.data.Seen(), w.nodes[1].disk.data.Seen()
	for block := sector / blockSectors; block*blockSectors < sector+count; block++ {
		first, end := block*blockSectors, min((block+1)*blockSectors, len(a))
		word, bit := &w.differing[block/64], uint64(1)<<(block%64)
		*word &^= bit
		for s := first; s < end; s++ {
			if a[s] != b[s] {
				*word |= bit
				break
			}
		}
	}
}

// compareAll does that with the whole disks.
func (w *World) compareAll() {
	sectors := w.nodes[0].disk.data.Sectors()
	w.differing = make(differing, sectors/blockSectors/64+1)
	w.compare(0, sectors)
}
