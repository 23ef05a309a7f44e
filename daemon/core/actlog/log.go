// Package actlog decides what the activity log on disk must say before a write
// may start, so that after a crash no block that differs from the peer's goes
// unnoticed.
//
// The log is a table of extents of 4 MiB. A write needs a reference on each
// extent that it touches, and gets it at once if the extent is active: the
// disk already says so. Other extents wait for a transaction that gives them a
// slot, free or taken from the extent that was left alone for longest.
//
//	Get true --> write locally and to the peer --> Put
//	Get false -> Next -> bitmap pages of the evicted durable -> transaction durable -> Committed -> Get again
//
// A reference lasts until the write is done on this disk and acknowledged by
// the peer's barrier, or until its bits are set out of sync in memory. So an
// extent that is evicted is equal on both nodes or marked in the bitmap, once
// its bitmap pages are durable. Source: DRBD meta-data, sections 6.1 and 7.
//
// Waiting Gets are served in their order. While one is short of a slot no
// other Get takes a reference, so that writes to busy extents cannot keep it
// waiting for ever.
package actlog

import (
	"errors"
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// ErrMisuse is the cause of every panic of this package: a Put without a Get,
// a Committed without a Next, or a range that no log of this size can hold.
var ErrMisuse = errors.New("activity log used wrongly")

// Log is the activity log of one disk, in memory. It does no I/O, and the same
// calls always give the same transactions.
type Log struct {
	stripes, stripeSize4k uint32

	slots    []slot
	slotOf   map[uint32]int // of each extent that is active or about to be
	free     int            // the slots from here on were never used
	idle     list           // active without references, the oldest first
	number   uint32         // of the next transaction
	window   int            // first slot of its context
	inFlight []drbdmeta.Update
	evicted  []uint32
	fill     uint64 // counts transactions, to tell whose slots are kept

	queue
}

// A slot holds at most one extent.
type slot struct {
	extent uint32 // that the disk knows of; drbdmeta.FreeExtent for none
	refs   int
	active bool
	kept   uint64 // the fill in which a waiting Get needs this slot
	// Neighbours in the list of idle slots.
	prev, next int
}

// New makes an empty log of that many slots (al-extents), whose blocks on disk
// hold no content. More slots than stripes of stripeSize4k blocks can serve
// are cut to drbdmeta.MaxALExtents, fewer than one to one.
// 0 stripes of 0 blocks mean 1 of 8.
func New(slots int, stripes, stripeSize4k uint32) *Log {
	l := &Log{stripes: stripes, stripeSize4k: stripeSize4k}
	l.slots = make([]slot, max(1, min(slots, drbdmeta.MaxALExtents(stripes, stripeSize4k))))
	l.Reset()
	return l
}

// Reset forgets everything, references and waiting Gets included, for a log
// that was written anew on disk. What had references must not be Put after.
func (l *Log) Reset() {
	for i := range l.slots {
		l.slots[i] = slot{extent: drbdmeta.FreeExtent}
	}
	l.slotOf = make(map[uint32]int, len(l.slots))
	l.free, l.number, l.window, l.fill = 0, 0, 0, 0
	l.idle = newList()
	l.inFlight, l.evicted = nil, nil
	l.queue = newQueue()
}

// Get takes one reference on each extent from first to last and returns true
// if all are active. Otherwise it takes nothing, remembers that the range is
// wanted and returns false: call Next, and Get again after Committed, before
// the Next that follows it. Asking twice for the same range counts once, and a
// range that nobody asks for again costs nothing but its slots.
//
// It panics if the range is empty or has more extents than the log has slots.
func (l *Log) Get(first, last uint32) bool {
	if first > last || last == drbdmeta.FreeExtent || uint64(last)-uint64(first) >= uint64(len(l.slots)) {
		panic(fmt.Errorf("actlog: Get of extents %d to %d from %d slots: %w", first, last, len(l.slots), ErrMisuse))
	}
	s := span{first, last}
	if l.short && !l.isReady(s) || !l.allActive(s) {
		l.want(s)
		return false
	}
	for extent := first; extent <= last; extent++ {
		i := l.slotOf[extent]
		if l.slots[i].refs == 0 {
			l.idle.remove(l.slots, i)
		}
		l.slots[i].refs++
	}
	return true
}

// Put gives back the references of one Get. An extent without references
// stays active until a transaction needs its slot; call Next if Gets wait.
//
// It panics if an extent has no reference.
func (l *Log) Put(first, last uint32) {
	for extent := first; extent <= last; extent++ {
		i, known := l.slotOf[extent]
		if !known || l.slots[i].refs == 0 {
			panic(fmt.Errorf("actlog: Put of extent %d, which has no reference: %w", extent, ErrMisuse))
		}
		l.slots[i].refs--
		if l.slots[i].refs == 0 {
			l.idle.push(l.slots, i)
		}
	}
}

// Active says whether writes to the extent may start without a transaction.
func (l *Log) Active(extent uint32) bool {
	i, known := l.slotOf[extent]
	return known && l.slots[i].active
}

func (l *Log) allActive(s span) bool {
	for extent := s.first; extent <= s.last; extent++ {
		if !l.Active(extent) {
			return false
		}
	}
	return true
}

// Extents appends the active extents to dst, in the order of their slots.
func (l *Log) Extents(dst []uint32) []uint32 {
	for i := range l.slots[:l.free] {
		if l.slots[i].active {
			dst = append(dst, l.slots[i].extent)
		}
	}
	return dst
}

// Slots is the size of the table.
func (l *Log) Slots() int { return len(l.slots) }

// Len is the number of slots that hold an extent or are about to.
func (l *Log) Len() int { return len(l.slotOf) }

// Used is how many extents somebody writes to.
func (l *Log) Used() int {
	n := 0
	for i := range l.slots {
		if l.slots[i].refs > 0 {
			n++
		}
	}
	return n
}
