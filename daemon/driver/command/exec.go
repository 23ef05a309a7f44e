package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// killGrace is how long a killed program has to disappear.
const killGrace = 2 * time.Second

// drainGrace is how long after a program's end its output may still arrive. A
// script that starts a service leaves it with the same stdout, so the end of
// the output is not waited for.
const drainGrace = 200 * time.Millisecond

// defaultPath is used when the daemon was started without PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Exec is the Runner that really starts programs: each in a process group of
// its own, with nothing on stdin.
func Exec(ctx context.Context, p Program) (Result, error) {
	limit := p.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return Result{Code: -1}, fmt.Errorf("%s: not started: %w", p, err)
	}
	stdout, err := newTail(p.Keep)
	if err != nil {
		return Result{Code: -1}, fmt.Errorf("%s: %w", p, err)
	}
	stderr, err := newTail(p.Keep)
	if err != nil {
		stdout.abandon()
		return Result{Code: -1}, fmt.Errorf("%s: %w", p, err)
	}
	// Not CommandContext: that would kill the leader of the group only, and
	// wait for ever for a process that can't be killed.
	cmd := exec.Command(p.Name, p.Args...)
	cmd.Env = environment(p.Env)
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	stdin, err := stdinOf(p)
	if err != nil {
		stdout.abandon()
		stderr.abandon()
		return Result{Code: -1}, fmt.Errorf("%s: %w", p, err)
	}
	if stdin != nil {
		defer func() { _ = stdin.Close() }()
		cmd.Stdin = stdin
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		stdout.abandon()
		stderr.abandon()
		return Result{Code: -1}, fmt.Errorf("%s: %w", p, err)
	}
	stdout.follow()
	stderr.follow()
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()

	err = wait(ctx, cmd.Process.Pid, waited, killGrace)
	stuck := errors.Is(err, ErrStuck)
	if !stuck {
		drain, stop := context.WithTimeout(context.Background(), drainGrace)
		stdout.wait(drain)
		stderr.wait(drain)
		stop()
	}
	r := Result{Stdout: stdout.bytes(), Stderr: stderr.bytes(), Code: -1, Took: time.Since(started)}
	if !stuck {
		r.Code = cmd.ProcessState.ExitCode()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return r, nil
	case errors.As(err, &exit):
		return r, &ExitError{Program: p, Code: r.Code, Status: exit.Error(), Cause: cause(r)}
	default:
		return r, fmt.Errorf("%s: after %s: %w", p, r.Took.Round(time.Millisecond), err)
	}
}

// maxStdin fits into a pipe that nobody has read from yet.
const maxStdin = 32 << 10

// stdinOf is a pipe that holds a program's input, and ends; nil if there is none.
func stdinOf(p Program) (*os.File, error) {
	if len(p.Stdin) == 0 {
		return nil, nil
	}
	if len(p.Stdin) > maxStdin {
		return nil, fmt.Errorf("its input has %d bytes, want at most %d", len(p.Stdin), maxStdin)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for its input: %w", err)
	}
	if _, err = w.Write(p.Stdin); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	return r, w.Close()
}

// wait waits for the process of number pid; when ctx ends first it kills the
// process's whole group, and gives up on it when that changes nothing.
func wait(ctx context.Context, pid int, waited <-chan error, patience time.Duration) error {
	select {
	case err := <-waited:
		return err
	case <-ctx.Done():
	}
	// The group can be gone already; then there is nothing to do.
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	grace := time.NewTimer(patience)
	defer grace.Stop()
	select {
	case err := <-waited:
		if err == nil {
			// It was just done.
			return nil
		}
		return fmt.Errorf("%w (%w)", ErrKilled, context.Cause(ctx))
	case <-grace.C:
		return fmt.Errorf("%w (process %d)", ErrStuck, pid)
	}
}

// environment is the daemon's own and then more: of two equal names the last
// one counts.
func environment(more []string) []string {
	env := append(os.Environ(), "LC_ALL=C")
	if !slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, "PATH=") && s != "PATH=" }) {
		env = append(env, "PATH="+defaultPath)
	}
	return append(env, more...)
}
