package resync

import "time"

// Walk decides which block a verify asks for next, and when: each block once, at
// the pace of a resync. The first one names where the walk begins. After that, a
// block that users are just writing to is put off. With protocol A thousands of blocks
// may be on their way to a slow peer, and each may take long.
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
	later     spans  // put off
	look      uint64 // the block of these that is looked at next
	begun     bool   // a block was asked for
	skipped   uint64 // the first block that Stop has left out; 0 is none
}

// looks bounds how many blocks one call of Next finds busy: each may cost a look at
// thousands of writes.
const looks = 8

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
// the end of the device. Busy tells whether users are writing to a range of sectors.
// Not ok means nothing until the next event or Deadline.
func (w *Walk) Next(now time.Duration, busy func(start, end uint64) bool) (sector uint64, size uint32, ok bool) {
	if w.pace.room(now, w.flying.blocks) == 0 {
		return 0, 0, false
	}
	for i := range looks {
		block, left := w.candidate(i == 0)
		if !left {
			break
		}
		sector = block * blockSectors
		if !busy(sector, sector+uint64(w.Size(sector))/sectorSize) {
			w.ask(block)
			return sector, w.Size(sector), true
		}
		if !w.begun {
			break
		}
		w.putOff(block)
	}
	return 0, 0, false
}

// candidate is the block that is looked at next: at first the one that users wait for,
// see Ahead; when all others were looked at, those that were put off, one after the other.
func (w *Walk) candidate(first bool) (block uint64, ok bool) {
	switch {
	case w.later.blocks > 0 && first:
		return w.later.list[0].first, true
	case w.next < w.end:
		return w.next, true
	case w.later.blocks == 0:
		return 0, false
	}
	in, until := w.later.until(w.look)
	switch {
	case in:
		return w.look, true
	case until == ^uint64(0):
		return w.later.list[0].first, true // from the front again
	default:
		return until, true
	}
}

func (w *Walk) ask(block uint64) {
	w.begun = true
	w.flying.add(block, block+1)
	w.pass(block)
	w.pace.spent(1)
}

func (w *Walk) putOff(block uint64) {
	w.pass(block)
	w.later.add(block, block+1)
}

// pass goes on behind a block that was looked at.
func (w *Walk) pass(block uint64) {
	switch {
	case block >= w.next:
		w.next++
	case w.next == w.end:
		w.look = block + 1
	}
	w.later.remove(block, block+1)
}

// Size is the bytes of the block of a sector that Next gave.
func (w *Walk) Size(sector uint64) uint32 {
	return uint32(min(blockSectors, w.sectors-sector)) * sectorSize
}

// Ahead is the range of sectors that users must not write to, or it would never be its
// turn: the first block that was put off, or else the next one; an empty one if there is
// none.
func (w *Walk) Ahead() (start, end uint64) {
	block := w.next
	switch {
	case w.later.blocks > 0:
		block = w.later.list[0].first
	case w.next == w.end:
		return 0, 0
	}
	start = block * blockSectors
	return start, min(start+blockSectors, w.sectors)
}

// Deadline is when Next may find something without any other event.
func (w *Walk) Deadline() time.Duration {
	if w.next == w.end && w.later.blocks == 0 {
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
func (w *Walk) Stop() {
	if w.later.blocks > 0 {
		w.skipped = w.later.list[0].first
	}
	w.later, w.end = spans{}, w.next
}

// Done tells whether all blocks are checked.
func (w *Walk) Done() bool { return w.Left() == 0 }

// Left is the blocks that are not checked.
func (w *Walk) Left() uint64 { return w.end - w.next + w.later.blocks + w.flying.blocks }

// Reached is the first sector that is not checked: where a walk that breaks
// off goes on.
func (w *Walk) Reached() uint64 {
	first := w.next
	for _, list := range [][]span{w.later.list, w.flying.list} {
		if len(list) > 0 {
			first = min(first, list[0].first)
		}
	}
	if w.skipped > 0 {
		first = min(first, w.skipped)
	}
	return first * blockSectors
}
