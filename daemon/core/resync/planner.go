package resync

import "time"

const (
	mergeBlocks    = 4096    // no request crosses a border of 16 MiB
	defaultRequest = 1 << 20 // bytes
)

// Planner decides what a resync target requests from its peer, and when. It
// walks over the bitmap in ascending order, round and round until nothing is
// left, and never requests a block that is already on its way.
//
// The caller calls Next until it says no, after every event and at Deadline,
// and tells how each request ended: Received, Failed, or Retry.
//
// A request covers adjacent blocks out of sync. It has up to 2^k blocks if its
// first block is a multiple of 2^k, at most MaxRequest bytes, and stays inside
// one extent of 16 MiB and inside the device.
//
// Source: DRBD 8.4 wire, section 11; DRBD 8.4 states, section 11.1.
type Planner struct {
	pace    pace
	largest uint64 // blocks of a request

	cursor uint64 // block where the search goes on
	flying spans
	failed spans
	idle   bool // the last search found nothing to request
}

// NewPlanner makes a planner that has nothing to do until Start.
func NewPlanner(params Params) *Planner {
	p := &Planner{pace: newPace(params), idle: true}
	if params.MaxRequest == 0 {
		params.MaxRequest = defaultRequest
	}
	p.largest = max(uint64(params.MaxRequest)/BlockSize, 1)
	return p
}

// Adjust gives a running resync another pace.
func (p *Planner) Adjust(now time.Duration, params Params) {
	p.pace = newPace(params)
	p.pace.start(now)
}

// Start begins a pass over the bitmap. What was in flight or had failed before
// is forgotten. Now is the node's monotonic clock, as everywhere here.
func (p *Planner) Start(now time.Duration, bm *Bitmap) {
	p.pace.start(now)
	p.flying, p.failed = spans{}, spans{}
	p.cursor, p.idle = 0, bm.Count() == 0
}

// Deadline is when Next may find something without any other event: the next
// step of the controller, every 100 ms. It is Never without a rate, and when
// nothing is left but what is in flight or busy.
func (p *Planner) Deadline() time.Duration {
	if p.idle {
		return Never
	}
	return p.pace.deadline()
}

// Next gives the range to request now; the size is in bytes and a multiple of
// 4 KiB except at the end of the device. Ranges in flight, failed, or busy are
// left out; busy tells whether somebody writes to a range at the moment, and
// what it holds back is found again in the next round. Not ok means nothing
// until the next event or Deadline.
func (p *Planner) Next(
	now time.Duration, bm *Bitmap, busy func(sector uint64, size uint32) bool,
) (sector uint64, size uint32, ok bool) {
	room := p.pace.room(now, p.flying.blocks)
	p.idle = false
	if room == 0 {
		return 0, 0, false
	}
	first, ok := p.find(bm, busy, p.cursor, bm.bits)
	if !ok {
		first, ok = p.find(bm, busy, 0, min(p.cursor, bm.bits))
	}
	if !ok {
		p.idle = true
		return 0, 0, false
	}
	end := p.grow(bm, busy, first, room)
	p.cursor = end
	p.flying.add(first, end)
	p.pace.spent(end - first)
	sector, size = bm.extent(first, end)
	return sector, size, true
}

// Received notes that a request, or a part of one, is answered and its bits
// are cleared: the data are written, or were equal. A caller that says so
// already when the data arrive must let busy cover the write.
func (p *Planner) Received(now time.Duration, sector uint64, size uint32) {
	p.pace.advance(now, p.flying.blocks)
	p.land(sector, size)
}

// Failed notes that a request could not be served or written. Its blocks stay
// out of sync and are not requested again before the next Start.
func (p *Planner) Failed(sector uint64, size uint32) {
	p.failed.add(p.land(sector, size))
}

// Retry notes that a request was dropped without being served, so its blocks
// are requested again.
func (p *Planner) Retry(sector uint64, size uint32) { p.land(sector, size) }

// Done tells whether the pass is over: nothing is in flight, and no block is
// out of sync except those that failed. If bits are left then, the resync has
// failed in part.
func (p *Planner) Done(bm *Bitmap) bool {
	if p.flying.blocks != 0 {
		return false
	}
	if bm.Count() == 0 {
		return true
	}
	never := func(uint64, uint32) bool { return false }
	_, left := p.find(bm, never, 0, bm.bits)
	return !left
}

// Flying tells whether any block of a range has been requested and is not here yet.
func (p *Planner) Flying(sector uint64, size uint32) bool {
	flying, until := p.flying.until(sector / blockSectors)
	return flying || until <= (sector+uint64(size)/512-1)/blockSectors
}

// land takes a range out of what is in flight.
func (p *Planner) land(sector uint64, size uint32) (first, end uint64) {
	first = sector / blockSectors
	end = first + (uint64(size)+BlockSize-1)/BlockSize
	p.pace.came(p.flying.remove(first, end))
	return first, end
}

// find searches for a block that can be requested.
func (p *Planner) find(
	bm *Bitmap, busy func(sector uint64, size uint32) bool, from, end uint64,
) (block uint64, ok bool) {
	for {
		block, ok = bm.NextSet(from)
		if !ok || block >= end {
			return 0, false
		}
		if taken, until := p.taken(block); taken {
			from = until
			continue
		}
		if !busy(bm.extent(block, block+1)) {
			return block, true
		}
		from = block + 1
	}
}

// taken tells whether a block is in flight or has failed, and up to where this
// is certain.
func (p *Planner) taken(block uint64) (taken bool, until uint64) {
	flying, until := p.flying.until(block)
	if flying {
		return true, until
	}
	failed, end := p.failed.until(block)
	if failed {
		return true, end
	}
	return false, min(until, end)
}

// grow extends a request that starts at first, and gives its end.
func (p *Planner) grow(
	bm *Bitmap, busy func(sector uint64, size uint32) bool, first, room uint64,
) (end uint64) {
	_, free := p.taken(first)
	limit := first + min(room, p.largest, mergeBlocks-first%mergeBlocks)
	if aligned := first & -first; aligned != 0 {
		limit = min(limit, first+aligned)
	}
	limit = min(limit, free, bm.bits)
	end = first + 1
	for end < limit && bm.isSet(end) {
		end++
	}
	if !busy(bm.extent(first, end)) {
		return end
	}
	limit, end = end, first+1
	for end < limit && !busy(bm.extent(end, end+1)) {
		end++
	}
	return end
}
