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
	"time"

	"github.com/optionc/pollux/bench/engine"
	"github.com/optionc/pollux/bench/usage"
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

// member is the polluxd of one node.
type member struct{ engine.Engine }

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

// start starts the daemon of a node.
func start(ctx context.Context, polluxd, dir, name, address string) (*member, error) {
	e := &member{engine.Engine{Name: name, Dir: filepath.Join(dir, name), Patience: patience}}
	return e, e.Start(ctx, polluxd, "--config-dir", filepath.Join(dir, "etc"), "--agents", filepath.Join(dir, "agents"),
		"--bind", address)
}

// status asks the daemon what it says of its groups.
func (e *member) status(ctx context.Context) (s node.ClusterStatus) {
	var all node.Status
	if err := e.Control.Status(ctx, &all); err == nil && all.Cluster != nil {
		s = *all.Cluster
	}
	return s
}

// said waits until the log has a line with so many of a text, and gives the time of the last one.
func (e *member) said(ctx context.Context, text string, times int) (at time.Time, err error) {
	err = e.Wait(ctx, "to say "+text, func() bool {
		log, err := os.ReadFile(e.Log())
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

// pair is two daemons of which the first one has all groups.
type pair struct {
	groups       int
	milo1, milo2 *member
}

// begin starts a pair, and waits until it is settled.
func begin(ctx context.Context, polluxd, dir string, groups int) (*pair, error) {
	if err := configure(dir, groups); err != nil {
		return nil, err
	}
	milo1, err1 := start(ctx, polluxd, dir, "milo1", first)
	milo2, err2 := start(ctx, polluxd, dir, "milo2", second)
	p, err := &pair{groups, milo1, milo2}, errors.Join(err1, err2)
	if err == nil {
		_, err = p.milo1.said(ctx, " runs here", groups)
	}
	if err == nil {
		err = p.milo2.Wait(ctx, "to settle", func() bool { return p.milo2.status(ctx).Holding == "local" })
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

func (p *pair) end() {
	p.milo1.Kill()
	p.milo2.Kill()
}

// rest is what the second node uses while it has nothing to do.
func (p *pair) rest(ctx context.Context) (used time.Duration, err error) {
	before, err := usage.Processor(p.milo2.Pid())
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := usage.Processor(p.milo2.Pid())
	return after - before, err
}

// takeOver kills the first node, and tells how long the second one took after it noticed, and how much of the processor.
func (p *pair) takeOver(ctx context.Context) (took, work time.Duration, err error) {
	before, err := usage.Processor(p.milo2.Pid())
	if err != nil {
		return 0, 0, err
	}
	p.milo1.Kill()
	dead, err := p.milo2.said(ctx, "counts as dead", 1)
	if err != nil {
		return 0, 0, err
	}
	last, err := p.milo2.said(ctx, " runs here", p.groups)
	if err != nil {
		return 0, 0, err
	}
	after, err := usage.Processor(p.milo2.Pid())
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
