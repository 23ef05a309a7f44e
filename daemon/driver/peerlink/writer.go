package peerlink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
)

// errNoProgress is why a link ends whose peer takes nothing any more.
var errNoProgress = errors.New("the peer took nothing for the send timeout")

// keepBytes bounds the memory for copied data that is kept for the next batch.
const keepBytes = 1 << 20

// A writer writes what is queued for one socket. While it writes, more is
// queued; it then writes all of that at once, so that a busy link needs few
// system calls and an idle one waits for nothing.
type writer struct {
	tcp     *net.TCPConn
	pool    *buffer.Pool
	timeout time.Duration
	// wake holds one token while there may be something to do.
	wake chan struct{}

	// vectors is what one call writes; only run uses it.
	vectors net.Buffers

	mu      sync.Mutex
	next    batch
	ended   bool
	pending int // bytes that are queued or being written
}

// A batch is what one call writes.
type batch struct {
	// bytes are the copied data of all pieces.
	bytes  []byte
	pieces []piece
}

// A piece is copied data up to an end in batch.bytes, then a buffer.
type piece struct {
	end  int
	buf  replica.Buf
	size uint32
}

func newWriter(tcp *net.TCPConn, pool *buffer.Pool, timeout time.Duration) *writer {
	return &writer{tcp: tcp, pool: pool, timeout: timeout, wake: make(chan struct{}, 1)}
}

// queue adds data and size bytes of buf to what is written next.
func (w *writer) queue(data []byte, buf replica.Buf, size uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.next.bytes = append(w.next.bytes, data...)
	if buf != 0 && size > 0 {
		w.pool.Hold(buf)
		w.next.pieces = append(w.next.pieces, piece{end: len(w.next.bytes), buf: buf, size: size})
		w.pending += int(size)
	}
	w.pending += len(data)
	w.nudge()
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// size is the number of bytes that are not written yet.
func (w *writer) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

// end lets the writer finish what is queued, if that takes no longer than
// patience.
func (w *writer) end(patience time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	// The socket may be closed already; then writing fails by itself.
	_ = w.tcp.SetWriteDeadline(time.Now().Add(patience))
	w.nudge()
}

// take swaps what is queued for an empty batch.
func (w *writer) take(empty batch) (b batch, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, w.next = w.next, empty
	return b, w.ended
}

// wrote says that n bytes are written, and whether that was all.
func (w *writer) wrote(n int) (empty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending -= n
	return w.pending == 0
}

// run writes until it fails or end was called. ranEmpty is called whenever all
// that was queued is written.
func (w *writer) run(ctx context.Context, ranEmpty func()) error {
	var b batch
	var memory net.Buffers
	for {
		<-w.wake
		if cap(b.bytes) > keepBytes {
			b.bytes = nil
		}
		var ended bool
		b, ended = w.take(batch{bytes: b.bytes[:0], pieces: b.pieces[:0]})
		memory = b.vectors(memory[:0], w.pool)
		w.vectors = memory
		n, err := w.write(ctx)
		for _, p := range b.pieces {
			w.pool.Release(p.buf)
		}
		switch {
		case err != nil:
			w.discard()
			return err
		case n > 0 && w.wrote(n):
			ranEmpty()
		}
		if ended {
			return nil
		}
	}
}

// discard gives back what will never be written.
func (w *writer) discard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, p := range w.next.pieces {
		w.pool.Release(p.buf)
	}
	w.next, w.pending = batch{}, 0
}

// vectors adds the parts of b in their order.
func (b batch) vectors(to net.Buffers, pool *buffer.Pool) net.Buffers {
	start := 0
	for _, p := range b.pieces {
		to = append(to, b.bytes[start:p.end], pool.Bytes(p.buf)[:p.size])
		start = p.end
	}
	if start < len(b.bytes) {
		to = append(to, b.bytes[start:])
	}
	return to
}

// write writes all vectors, and uses them up. It fails when the socket takes
// nothing at all for the send timeout.
func (w *writer) write(ctx context.Context) (total int, err error) {
	for len(w.vectors) > 0 {
		if err := w.arm(ctx); err != nil {
			return total, err
		}
		n, err := w.vectors.WriteTo(w.tcp)
		total += int(n)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && n > 0 && ctx.Err() == nil:
			// Slow is not stuck.
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return total, fmt.Errorf("%w of %s", errNoProgress, w.timeout)
		default:
			return total, err
		}
	}
	return total, nil
}

// arm sets the time of the next call, unless end has set the last one.
func (w *writer) arm(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || w.timeout <= 0 || ctx.Err() != nil {
		return nil
	}
	return w.tcp.SetWriteDeadline(time.Now().Add(w.timeout))
}
