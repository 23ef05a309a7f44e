package node

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// historyFile has the decisions of the failover core, and what the watchdog does,
// a line each, over all runs of the daemon; maxHistory is its size in bytes at which the older half
// goes.
const (
	historyFile = "history"
	maxHistory  = 1 << 20
)

// history is kept by a goroutine of its own: who has the turn waits for no disk.
type history struct {
	path string
	mu   sync.Mutex
	wait []string
	busy bool
	done sync.WaitGroup
}

func newHistory(path string) *history { return &history{path: path} }

// note writes a line soon.
func (h *history) note(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := strings.ReplaceAll(text, "\n", " ")
	h.wait = append(h.wait, time.Now().UTC().Format(time.RFC3339Nano)+" "+line+"\n")
	if !h.busy {
		h.busy = true
		h.done.Go(h.write)
	}
}

func (h *history) write() {
	for {
		h.mu.Lock()
		lines := h.wait
		h.wait = nil
		h.busy = len(lines) > 0
		h.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		// A history that can't be written stops nothing; reading it says why.
		_ = h.append(strings.Join(lines, ""))
	}
}

func (h *history) append(text string) error {
	old, err := os.ReadFile(h.path)
	if err == nil && len(old)+len(text) > maxHistory {
		keep := string(old[len(old)/2:])
		_, keep, _ = strings.Cut(keep, "\n")
		return writeDurably(h.path, []byte(keep+text))
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync() // or a reset takes with it why there was one
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// read is everything that is kept, oldest first.
func (h *history) read() (string, error) {
	h.done.Wait()
	text, err := os.ReadFile(h.path)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("history of this node: %w", err)
	}
	return string(text), nil
}
