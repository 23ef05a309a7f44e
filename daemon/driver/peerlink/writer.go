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
	"github.com/optionc/pollux/daemon/driver/gather"
)

// errNoProgress is why a link ends whose peer takes nothing any more.
var errNoProgress = errors.New("the peer took nothing for the send timeout")

// keepBytes bounds the memory for copied data that is kept for the next batch.
const keepBytes = 1 << 20

// largeBytes is how much is too much for flush to write: copying it into the
// socket would keep the caller for long.
const largeBytes = 256 << 10

// A writer writes what is queued for one socket. What a flush finds queued it
// writes itself, if the socket takes it at once and nobody else writes. The
// rest is for run; while that writes, more is queued, and goes with the next
// system call.
type writer struct {
	tcp     *net.TCPConn
	pool    *buffer.Pool
	timeout time.Duration
	// wake holds one token while there may be something for run to do.
	wake chan struct{}

	// Of the one who writes: the batch, its parts that are left, how many bytes
	// are not.
	work    batch
	memory  net.Buffers
	vectors net.Buffers
	written int
	now     *gather.Writer

	mu      sync.Mutex
	next    batch
	busy    bool // somebody writes
	left    bool // that is run, who has to finish what flush began
	ended   bool
	gone    bool // run has returned
	pending int  // bytes that are queued or being written
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
	return &writer{tcp: tcp, pool: pool, timeout: timeout, wake: make(chan struct{}, 1), now: gather.New(tcp)}
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
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// flush writes what is queued, or lets run do it. ranEmpty is called if that
// was all.
func (w *writer) flush(ranEmpty func()) {
	w.mu.Lock()
	mine := w.begin(w.now != nil && !w.ended && w.pending <= largeBytes)
	w.mu.Unlock()
	if !mine {
		return
	}
	w.vectors = w.now.Write(w.vectors)
	if len(w.vectors) > 0 && w.leave() {
		return
	}
	if w.finish() {
		ranEmpty()
	}
}

// begin makes the caller the one who writes, with all that is queued, if he
// may; else it is run's. It needs mu.
func (w *writer) begin(may bool) bool {
	if w.busy || w.next.empty() {
		return false // who writes looks again
	}
	if !may {
		w.nudge()
		return false
	}
	if cap(w.work.bytes) > keepBytes {
		w.work.bytes = nil
	}
	w.busy = true
	w.work, w.next = w.next, batch{bytes: w.work.bytes[:0], pieces: w.work.pieces[:0]}
	w.memory = w.work.vectors(w.memory[:0], w.pool)
	w.vectors, w.written = w.memory, w.work.size()
	return true
}

// leave leaves what flush could not write to run, if that still runs.
func (w *writer) leave() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return false
	}
	w.left = true
	w.nudge()
	return true
}

// finish ends the batch that was written, and says whether that was all.
func (w *writer) finish() (empty bool) {
	for _, p := range w.work.pieces {
		w.pool.Release(p.buf)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	w.pending -= w.written
	if w.ended || !w.next.empty() {
		w.nudge()
	}
	return w.pending == 0
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

// mine tells whether there is something for run to write.
func (w *writer) mine() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left {
		w.left = false
		return true
	}
	return w.begin(true)
}

// over tells whether run has written the last.
func (w *writer) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended && !w.busy && w.next.empty()
}

// run writes until it fails or end was called. ranEmpty is called whenever all
// that was queued is written.
func (w *writer) run(ctx context.Context, ranEmpty func()) error {
	defer w.discard()
	for {
		<-w.wake
		for w.mine() {
			err := w.write(ctx)
			empty := w.finish()
			if err != nil {
				return err
			}
			if empty {
				ranEmpty()
			}
		}
		if w.over() {
			return nil
		}
	}
}

// discard gives back what will never be written.
func (w *writer) discard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended, w.gone = true, true
	for _, p := range w.next.pieces {
		w.pool.Release(p.buf)
	}
	w.next, w.pending = batch{}, 0
}

func (b batch) empty() bool { return len(b.bytes) == 0 && len(b.pieces) == 0 }

// size is in bytes.
func (b batch) size() int {
	n := len(b.bytes)
	for _, p := range b.pieces {
		n += int(p.size)
	}
	return n
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
func (w *writer) write(ctx context.Context) error {
	for len(w.vectors) > 0 {
		if err := w.arm(ctx); err != nil {
			return err
		}
		n, err := w.vectors.WriteTo(w.tcp)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && n > 0 && ctx.Err() == nil:
			// Slow is not stuck.
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return fmt.Errorf("%w of %s", errNoProgress, w.timeout)
		default:
			return err
		}
	}
	return nil
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
