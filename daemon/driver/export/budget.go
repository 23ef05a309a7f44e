package export

import (
	"sync"
	"sync/atomic"
)

// budget bounds the payloads that users have under way, in bytes, so that they
// leave room in the pool for what comes from the peer. Otherwise writes that
// wait for the peer could fill the pool that the peer's next packet needs.
type budget struct {
	mu   sync.Mutex
	more sync.Cond
	free int
}

func newBudget(limit int) *budget {
	b := &budget{free: limit}
	b.more.L = &b.mu
	return b
}

// tryTake is take that gives up instead of waiting.
func (b *budget) tryTake(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free < n {
		return false
	}
	b.free -= n
	return true
}

// take waits until n bytes are free; it gives up, with false, once gone is
// true. Who makes it true calls wake.
func (b *budget) take(n int, gone *atomic.Bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.free < n {
		if gone.Load() {
			return false
		}
		b.more.Wait()
	}
	b.free -= n
	return true
}

func (b *budget) give(n int) {
	b.mu.Lock()
	b.free += n
	b.mu.Unlock()
	b.more.Broadcast()
}

func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock() // so that none is between gone and Wait
	b.more.Broadcast()
}
