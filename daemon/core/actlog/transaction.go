package actlog

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdmeta"
)

// Next fills t with the transaction that the waiting Gets need, and says which
// extents lose their slots: their bitmap pages must be durable before the
// transaction is written into Block, and that before Committed. It returns
// false, t untouched, if a transaction is in flight, if nothing is wanted, or
// if no slot can be given away before a Put. So call it when a Get has returned
// false, after a Put while Gets wait, and after Committed once those that wait
// have asked again: what they do not take then may be evicted.
//
// From now on the evicted extents are not active any more, and the new ones
// not yet. Slices in t are reused; evicted is valid until the next call.
func (l *Log) Next(t *drbdmeta.Transaction) (evicted []uint32, ok bool) {
	if len(l.inFlight) > 0 {
		return nil, false
	}
	l.fill++
	l.evicted = l.evicted[:0]
	l.dropReady()
	for l.short = false; l.served < l.waiting(); l.served++ {
		if !l.serve(l.at(l.served)) {
			break
		}
	}
	if len(l.inFlight) == 0 {
		return nil, false
	}
	t.Number, t.Slots, t.ContextStart = l.number, len(l.slots), l.window
	t.Updates = append(t.Updates[:0], l.inFlight...)
	t.Context = t.Context[:0]
	// The slots still hold what the disk knows: Committed brings the new state.
	for _, s := range l.slots[l.window:min(l.window+drbdmeta.ContextSlots, len(l.slots))] {
		t.Context = append(t.Context, s.extent)
	}
	if l.window += drbdmeta.ContextSlots; l.window >= len(l.slots) {
		l.window = 0
	}
	return l.evicted, true
}

// serve gives a slot to each extent of a waiting Get that has none. It returns
// false if the transaction is full or, with l.short set, the log is.
func (l *Log) serve(s span) bool {
	// What the range has is kept before anything is evicted for the rest.
	for extent := s.first; extent <= s.last; extent++ {
		if i, known := l.slotOf[extent]; known {
			l.slots[i].kept = l.fill
		}
	}
	for extent := s.first; extent <= s.last; extent++ {
		if _, known := l.slotOf[extent]; known {
			continue
		}
		if len(l.inFlight) == drbdmeta.MaxUpdates {
			return false
		}
		i, found := l.vacate()
		if !found {
			l.short = true
			return false
		}
		l.slotOf[extent] = i
		l.slots[i].kept = l.fill
		l.inFlight = append(l.inFlight, drbdmeta.Update{Slot: uint16(i), Extent: extent})
	}
	return true
}

// vacate finds a slot to reassign: a free one, else the one that was without
// references for longest and is not kept for a Get that waits.
func (l *Log) vacate() (int, bool) {
	if l.free < len(l.slots) {
		l.free++
		return l.free - 1, true
	}
	for i := l.idle.oldest; i != none; i = l.slots[i].next {
		if l.slots[i].kept == l.fill {
			continue
		}
		l.idle.remove(l.slots, i)
		l.slots[i].active = false
		delete(l.slotOf, l.slots[i].extent)
		l.evicted = append(l.evicted, l.slots[i].extent)
		return i, true
	}
	return 0, false
}

// Block is where the transaction that Next filled belongs: the block of the
// log, counted from 0, see drbdmeta.ALBlock.
func (l *Log) Block() int64 { return drbdmeta.ALBlock(l.number, l.stripes, l.stripeSize4k) }

// Committed says that the transaction in flight is durable: the Gets that
// waited for it succeed from now until Next.
//
// It panics if no transaction is in flight.
func (l *Log) Committed() {
	if len(l.inFlight) == 0 {
		panic(fmt.Errorf("actlog: Committed without a transaction in flight: %w", ErrMisuse))
	}
	for _, u := range l.inFlight {
		s := &l.slots[u.Slot]
		s.extent, s.active = u.Extent, true
		l.idle.push(l.slots, int(u.Slot))
	}
	l.inFlight = l.inFlight[:0]
	l.number++
	l.ready = l.served
}
