package node

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/optionc/pollux/daemon/core/machine"
)

// crowded is how many inputs may wait before the network has to. What disks,
// programs and users put is bounded by what they may have under way.
const crowded = 1024

// inbox is where drivers put what happened, for whoever has the turn to take.
type inbox struct {
	mu     sync.Mutex
	next   batch
	signal chan struct{} // holds a token while there may be inputs for loop
	room   chan struct{} // holds one while it may be crowded no more
	any    atomic.Bool   // there are inputs
}

// batch is what is taken at once.
type batch struct {
	inputs []machine.Input
	bytes  []byte // of their packets
}

func newInbox() *inbox {
	return &inbox{signal: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put never waits. Loop takes it.
func (b *inbox) put(in machine.Input) {
	b.add(in)
	nudge(b.signal)
}

// add is put for who takes the turn himself afterwards.
func (b *inbox) add(in machine.Input) {
	b.mu.Lock()
	b.next.inputs = append(b.next.inputs, in)
	b.any.Store(true)
	b.mu.Unlock()
}

// offer is put for what may be lost: it says whether there was room.
func (b *inbox) offer(in machine.Input) bool {
	taken := b.addIfRoom(in)
	if taken {
		nudge(b.signal)
	}
	return taken
}

func (b *inbox) addIfRoom(in machine.Input) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.next.inputs) >= crowded {
		return false
	}
	if data := in.Replica.Data; data != nil {
		start := len(b.next.bytes)
		b.next.bytes = append(b.next.bytes, data...)
		in.Replica.Data = b.next.bytes[start:]
	}
	b.next.inputs = append(b.next.inputs, in)
	b.any.Store(true)
	return true
}

// addSlowly is add that copies the data of a packet and waits for room; it
// gives up, with false, when ctx ends.
func (b *inbox) addSlowly(ctx context.Context, in machine.Input) bool {
	waited := false
	for !b.addIfRoom(in) {
		waited = true
		nudge(b.signal)
		select {
		case <-b.room:
		case <-ctx.Done():
			return false
		}
	}
	if waited {
		nudge(b.room) // for whoever else waits
	}
	return true
}

// waiting tells whether there is something to take.
func (b *inbox) waiting() bool { return b.any.Load() }

// take gives everything in the inbox, in order, for the memory of the last
// take.
func (b *inbox) take(empty batch) batch {
	b.mu.Lock()
	taken := b.next
	b.next = batch{inputs: empty.inputs[:0], bytes: empty.bytes[:0]}
	b.any.Store(false)
	b.mu.Unlock()
	if len(taken.inputs) >= crowded {
		nudge(b.room)
	}
	return taken
}

func nudge(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
