package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
)

// A caller calls one agent.
type caller struct {
	run                     command.Runner
	env                     []string
	statusLimit, orderLimit time.Duration
}

func (c caller) ask(ctx context.Context, path string, args ...string) (command.Result, error) {
	return c.run(ctx, command.Program{Name: path, Args: args, Env: c.env, Limit: c.statusLimit})
}

func (c caller) order(ctx context.Context, path string, args ...string) error {
	_, err := c.run(ctx, command.Program{Name: path, Args: args, Env: c.env, Limit: c.orderLimit})
	return err
}

// A script is a program of Heartbeat or System V: SCRIPT ARGS... ACTION.
// Source: Heartbeat, section 9.2.
type script struct {
	path string
	args []string
	call caller
}

func (s script) with(action string) []string {
	return append(append([]string(nil), s.args...), action)
}

// Status judges by what the script prints, as Heartbeat does. Its exit status
// counts only when the script said nothing that could be judged.
func (s script) Status(ctx context.Context) (failover.State, string, error) {
	out, err := s.call.ask(ctx, s.path, s.with("status")...)
	said := strings.TrimSpace(string(out.Stdout))
	if said == "" {
		said = strings.TrimSpace(string(out.Stderr))
	}
	switch {
	case runningIn(said):
		// It can have been killed after that, but it was running.
		return failover.Running, said, nil
	case out.Code < 0 || err != nil && !answers(out.Code):
		return failover.Unknown, said, fmt.Errorf("status: %w", err)
	default:
		return failover.Stopped, said, nil
	}
}

// answers says whether an exit status of status is an answer. 4 means that the
// script does not know, from 126 on the shell could not run it. Source: Linux
// Standard Base, section 22.2.
func answers(code int) bool { return code != 4 && code < 126 }

// runningIn judges a script's words. Source: Heartbeat, section 9.3.
func runningIn(said string) bool {
	running := strings.Contains(said, "running") || strings.Contains(said, "Running")
	if at := strings.Index(strings.ToLower(said), "not "); at >= 0 {
		after := said[at:]
		if strings.Contains(after, "running") || strings.Contains(after, "Running") {
			return false
		}
	}
	return running || strings.Contains(said, "OK")
}

func (s script) Start(ctx context.Context) error {
	return s.call.order(ctx, s.path, s.with("start")...)
}

func (s script) Stop(ctx context.Context) error {
	return s.call.order(ctx, s.path, s.with("stop")...)
}

// StopWithin tells the script how many seconds it has. It is not killed after
// that: what it should have stopped would go on.
func (s script) StopWithin(ctx context.Context, within time.Duration) error {
	s.call.env = append(slices.Clone(s.call.env), fmt.Sprintf("POLLUX_STOP_WITHIN=%d", max(int(within.Seconds()), 1)))
	return s.Stop(ctx)
}
