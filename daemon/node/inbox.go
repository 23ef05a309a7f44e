package node

import (
	"sync"

	"github.com/optionc/pollux/daemon/core/machine"
)

// inbox is where drivers put what happened. Putting never waits: what is in it
// is bounded by what the drivers may have under way.
type inbox struct {
	mu     sync.Mutex
	list   []machine.Input
	signal chan struct{}
}

func newInbox() *inbox { return &inbox{signal: make(chan struct{}, 1)} }

func (b *inbox) put(in machine.Input) {
	b.mu.Lock()
	b.list = append(b.list, in)
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// take gives everything in the inbox, in order, for the slice of the last
// take.
func (b *inbox) take(empty []machine.Input) []machine.Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = empty[:0]
	return list
}
