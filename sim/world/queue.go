package world

import "time"

// queue is everything that is going to happen, the earliest first; what is due
// at the same time happens in the order in which it was planned.
type queue struct {
	heap []entry
	seq  uint64
}

type entry struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (a entry) before(b entry) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

func (q *queue) push(at time.Duration, do func()) {
	q.seq++
	q.heap = append(q.heap, entry{at, q.seq, do})
	h := q.heap
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (q *queue) pop() entry {
	h := q.heap
	top := h[0]
	last := len(h) - 1
	h[0], h[last] = h[last], entry{}
	q.heap = h[:last]
	h = q.heap
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && h[down].before(h[least]) {
				least = down
			}
		}
		if least == i {
			return top
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
