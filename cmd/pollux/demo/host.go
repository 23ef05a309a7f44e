package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// host is one of the two nodes: a directory and a process.
type host struct {
	demo          *demo
	name, address string
	dir, disk     string

	mu      sync.Mutex
	daemon  *exec.Cmd
	ended   chan struct{}
	control *control.Client
}

func (d *demo) host(name, address string) *host {
	dir := filepath.Join(d.dir, name)
	return &host{demo: d, name: name, address: address, dir: dir, disk: filepath.Join(dir, "disk.img")}
}

func (h *host) runDir() string   { return filepath.Join(h.dir, "run") }
func (h *host) etc() string      { return filepath.Join(h.dir, "etc") }
func (h *host) stateDir() string { return filepath.Join(h.dir, "state") }

// start runs the daemon until it answers.
func (h *host) start(ctx context.Context) error {
	logFile, err := os.OpenFile(filepath.Join(h.dir, "polluxd.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	cmd := exec.Command(h.demo.daemon, "--config-dir", h.etc(), "--node", h.name,
		"--state-dir", h.stateDir(), "--run-dir", h.runDir(), "--agents", h.demo.agents(),
		"--bind", h.address, "--frontend", string(node.FrontendSocket))
	cmd.Stderr = logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its end is what counts; the log says why
	}()
	h.mu.Lock()
	h.daemon, h.ended, h.control = cmd, ended, nil
	h.mu.Unlock()
	h.demo.say("%s: polluxd started on %s", h.name, h.address)
	err = wait(ctx, h.name+" answers", func() bool {
		client, err := control.Dial(filepath.Join(h.runDir(), "control.sock"))
		if err != nil {
			return false
		}
		h.mu.Lock()
		h.control = client
		h.mu.Unlock()
		_, err = h.status(ctx)
		return err == nil || isClosed(ended)
	})
	if err != nil {
		return err
	}
	if isClosed(ended) {
		return fmt.Errorf("%s: polluxd ended, see %s", h.name, logFile.Name())
	}
	go h.follow(ctx)
	return nil
}

// follow prints what the daemon does, as it happens.
func (h *host) follow(ctx context.Context) {
	// The stream ends with the daemon, which is told of elsewhere.
	_ = h.client().Events(ctx, func(line json.RawMessage) {
		var e node.Event
		if json.Unmarshal(line, &e) == nil {
			h.demo.say("%s: %s", h.name, strings.TrimSpace(e.Resource+" "+e.Text))
		}
	})
}

func (h *host) client() *control.Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.control
}

func (h *host) status(ctx context.Context) (*node.Status, error) {
	client := h.client()
	if client == nil {
		return nil, errors.New("not started")
	}
	var s node.Status
	if err := client.Status(ctx, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

func (h *host) order(ctx context.Context, o control.Order) error {
	a, err := h.client().Order(ctx, o)
	if err == nil && !a.OK {
		err = errors.New(a.Text)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", h.name, o.Order, err)
	}
	return nil
}

// kill is a power cut for the node's processes.
func (h *host) kill() {
	h.mu.Lock()
	cmd, ended := h.daemon, h.ended
	h.daemon, h.control = nil, nil
	h.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill() // it may have ended already
		<-ended
	}
	h.killGuest(syscall.SIGKILL)
	_ = os.Remove(filepath.Join(h.dir, "vg-vg.active")) // there is none unless the group ran here
}

// killGuest sends a signal to the guest, if one runs here.
func (h *host) killGuest(signal syscall.Signal) {
	if pid, err := h.guest(); err == nil {
		_ = syscall.Kill(pid, signal) // it may have ended already
	}
}

// terminate asks the daemon to end, and waits for it.
func (h *host) terminate(ctx context.Context) error {
	h.mu.Lock()
	cmd, ended := h.daemon, h.ended
	h.daemon, h.control = nil, nil
	h.mu.Unlock()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s: polluxd ended with status %d, see its log", h.name, code)
	}
	return nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// poll is how often a condition is looked at.
const poll = 50 * time.Millisecond

// wait looks until the condition holds.
func wait(ctx context.Context, what string, holds func() bool) error {
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// until waits until the states of both nodes fulfil the condition, and shows
// the progress of a resync meanwhile. The state of a dead node is nil.
func (d *demo) until(ctx context.Context, what string, holds func(a, b *node.Status) bool) error {
	shown := time.Now()
	return wait(ctx, what, func() bool {
		a, _ := d.a.status(ctx)
		b, _ := d.b.status(ctx)
		for _, s := range []*node.Status{a, b} {
			if s == nil || len(s.Resources) == 0 || s.Resources[0].Connection != "SyncTarget" {
				continue
			}
			if r := s.Resources[0].Resync; r != nil && time.Since(shown) > 2*time.Second {
				shown = time.Now()
				d.say("%s: resync %.1f %%, %d KiB/s, %d s left", s.Node, r.PercentDone, r.KiBPerSecond, r.ETASeconds)
			}
		}
		return holds(a, b)
	})
}
