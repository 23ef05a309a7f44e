package export

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// ErrDrained is why a connection ended that was drained: every request that
// was read is answered, and the next one is still in the socket.
var ErrDrained = errors.New("it was drained")

// edge reads a socket, and can be stopped between two requests: from then on
// it reads no byte beyond the request that is half read.
type edge struct {
	socket   net.Conn
	paused   func()
	draining atomic.Bool
	// The rest is the reader's alone: what is missing of the request that is
	// being read, in bytes, and whether nothing of it has come yet.
	missing int
	between bool
}

// begin starts the next request, of which that many bytes or more are read.
func (e *edge) begin(buffered int) {
	e.between = buffered == 0
	e.want(nbd.RequestSize - buffered)
}

// want says how many bytes are missing.
func (e *edge) want(n int) { e.missing = n }

// Read is for the buffer above.
func (e *edge) Read(p []byte) (int, error) {
	e.paused()
	for {
		if e.draining.Load() {
			if e.between {
				return 0, ErrDrained
			}
			p = p[:min(len(p), max(1, e.missing))]
		}
		n, err := e.socket.Read(p)
		if n > 0 {
			e.missing -= n
			e.between = false
			return n, err
		}
		if !e.draining.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		// Drain woke this goroutine up.
		if err := e.socket.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
}

// drain makes Read return ErrDrained at the next edge.
func (e *edge) drain() {
	e.draining.Store(true)
	_ = e.socket.SetReadDeadline(time.Unix(1, 0)) // fails on a closed socket, which is drained too
}
