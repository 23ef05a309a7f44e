package command

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// tailSize is how much of each output is kept, unless a Program says more.
const tailSize = 64 << 10

// A tail keeps the end of what is written into a pipe. It reads for as long as
// anybody holds the other end, so that a service which was started by a script
// never blocks on, or dies of, its output.
type tail struct {
	r, w *os.File
	keep int
	done chan struct{}

	mu   sync.Mutex
	data []byte
}

func newTail(keep int) (*tail, error) {
	if keep <= 0 {
		keep = tailSize
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for its output: %w", err)
	}
	return &tail{r: r, w: w, keep: keep, done: make(chan struct{})}, nil
}

// abandon closes both ends; for a program that was not started.
func (t *tail) abandon() {
	_ = t.r.Close()
	_ = t.w.Close()
}

// follow starts reading, once the program has its own copy of the other end.
func (t *tail) follow() {
	_ = t.w.Close()
	go func() {
		defer close(t.done)
		defer func() { _ = t.r.Close() }()
		chunk := make([]byte, 4096)
		for {
			n, err := t.r.Read(chunk)
			t.add(chunk[:n])
			if err != nil {
				return
			}
		}
	}()
}

func (t *tail) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	if len(t.data) > 2*t.keep {
		n := copy(t.data, t.data[len(t.data)-t.keep:])
		t.data = t.data[:n]
	}
}

// wait returns when the output has ended or ctx has.
func (t *tail) wait(ctx context.Context) {
	select {
	case <-t.done:
	case <-ctx.Done():
	}
}

// bytes copies what is kept at this moment.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.data[max(0, len(t.data)-t.keep):]...)
}
