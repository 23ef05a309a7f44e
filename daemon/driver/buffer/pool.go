// Package buffer keeps the payloads of all requests: page-aligned memory
// outside the Go heap, of a size that is fixed when the daemon starts. A disk
// opened with O_DIRECT reads and writes it without a copy, the garbage
// collector never looks at it, and a flood of requests waits instead of
// growing the daemon.
//
// A buffer is known by its handle, replica.Buf, which is what the cores pass
// around. It is counted: Get hands out the first reference, Hold makes another,
// and the last Release gives the memory back. A handle that is used after that
// is a bug that would mix up two guests' data; it panics.
package buffer

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
)

// The size classes are the powers of two from MinSize to MaxSize, in bytes.
const (
	MinSize = 4 << 10
	MaxSize = 1 << 20
)

// A handle is the number of the buffer's first page, plus one, in the lower
// bits, and above it a generation that changes with each use of that page, so
// that a stale handle is noticed.
const (
	pageBits   = 20
	pageMask   = 1<<pageBits - 1
	genMask    = 1<<(32-pageBits) - 1
	limitBytes = (pageMask / topPages) * MaxSize
)

// ErrClosed is returned by GetContext once the pool is closed.
var ErrClosed = errors.New("the buffer pool is closed")

// Pool is a fixed amount of memory that is handed out in pieces. All methods
// may be called from any goroutine.
type Pool struct {
	memory []byte
	// state of the buffer that starts at a page: generation << 32 | references.
	state []atomic.Uint64
	// asked is the length in bytes that Get was called with, by first page.
	// Written before the handle exists and constant while it does.
	asked []uint32

	mu      sync.Mutex
	pages   buddies
	waiting waiters
	buffers int
	bytes   int
	closed  bool
}

// NewPool reserves limit bytes, rounded down to whole MaxSize; at least
// MaxSize and below 4 GiB. Memory is taken from the kernel at first use,
// unless the process has locked its future mappings.
func NewPool(limit int) (*Pool, error) {
	if limit < MaxSize || limit > limitBytes {
		return nil, fmt.Errorf("buffer pool of %d bytes, want %d to %d", limit, MaxSize, limitBytes)
	}
	limit -= limit % MaxSize
	memory, err := unix.Mmap(-1, 0, limit, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("buffer pool of %d bytes: mmap: %w", limit, err)
	}
	n := limit / MinSize
	return &Pool{
		memory: memory,
		state:  make([]atomic.Uint64, n),
		asked:  make([]uint32, n),
		pages:  newBuddies(n),
	}, nil
}

// Get hands out a buffer of n bytes, 1 to MaxSize, with one reference. Its
// content is whatever was there before. It waits, first come first served,
// while the pool has no room; after Close it returns zero.
func (p *Pool) Get(n int) replica.Buf {
	b, w := p.get(n)
	if w == nil {
		return b
	}
	b = <-w.granted
	p.forget(w)
	return b
}

// TryGet is Get for callers that must not wait: it returns zero where Get
// would wait.
func (p *Pool) TryGet(n int) replica.Buf {
	order := orderOf(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.waiting.empty() {
		return 0
	}
	return p.take(order, n)
}

// GetContext is Get that stops waiting when ctx is done. It fails with the
// cause of ctx, or with ErrClosed.
func (p *Pool) GetContext(ctx context.Context, n int) (replica.Buf, error) {
	b, w := p.get(n)
	if w != nil {
		select {
		case b = <-w.granted:
		case <-ctx.Done():
			p.giveUp(w)
			return 0, fmt.Errorf("waiting for a buffer of %d bytes: %w", n, context.Cause(ctx))
		}
		p.forget(w)
	}
	if b == 0 {
		return 0, ErrClosed
	}
	return b, nil
}

// Bytes is the memory of b, of the length that it was asked for. It must not
// be used after b's last Release.
func (p *Pool) Bytes(b replica.Buf) []byte {
	page, gen := p.split(b)
	if s := p.state[page].Load(); s>>32 != gen || uint32(s) == 0 {
		panic(stale("Bytes", b))
	}
	start := int(page) * MinSize
	n := int(p.asked[page])
	return p.memory[start : start+n : start+n]
}

// Hold adds a reference to b; the caller must have one, or be lent one.
func (p *Pool) Hold(b replica.Buf) {
	page, gen := p.split(b)
	for {
		s := p.state[page].Load()
		if s>>32 != gen || uint32(s) == 0 {
			panic(stale("Hold", b))
		}
		if p.state[page].CompareAndSwap(s, s+1) {
			return
		}
	}
}

// Release gives back one reference to b; the last one frees it. It panics if
// there was none left.
func (p *Pool) Release(b replica.Buf) {
	page, gen := p.split(b)
	for {
		s := p.state[page].Load()
		if s>>32 != gen || uint32(s) == 0 {
			panic(stale("Release", b))
		}
		next := s - 1
		if uint32(next) == 0 {
			next = (gen + 1) & genMask << 32
		}
		if p.state[page].CompareAndSwap(s, next) {
			if uint32(next) == 0 {
				p.free(page)
			}
			return
		}
	}
}

// InUse says how many buffers are handed out and how much of the memory they
// take: the sum of their size classes.
func (p *Pool) InUse() (buffers, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffers, p.bytes
}

// Close ends all waiting and refuses every further Get. Buffers that are in
// use stay good until their Release; the memory goes with the last of them.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for w := p.waiting.pop(); w != nil; w = p.waiting.pop() {
		w.granted <- 0
	}
	p.unmapIfIdle()
}

