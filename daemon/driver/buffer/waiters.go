package buffer

import "github.com/optionc/pollux/daemon/core/replica"

// A waiter is one caller of Get for whom there was no room.
type waiter struct {
	order   uint8
	n       int
	granted chan replica.Buf // holds one: the grant, or zero after Close
	next    *waiter
}

// waiters is the queue of those who wait, and the waiters of before for reuse:
// a daemon that runs at its limit must not allocate for each request either.
type waiters struct {
	head, tail *waiter
	spare      *waiter
}

func (q *waiters) empty() bool    { return q.head == nil }
func (q *waiters) first() *waiter { return q.head }

func (q *waiters) push(order uint8, n int) *waiter {
	w := q.spare
	if w == nil {
		w = &waiter{granted: make(chan replica.Buf, 1)}
	} else {
		q.spare = w.next
	}
	w.order, w.n, w.next = order, n, nil
	if q.head == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	return w
}

// pop removes the first one; nil if nobody waits.
func (q *waiters) pop() *waiter {
	w := q.head
	if w != nil {
		q.head = w.next
	}
	return w
}

// remove says whether w was still in the queue.
func (q *waiters) remove(w *waiter) bool {
	var before *waiter
	for at := q.head; at != nil; before, at = at, at.next {
		if at != w {
			continue
		}
		if before == nil {
			q.head = w.next
		} else {
			before.next = w.next
		}
		if q.tail == w {
			q.tail = before
		}
		return true
	}
	return false
}

func (q *waiters) recycle(w *waiter) {
	w.next = q.spare
	q.spare = w
}
