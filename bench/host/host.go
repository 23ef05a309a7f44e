// Package host measures on the machine that it runs on: two daemons over
// loopback against a program that does nothing but what they can't avoid.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/optionc/pollux/bench/engine"
	"github.com/optionc/pollux/qemu/machine"
)

const (
	rounds = 3
	// round is how long each of the programs that are compared writes in a
	// round.
	round = 500 * time.Millisecond
	// diskSize is that of each disk, in bytes.
	diskSize = 256 << 20
)

// Conditions are what the figures are worth.
var Conditions = fmt.Sprintf("Two polluxd over loopback TCP, the user on the NBD socket of the Primary; all programs "+
	"share %d processors. \"disk\" is one disk alone and \"bound\" a program that writes each block to the own disk while "+
	"it sends it over TCP to somebody who writes it to the other disk and answers, both with the flags of the protocol "+
	"(C: write-through). Median of %d rounds of %s, in which disk, bound and pollux take turns. The activity log holds all "+
	"extents. Memory disks are files on tmpfs, the others files on %s with O_DIRECT, all on the same device. CPU is of "+
	"both daemons.", runtime.NumCPU(), rounds, round, fileSystem())

// fileSystem names what holds the disks.
func fileSystem() string {
	out, err := exec.Command("stat", "-f", "-c", "%T", os.TempDir()).Output()
	if err != nil {
		return "an unknown file system"
	}
	return strings.TrimSpace(string(out))
}

// Host compares two daemons with the bound. The result is a table in Markdown.
func Host(ctx context.Context, _ *machine.Owner, say func(string)) (string, error) {
	runtime.GOMAXPROCS(max(8, 4*runtime.NumCPU())) // as in polluxd
	load := loaded()
	var table strings.Builder
	table.WriteString("| disks | load | depth | protocol | disk, writes/s | bound, writes/s | pollux, writes/s | to disk | " +
		"to bound | p50, µs | p99, µs | CPU a write, µs |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	err := onDisks(ctx, func(ctx context.Context, polluxd, kind, disks, dir string) error {
		var resources []resource
		for _, protocol := range []string{"C", "B", "A"} {
			r := resource{name: kind + protocol, protocol: protocol}
			for i := range r.disks {
				r.disks[i] = filepath.Join(disks, fmt.Sprintf("%s-%d", r.name, i))
			}
			resources = append(resources, r)
		}
		return measure(ctx, polluxd, dir, kind, resources, &table, say)
	})
	table.WriteString(load())
	return table.String(), err
}

// loaded says how busy the machine was meanwhile, for a table. It returns what
// to call in the end.
func loaded() func() string {
	average := func() string {
		text, err := os.ReadFile("/proc/loadavg")
		if err != nil {
			return "unknown"
		}
		first, _, _ := strings.Cut(string(text), " ")
		return first
	}
	before := average()
	return func() string {
		return fmt.Sprintf("\nThe machine's load average was %s before and %s after, on %d processors.\n", before, average(),
			runtime.NumCPU())
	}
}

// onDisks measures with disks in memory, then with files on a disk. Their
// directory is disks; dir is for all else.
func onDisks(ctx context.Context, measure func(ctx context.Context, polluxd, kind, disks, dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	memory, err := os.MkdirTemp("/dev/shm", "pollux")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(memory)) }()
	polluxd, err := engine.Build(ctx, dir)
	if err != nil {
		return err
	}
	if err := measure(ctx, polluxd, "memory", memory, filepath.Join(dir, "memory")); err != nil {
		return err
	}
	return measure(ctx, polluxd, "files", dir, filepath.Join(dir, "files"))
}

// measure measures one kind of disks.
func measure(ctx context.Context, polluxd, dir, kind string, resources []resource, table *strings.Builder, say func(string)) (err error) {
	say("both daemons with " + kind + " disks start and sync")
	p, err := start(ctx, polluxd, dir, diskSize, resources)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, l := range loads {
		for _, r := range resources {
			c, err := p.compare(r, l)
			if err != nil {
				return fmt.Errorf("%s disks, %s, depth %d, protocol %s: %w", kind, l.name, l.depth, r.protocol, err)
			}
			row := c.row(kind, l, r.protocol)
			say(row)
			table.WriteString(row + "\n")
		}
	}
	return nil
}

// comparison has the samples of one load in all rounds.
type comparison struct{ disk, bound, pollux []*sample }

// compare runs one load on one resource.
func (p *pair) compare(r resource, l load) (*comparison, error) {
	u, err := p.user(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = u.close() }()
	// The bound has disks of its own, made as those of the resource.
	var fds [2]int
	var size int64
	for i := range fds {
		path := r.disks[i] + ".bound"
		if err := makeDisk(path, diskSize); err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(path) }()
		if fds[i], size, err = openDisk(path); err != nil {
			return nil, err
		}
		defer func() { _ = closeDisk(fds[i]) }()
	}
	disk := bound{own: fds[0], other: -1, size: size, protocol: r.protocol[0]}
	both := bound{own: fds[0], other: fds[1], size: size, protocol: r.protocol[0]}
	if err := u.touch(); err != nil {
		return nil, err
	}
	c := &comparison{}
	for range rounds {
		a, err := disk.load(l, round)
		if err != nil {
			return nil, err
		}
		b, err := both.load(l, round)
		if err != nil {
			return nil, err
		}
		before, err := p.cpu()
		if err != nil {
			return nil, err
		}
		s, err := u.load(l, round)
		if err != nil {
			return nil, err
		}
		after, err := p.cpu()
		if err != nil {
			return nil, err
		}
		s.cpu = after - before
		c.disk, c.bound, c.pollux = append(c.disk, a), append(c.bound, b), append(c.pollux, s)
	}
	return c, nil
}

func (c *comparison) row(kind string, l load, protocol string) string {
	var toDisk, toBound []float64
	for i, s := range c.pollux {
		toDisk = append(toDisk, s.iops()/c.disk[i].iops())
		toBound = append(toBound, s.iops()/c.bound[i].iops())
	}
	percentile := func(percent int) float64 {
		return middle(c.pollux, func(s *sample) float64 { return s.percentile(percent) })
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %.0f | %.0f | %.0f | **%.2f** | **%.2f** | %.0f | %.0f | %.1f |", kind, l.name, l.depth,
		protocol, middle(c.disk, (*sample).iops), middle(c.bound, (*sample).iops), middle(c.pollux, (*sample).iops),
		median(toDisk), median(toBound), percentile(50), percentile(99), middle(c.pollux, (*sample).cpuPerWrite))
}
