package world

import "time"

// queue is everything that is going to happen, the earliest first; what is due
// at the same time happens in the order in which it was planned.
type queue struct {
	heap []entry
	seq  uint64
	// What is to be done is kept apart: entries without pointers are cheap to move.
	what []func()
	free []uint32 // places in it
}

type entry struct {
	at   time.Duration
	seq  uint64
	what uint32
}

func (a entry) before(b entry) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func (q *queue) push(at time.Duration, do func()) {
	q.seq++
	e := entry{at: at, seq: q.seq, what: q.keep(do)}
	q.heap = append(q.heap, e)
	h, i := q.heap, len(q.heap)-1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
}

func (q *queue) keep(do func()) uint32 {
	if last := len(q.free) - 1; last >= 0 {
		at := q.free[last]
		q.free = q.free[:last]
		q.what[at] = do
		return at
	}
	q.what = append(q.what, do)
	return uint32(len(q.what) - 1)
}

// pop takes the earliest, and gives what is to be done then.
func (q *queue) pop() (top entry, do func()) {
	h := q.heap
	top = h[0]
	last := len(h) - 1
	e := h[last]
	h = h[:last]
	q.heap = h
	i := 0
	for {
		least := 2*i + 1
		if least >= last {
			break
		}
		if right := least + 1; right < last && h[right].before(h[least]) {
			least = right
		}
		if !h[least].before(e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	if last > 0 {
		h[i] = e
	}
	do = q.what[top.what]
	q.what[top.what] = nil
	q.free = append(q.free, top.what)
	return top, do
}
