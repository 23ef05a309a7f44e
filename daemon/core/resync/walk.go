package resync

import "time"

// Walk decides which block a verify asks for next, and when: each block once,
// in ascending order, at the pace of a resync.
//
// The caller calls Next until it says no, after every event and at Deadline,
// and tells of every block when it is Checked.
//
// Source: DRBD 8.4 wire, section 11; DRBD 8.4 states, section 11.1.
type Walk struct {
	pace      pace
	next, end uint64 // blocks
	sectors   uint64 // of the device
	flying    spans
}

// NewWalk makes a walk over a device of so many sectors, from the block of one
// sector up to, and without, that of another; 0 is the end of the device.
func NewWalk(now time.Duration, params Params, sectors, from, to uint64) *Walk {
	if to == 0 || to > sectors {
		to = sectors
	}
	w := &Walk{pace: newPace(params), sectors: sectors, end: (to + blockSectors - 1) / blockSectors}
	w.next = min(from/blockSectors, w.end)
	w.pace.start(now)
	return w
}

// Next gives the block to ask for now; the size is in bytes, 4 KiB except at
// the end of the device. Not ok means nothing until the next event or Deadline.
func (w *Walk) Next(now time.Duration) (sector uint64, size uint32, ok bool) {
	if w.next == w.end || w.pace.room(now, w.flying.blocks) == 0 {
		return 0, 0, false
	}
	sector = w.next * blockSectors
	w.flying.add(w.next, w.next+1)
	w.next++
	w.pace.spent(1)
	return sector, w.Size(sector), true
}

// Size is the bytes of the block of a sector that Next gave.
func (w *Walk) Size(sector uint64) uint32 {
	return uint32(min(blockSectors, w.sectors-sector)) * sectorSize
}

// Ahead is the range of sectors that Next gives next; an empty one if there is
// none.
func (w *Walk) Ahead() (start, end uint64) {
	if w.next == w.end {
		return 0, 0
	}
	start = w.next * blockSectors
	return start, min(start+blockSectors, w.sectors)
}

// Deadline is when Next may find something without any other event.
func (w *Walk) Deadline() time.Duration {
	if w.next == w.end {
		return Never
	}
	return w.pace.deadline()
}

// Asked tells whether the block of a sector was asked for and is not checked.
func (w *Walk) Asked(sector uint64) bool {
	in, _ := w.flying.until(sector / blockSectors)
	return in
}

// Touches tells whether a block of a range of sectors was asked for and is not
// checked.
func (w *Walk) Touches(start, end uint64) bool {
	in, until := w.flying.until(start / blockSectors)
	return in || until < (end+blockSectors-1)/blockSectors
}

// Waits tells whether a block was asked for and is not checked.
func (w *Walk) Waits() bool { return w.flying.blocks > 0 }

// Checked notes that the block of a sector is through.
func (w *Walk) Checked(now time.Duration, sector uint64) {
	w.pace.advance(now, w.flying.blocks)
	block := sector / blockSectors
	w.pace.came(w.flying.remove(block, block+1))
}

// Stop asks for no more blocks; what was asked for is still awaited.
func (w *Walk) Stop() { w.end = w.next }

// Done tells whether all blocks are checked.
func (w *Walk) Done() bool { return w.next == w.end && w.flying.blocks == 0 }

// Left is the blocks that are not checked.
func (w *Walk) Left() uint64 { return w.end - w.next + w.flying.blocks }

// Reached is the first sector that is not checked: where a walk that breaks
// off goes on.
func (w *Walk) Reached() uint64 {
	if len(w.flying.list) > 0 {
		return w.flying.list[0].first * blockSectors
	}
	return w.next * blockSectors
}
