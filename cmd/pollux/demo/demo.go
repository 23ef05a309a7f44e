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

// demo is one run.
type demo struct {
	dir      string // of everything that the run leaves
	self     string // this program
	daemon   string // polluxd
	diskSize int64  // of each node's disk, in bytes
	a, b     *host  // milo1 and milo2
	out      io.Writer
	start    time.Time
	mu       sync.Mutex
	phases   []phase
}

// phase is one part of the run, for the verdict.
type phase struct {
	name string
	took time.Duration
}

// part is one part of a story, before it is played.
type part struct {
	name string
	play func(context.Context) error
}

// Command is pollux demo.
func Command() *cobra.Command {
	cmd := command(256<<20, (*demo).disaster)
	cmd.Use, cmd.Short = "demo", "show the main job on this machine: two nodes, a failure, no data lost"
	cmd.Long = `Run two polluxd on two loopback addresses with the configuration files of the page
that pollux started from, kill one while a guest writes, and show that the other
goes on with every acknowledged record. Needs no root and no kernel module.`
	split := command(64<<20, (*demo).partition)
	split.Use, split.Short = "split", "cut the link between two nodes with a witness: exactly one goes on"
	split.Long = `Run two polluxd and a pollux-witness on loopback addresses. First the link between
the nodes is cut, while both reach the witness; then the active node is cut off
from both. Each time one node alone goes on, and when the link is whole again the
other one gets what it missed. Needs no root and no kernel module.`
	cmd.AddCommand(split)
	return cmd
}

// command is one that plays a story.
func command(diskSize int64, story func(d *demo) (parts []part, cleanUp func(), err error)) *cobra.Command {
	keep, dir, mib := false, "", int64(0)
	cmd := &cobra.Command{Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		d := &demo{out: cmd.OutOrStdout(), start: time.Now(), diskSize: mib << 20}
		if err := d.findPrograms(); err != nil {
			return err
		}
		if err := d.findPlace(dir); err != nil {
			return err
		}
		parts, cleanUp, err := story(d)
		if err != nil {
			return err
		}
		defer cleanUp()
		return d.run(cmd.Context(), parts, keep)
	}}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave disks and logs behind")
	cmd.Flags().StringVar(&dir, "dir", "", "directory for disks and logs; a new temporary one by default")
	cmd.Flags().Int64Var(&mib, "size", diskSize>>20, "`MiB` of each node's disk")
	return cmd
}

// findPrograms finds what stands beside this program.
func (d *demo) findPrograms() (err error) {
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	d.daemon, err = d.beside("polluxd")
	return err
}

func (d *demo) beside(program string) (string, error) {
	path := filepath.Join(filepath.Dir(d.self), program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not beside this program: %w: build all with 'make build'", program, err)
	}
	return path, nil
}

// findPlace makes the directory of the run; "" is a new one.
func (d *demo) findPlace(dir string) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pollux-demo-"); err != nil {
			return err
		}
	}
	if d.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	d.a, d.b = d.host("milo1", "127.0.1.1"), d.host("milo2", "127.0.1.2")
	return nil
}

func (d *demo) run(ctx context.Context, parts []part, keep bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("the demo took more than 10 minutes"))
	defer cancel()
	err := d.play(ctx, parts)
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

// play tells the story.
func (d *demo) play(ctx context.Context, parts []part) error {
	for _, p := range parts {
		d.say("")
		d.say("== %s", p.name)
		began := time.Now()
		err := p.play(ctx)
		d.phases = append(d.phases, phase{p.name, time.Since(began)})
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return d.verdict()
}