// get takes a buffer, or says what to wait on. Both are zero after Close.
func (p *Pool) get(n int) (replica.Buf, *waiter) {
	order := orderOf(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, nil
	}
	if p.waiting.empty() {
		if b := p.take(order, n); b != 0 {
			return b, nil
		}
	}
	return 0, p.waiting.push(order, n)
}

// forget makes w, which was granted, available for the next one who waits.
func (p *Pool) forget(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting.recycle(w)
}

// giveUp takes w out of the queue. A grant that crossed with it is given back.
func (p *Pool) giveUp(w *waiter) {
	p.mu.Lock()
	queued := p.waiting.remove(w)
	if queued {
		p.serve() // those behind w may want less
		p.waiting.recycle(w)
	}
	p.mu.Unlock()
	if queued {
		return
	}
	if b := <-w.granted; b != 0 {
		p.Release(b)
	}
	p.forget(w)
}

// take needs mu. It returns zero if there is no room.
func (p *Pool) take(order uint8, n int) replica.Buf {
	page, ok := p.pages.take(order)
	if !ok {
		return 0
	}
	p.buffers++
	p.bytes += MinSize << order
	p.asked[page] = uint32(n)
	gen := p.state[page].Load() >> 32
	p.state[page].Store(gen<<32 | 1)
	return replica.Buf(uint32(gen)<<pageBits | (page + 1))
}

// free gives back the pages of a buffer without references.
func (p *Pool) free(page uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	order := orderOf(int(p.asked[page]))
	p.buffers--
	p.bytes -= MinSize << order
	p.pages.give(page, order)
	p.serve()
	if p.closed {
		p.unmapIfIdle()
	}
}

// serve grants what those at the head of the queue want, while there is room.
// It needs mu.
func (p *Pool) serve() {
	for w := p.waiting.first(); w != nil; w = p.waiting.first() {
		b := p.take(w.order, w.n)
		if b == 0 {
			return
		}
		p.waiting.pop()
		w.granted <- b // has room for one: never blocks
	}
}

// unmapIfIdle needs mu and closed.
func (p *Pool) unmapIfIdle() {
	if p.buffers == 0 && p.memory != nil {
		if err := unix.Munmap(p.memory); err != nil {
			panic(fmt.Sprintf("buffer: munmap of the pool: %v", err))
		}
		p.memory = nil
	}
}

// split takes a handle apart. Handles of other pools and of nobody panic.
func (p *Pool) split(b replica.Buf) (page uint32, gen uint64) {
	page = uint32(b)&pageMask - 1
	if b == 0 || int(page) >= len(p.state) {
		panic(fmt.Sprintf("buffer: %#x is no buffer of this pool", uint32(b)))
	}
	return page, uint64(b >> pageBits)
}

// orderOf is the size class of n bytes: the class has MinSize << order bytes.
func orderOf(n int) uint8 {
	if n < 1 || n > MaxSize {
		panic(fmt.Sprintf("buffer: Get of %d bytes, want 1 to %d", n, MaxSize))
	}
	return uint8(bits.Len(uint((n - 1) / MinSize)))
}

func stale(what string, b replica.Buf) string {
	return fmt.Sprintf("buffer: %s of %#x, which was released", what, uint32(b))
}
