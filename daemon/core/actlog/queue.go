package actlog

// A span is the range of extents of one Get.
type span struct{ first, last uint32 }

// A queue holds the Gets that wait, in their order. The first of them are
// served by the transaction in flight, and ready once it is committed.
type queue struct {
	spans   []span
	waits   map[span]uint64 // the ticket of each: its place, counted from the first ever
	dropped uint64          // ticket of spans[0]
	served  int
	ready   int
	short   bool // the first Get that is not served lacks a slot
}

func newQueue() queue { return queue{waits: make(map[span]uint64)} }

func (q *queue) waiting() int { return len(q.spans) }

func (q *queue) at(i int) span { return q.spans[i] }

// want appends s unless it waits already.
func (q *queue) want(s span) {
	if _, waits := q.waits[s]; waits {
		return
	}
	q.waits[s] = q.dropped + uint64(len(q.spans))
	q.spans = append(q.spans, s)
}

// isReady says whether it is the turn of s although others lack a slot.
func (q *queue) isReady(s span) bool {
	ticket, waits := q.waits[s]
	return waits && ticket-q.dropped < uint64(q.ready)
}

// dropReady forgets the Gets that had their turn.
func (q *queue) dropReady() {
	for _, s := range q.spans[:q.ready] {
		delete(q.waits, s)
	}
	q.spans = append(q.spans[:0], q.spans[q.ready:]...)
	q.dropped += uint64(q.ready)
	q.served, q.ready = 0, 0
}
