// Package demo shows the main job on one machine, without root: a replicated
// disk, a node that dies, and the guest's data on the other one.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// diskSize is the size of each node's disk, in bytes.
const diskSize = 256 << 20

// demo is one run.
type demo struct {
	dir    string // of everything that the run leaves
	self   string // this program
	daemon string // polluxd
	a, b   *host  // milo1 and milo2
	out    io.Writer
	start  time.Time
	mu     sync.Mutex
	phases []phase
}

// phase is one part of the run, for the verdict.
type phase struct {
	name string
	took time.Duration
}

// Command is pollux demo.
func Command() *cobra.Command {
	keep, dir := false, ""
	cmd := &cobra.Command{
		Use: "demo", Short: "show the main job on this machine: two nodes, a failure, no data lost", Args: cobra.NoArgs,
		Long: `Run two polluxd on two loopback addresses with the configuration files of the page
that pollux started from, kill one while a guest writes, and show that the other
goes on with every acknowledged record. Needs no root and no kernel module.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, dir, keep) },
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave disks and logs behind")
	cmd.Flags().StringVar(&dir, "dir", "", "directory for disks and logs; a new temporary one by default")
	return cmd
}

func run(cmd *cobra.Command, dir string, keep bool) (err error) {
	d := &demo{out: cmd.OutOrStdout(), start: time.Now()}
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	d.daemon = filepath.Join(filepath.Dir(d.self), "polluxd")
	if _, err := os.Stat(d.daemon); err != nil {
		return fmt.Errorf("the daemon is not beside this program: %w: build both with 'make build'", err)
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pollux-demo-"); err != nil {
			return err
		}
	}
	if d.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	d.a, d.b = d.host("milo1", "127.0.1.1"), d.host("milo2", "127.0.1.2")
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), 10*time.Minute, errors.New("the demo took more than 10 minutes"))
	defer cancel()
	err = d.play(ctx)
	d.a.kill()
	d.b.kill()
	switch {
	case err != nil:
		d.say("FAILED: %v", err)
		d.say("disks and logs are in %s", d.dir)
		return errors.New("the demo failed")
	case keep:
		d.say("disks and logs are in %s", d.dir)
		return nil
	default:
		return os.RemoveAll(d.dir)
	}
}

// say prints a line of the timeline.
func (d *demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A timeline that nobody reads any more does not stop the run.
	_, _ = fmt.Fprintf(d.out, "[%7.2fs] %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// phase runs one part of the story and notes how long it took.
func (d *demo) phase(ctx context.Context, name string, part func(context.Context) error) error {
	d.say("")
	d.say("== %s", name)
	began := time.Now()
	err := part(ctx)
	d.phases = append(d.phases, phase{name, time.Since(began)})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// play tells the story.
func (d *demo) play(ctx context.Context) error {
	for _, p := range []struct {
		name string
		part func(context.Context) error
	}{
		{"two nodes with fresh disks", d.prepare},
		{"initial sync", d.initialSync},
		{"steady state", d.steady},
		{"milo1 dies: kill -9 of its daemon and its guest", d.crash},
		{"milo1 returns, gets what it missed, and takes its group back", d.comeBack},
		{"a planned standby", d.standby},
		{"a clean end", d.end},
	} {
		if err := d.phase(ctx, p.name, p.part); err != nil {
			return err
		}
	}
	return d.verdict()
}
