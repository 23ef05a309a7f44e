package backing

import (
	"sync"

	"github.com/optionc/pollux/daemon/core/replica"
)

const defaultWorkers = 32

// An operation is what a worker carries out.
type operation struct {
	op     replica.Op
	meta   bool
	fua    bool
	offset int64 // bytes
	size   int64 // bytes
	data   []byte
	bounce replica.Buf // of Disk.small, if data is one
	done   func(error)
	next   *operation
}

func (o *operation) name() string {
	name := [...]string{
		replica.OpRead: "read", replica.OpWrite: "write", replica.OpFlush: "flush",
		replica.OpTrim: "trim", replica.OpZero: "zero",
	}[o.op]
	if o.meta {
		return "metadata " + name
	}
	return name
}

// queue hands operations to workers, first come first served. Workers start
// when they are first needed and stay: a goroutine that sits in a system call
// keeps a thread, and making threads is slow.
//
// Nothing is ever carried out on the goroutine that submits it, although that
// saves a hand-over when the disk is idle: that goroutine runs the core, which
// must go on to send the same write to the peer, and must stay awake when a
// disk hangs.
type queue struct {
	run   func(*operation) error
	limit int

	mu         sync.Mutex
	work       sync.Cond
	head, tail *operation
	spare      *operation
	workers    int
	idle       int
	waking     bool // an idle one was woken and is on its way
	closed     bool
	running    sync.WaitGroup
}

func (q *queue) start(workers int, run func(*operation) error) {
	if workers == 0 {
		workers = defaultWorkers
	}
	q.limit, q.run = workers, run
	q.work.L = &q.mu
}

// add says false after close. It never waits: the number of operations is
// bounded by who submits them, since each one holds a payload of a bounded pool.
func (q *queue) add(o operation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	p := q.spare
	if p == nil {
		p = new(operation)
	} else {
		q.spare = p.next
	}
	*p = o
	if q.head == nil {
		q.head = p
	} else {
		q.tail.next = p
	}
	q.tail = p
	q.wake()
	return true
}

// wake sees to it that somebody takes what is queued. Idle workers are woken
// one after the other, each by the one before: what is done in no time then
// wakes few of them. It needs mu.
func (q *queue) wake() {
	switch {
	case q.waking:
	case q.idle > 0:
		q.waking = true
		q.work.Signal()
	case q.workers < q.limit:
		q.workers++
		q.running.Go(q.serve)
	}
}

func (q *queue) serve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.head == nil {
			if q.closed {
				return
			}
			q.idle++
			q.work.Wait()
			q.idle--
			q.waking = false
		}
		o := q.head
		q.head = o.next
		if q.head != nil {
			q.wake()
		}
		q.mu.Unlock()
		done, err := o.done, q.run(o)
		q.recycle(o)
		done(err)
		q.mu.Lock()
	}
}

func (q *queue) recycle(o *operation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*o = operation{next: q.spare}
	q.spare = o
}

// close lets the workers finish what is queued and waits for them.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.work.Broadcast()
	q.mu.Unlock()
	q.running.Wait()
}
