// Package engine runs a polluxd that is measured.
package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/optionc/pollux/daemon/driver/control"
)

// Engine is a polluxd.
type Engine struct {
	Name     string        // of its node
	Dir      string        // for its state, sockets and log
	Patience time.Duration // how long it may take for anything
	Control  *control.Client

	cmd   *exec.Cmd
	ended chan struct{}
}

// Build builds polluxd into a directory.
func Build(ctx context.Context, dir string) (polluxd string, err error) {
	polluxd = filepath.Join(dir, "polluxd")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", polluxd, "github.com/optionc/pollux/cmd/polluxd")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build polluxd: %w: %s", err, out)
	}
	return polluxd, nil
}

// Start starts the daemon with these arguments besides, and waits until it answers.
func (e *Engine) Start(ctx context.Context, polluxd string, arguments ...string) error {
	if err := os.MkdirAll(e.Dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(e.Log())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	own := []string{"--node", e.Name, "--state-dir", filepath.Join(e.Dir, "state"), "--run-dir", e.RunDir()}
	e.cmd = exec.Command(polluxd, append(own, arguments...)...)
	e.cmd.Stderr = log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	e.ended = make(chan struct{})
	go func() {
		defer close(e.ended)
		_ = e.cmd.Wait() // its log says why
	}()
	return e.Wait(ctx, "to answer", func() bool {
		var err error
		e.Control, err = control.Dial(filepath.Join(e.RunDir(), "control.sock"))
		return err == nil
	})
}

// Log is the file of what the daemon says.
func (e *Engine) Log() string { return filepath.Join(e.Dir, "polluxd.log") }

// RunDir is where its sockets are.
func (e *Engine) RunDir() string { return filepath.Join(e.Dir, "run") }

// Pid is the daemon's process.
func (e *Engine) Pid() int { return e.cmd.Process.Pid }

// Wait waits until the daemon does what it has to.
func (e *Engine) Wait(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, e.Patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
		case <-e.ended:
		case <-time.After(20 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(e.Log()) // nothing to show is no news
		return fmt.Errorf("%s took too long %s, or ended: %w\n%s", e.Name, what, ctx.Err(), text)
	}
	return nil
}

// Stop ends the daemon in order, if it was started.
func (e *Engine) Stop() error {
	if e.ended == nil {
		return nil
	}
	err := e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.ended:
		return err
	case <-time.After(e.Patience):
	}
	e.Kill()
	return fmt.Errorf("%s does not end", e.Name)
}

// Kill ends the daemon at once, if it was started.
func (e *Engine) Kill() {
	if e.ended != nil {
		_ = e.cmd.Process.Kill() // it may have ended
		<-e.ended
	}
}
