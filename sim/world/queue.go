package world

import "time"

// near is how far ahead most of what happens is planned.
const near = 100 * time.Millisecond

// queue is everything that is going to happen, the earliest first; what is due
// at the same time happens in the order in which it was planned.
type queue struct {
	// What is planned far ahead is kept apart: most of that are ticks that nobody
	// wants any more when their time comes, and they would be in the way.
	soon, late heap
	now        time.Duration // when the last of them happened
	seq        uint64
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

// push plans something, and gives the number by which pop names it.
func (q *queue) push(at time.Duration, do func()) (seq uint64) {
	q.seq++
	e := entry{at: at, seq: q.seq, what: q.keep(do)}
	if at < q.now+near {
		q.soon.push(e)
	} else {
		q.late.push(e)
	}
	return e.seq
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

// pop takes the earliest, and gives what is to be done then; not ok: there is
// nothing that is due until then.
func (q *queue) pop(until time.Duration) (top entry, do func(), ok bool) {
	h := &q.soon
	if len(*h) == 0 || len(q.late) > 0 && q.late[0].before((*h)[0]) {
		h = &q.late
	}
	if len(*h) == 0 || (*h)[0].at > until {
		return entry{}, nil, false
	}
	top = h.pop()
	q.now = top.at
	do = q.what[top.what]
	q.what[top.what] = nil
	q.free = append(q.free, top.what)
	return top, do, true
}

// heap has the earliest entry in front.
type heap []entry

func (all *heap) push(e entry) {
	h := append(*all, e)
	*all = h
	i := len(h) - 1
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

func (all *heap) pop() (top entry) {
	h := *all
	top = h[0]
	last := len(h) - 1
	e := h[last]
	h = h[:last]
	*all = h
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
	return top
}
