package node

import (
	"context"
	"sync"

	"github.com/optionc/pollux/daemon/core/machine"
)

// crowded is how many inputs may wait before the network has to. What disks,
// programs and users put is bounded by what they may have under way.
const crowded = 1024

// inbox is where drivers put what happened, for the loop to take.
type inbox struct {
	mu     sync.Mutex
	list   []machine.Input
	signal chan struct{} // holds a token while there may be inputs
	room   chan struct{} // holds one while it may be crowded no more
}

func newInbox() *inbox {
	return &inbox{signal: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put never waits.
func (b *inbox) put(in machine.Input) {
	b.mu.Lock()
	b.list = append(b.list, in)
	b.mu.Unlock()
	nudge(b.signal)
}

// offer is put for what may be lost: it says whether there was room.
func (b *inbox) offer(in machine.Input) bool {
	b.mu.Lock()
	taken := len(b.list) < crowded
	if taken {
		b.list = append(b.list, in)
	}
	b.mu.Unlock()
	if taken {
		nudge(b.signal)
	}
	return taken
}

// putSlowly waits for room; it gives up, with false, when ctx ends.
func (b *inbox) putSlowly(ctx context.Context, in machine.Input) bool {
	for !b.offer(in) {
		select {
		case <-b.room:
		case <-ctx.Done():
			return false
		}
	}
	nudge(b.room) // for whoever else waits
	return true
}

// take gives everything in the inbox, in order, for the slice of the last
// take.
func (b *inbox) take(empty []machine.Input) []machine.Input {
	b.mu.Lock()
	list := b.list
	b.list = empty[:0]
	b.mu.Unlock()
	nudge(b.room)
	return list
}

func nudge(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
