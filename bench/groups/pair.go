package groups

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/optionc/pollux/bench/usage"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// patience is how long the daemons may take for anything.
const patience = 10 * time.Minute

// The addresses of the two nodes.
const (
	first  = "127.0.3.1"
	second = "127.0.3.2"
)

// script is a resource: a file of the node.
const script = `#!/bin/sh
file="$POLLUX_RUN_DIR/on-$1"
case $2 in
start) : >"$file" ;;
stop) rm -f "$file" ;;
status) if [ -e "$file" ]; then echo running; else echo stopped; fi ;;
esac
`

// engine is a polluxd.
type engine struct {
	name, address, dir string
	cmd                *exec.Cmd
	ended              chan struct{}
	control            *control.Client
}

// configure writes the files of both nodes, with so many groups.
func configure(dir string, groups int) error {
	var lines strings.Builder
	for i := range groups {
		fmt.Fprintf(&lines, "milo1 file::%da file::%db\n", i, i)
	}
	ha := fmt.Sprintf("keepalive 500ms\ndeadtime 5\ninitdead 10\nauto_failback off\nudpport %d\nucast lo %s\nucast lo %s\n"+
		"node milo1\nnode milo2\n", 20000+rand.IntN(20000), first, second)
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"etc/ha.d/ha.cf":       {ha, 0o644},
		"etc/ha.d/haresources": {lines.String(), 0o644},
		"etc/ha.d/authkeys":    {"auth 1\n1 sha1 benchmark\n", 0o600},
		"agents/file":          {script, 0o755},
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			return err
		}
	}
	return nil
}

// start starts the daemon and waits until it answers.
func (e *engine) start(ctx context.Context, polluxd, dir string) error {
	e.dir = filepath.Join(dir, e.name)
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(e.log())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	e.cmd = exec.Command(polluxd, "--config-dir", filepath.Join(dir, "etc"), "--node", e.name, "--state-dir",
		filepath.Join(e.dir, "state"), "--run-dir", filepath.Join(e.dir, "run"), "--agents", filepath.Join(dir, "agents"),
		"--bind", e.address)
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
	return e.wait(ctx, "to answer", func() bool {
		var err error
		e.control, err = control.Dial(filepath.Join(e.dir, "run", "control.sock"))
		return err == nil
	})
}

func (e *engine) log() string { return filepath.Join(e.dir, "polluxd.log") }

// wait waits until the daemon does what it has to.
func (e *engine) wait(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
		case <-e.ended:
		case <-time.After(50 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(e.log()) // nothing to show is no news
		return fmt.Errorf("%s took too long %s, or ended: %w\n%s", e.name, what, ctx.Err(), text)
	}
	return nil
}

// status asks the daemon what it says of its groups.
func (e *engine) status(ctx context.Context) (s node.ClusterStatus) {
	var all node.Status
	if err := e.control.Status(ctx, &all); err == nil && all.Cluster != nil {
		s = *all.Cluster
	}
	return s
}

// said waits until the log has a line with so many of a text, and gives the time of the last one.
func (e *engine) said(ctx context.Context, text string, times int) (at time.Time, err error) {
	err = e.wait(ctx, "to say "+text, func() bool {
		log, err := os.ReadFile(e.log())
		if err != nil || strings.Count(string(log), text) < times {
			return false
		}
		line := string(log)[:strings.LastIndex(string(log), text)]
		line = line[strings.LastIndexByte(line, '\n')+1:]
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		at, err = time.Parse(time.RFC3339Nano, stamp)
		return err == nil
	})
	return at, err
}

func (e *engine) kill() {
	if e.ended != nil {
		_ = e.cmd.Process.Kill() // it may have ended
		<-e.ended
	}
}

// pair is two daemons of which the first one has all groups.
type pair struct {
	groups       int
	milo1, milo2 *engine
}

// begin starts a pair, and waits until it is settled.
func begin(ctx context.Context, polluxd, dir string, groups int) (*pair, error) {
	p := &pair{groups, &engine{name: "milo1", address: first}, &engine{name: "milo2", address: second}}
	err := errors.Join(configure(dir, groups), p.milo1.start(ctx, polluxd, dir), p.milo2.start(ctx, polluxd, dir))
	if err == nil {
		_, err = p.milo1.said(ctx, " runs here", groups)
	}
	if err == nil {
		err = p.milo2.wait(ctx, "to settle", func() bool { return p.milo2.status(ctx).Holding == "local" })
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

func (p *pair) end() {
	p.milo1.kill()
	p.milo2.kill()
}

// rest is what the second node uses while it has nothing to do.
func (p *pair) rest(ctx context.Context) (used time.Duration, err error) {
	before, err := usage.Processor(p.milo2.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := usage.Processor(p.milo2.cmd.Process.Pid)
	return after - before, err
}

// takeOver kills the first node, and tells how long the second one took after it noticed, and how much of the processor.
func (p *pair) takeOver(ctx context.Context) (took, work time.Duration, err error) {
	before, err := usage.Processor(p.milo2.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	p.milo1.kill()
	dead, err := p.milo2.said(ctx, "counts as dead", 1)
	if err != nil {
		return 0, 0, err
	}
	last, err := p.milo2.said(ctx, " runs here", p.groups)
	if err != nil {
		return 0, 0, err
	}
	after, err := usage.Processor(p.milo2.cmd.Process.Pid)
	return last.Sub(dead), after - before, err
}

// scripts makes the calls of a takeover, one after the other: a look, a start and a look for each resource.
func scripts(dir string, groups int) (time.Duration, error) {
	begin := time.Now()
	for i := range groups {
		for _, which := range []string{"a", "b"} {
			for _, action := range []string{"status", "start", "status"} {
				cmd := exec.Command(filepath.Join(dir, "agents", "file"), fmt.Sprint(i, which), action)
				cmd.Env = append(os.Environ(), "POLLUX_RUN_DIR="+dir)
				if _, err := cmd.Output(); err != nil {
					return 0, err
				}
			}
		}
	}
	return time.Since(begin), nil
}
