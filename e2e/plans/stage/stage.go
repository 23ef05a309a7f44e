// Package stage plays scenarios of faults/plan on real machines: two Linux
// machines in QEMU with polluxd in each, a network between them that is a
// faults/link, disks that are a faults/disk over NBD, and an operator. What came
// of it is a plan.Verdict, as the simulator's.
//
// Time is the scenario's, second by second, but that the wait for the first
// fault is left out, and the wait for the last one to be over.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/cable"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// Sizes in bytes: the disk of the resource is as in the simulator's profile
// page; the other holds what a node must know after a power loss.
const (
	dataSize  = 24 << 20
	stateSize = 8 << 20
)

// lifetime of a machine that is forgotten.
const lifetime = 2 * time.Hour

// Stage is two machines and what is between them. It plays one scenario at a
// time.
type Stage struct {
	nodes [2]*node
	wire  *cable.Switch
	test  machine.Test
	say   func(text string)
}

// Programs builds what the machines run, into dir, and makes their image.
func Programs(ctx context.Context, dir string) (image.Image, error) {
	files, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux", "/usr/bin/guest": "e2e/plans/guest",
	})
	if err != nil {
		return image.Image{}, err
	}
	return image.Plain(ctx, image.DefaultKernel(), files)
}

// New boots two machines, has them replicate once, and keeps all of that: each
// scenario begins there. They die with the test. Say hears what happens.
func New(ctx context.Context, test machine.Test, plain image.Image, say func(text string)) (*Stage, error) {
	s, err := build(test, plain, say)
	if err != nil {
		return nil, err
	}
	if err := s.both(func(n *node) error { return n.save(ctx) }); err != nil {
		return nil, err
	}
	return s, s.rehearse(ctx)
}

// Another is a stage like s, beside it.
func (s *Stage) Another(say func(text string)) (*Stage, error) {
	other, err := build(s.test, s.nodes[0].config.Image, say)
	if err != nil {
		return nil, err
	}
	for i, n := range other.nodes {
		like := s.nodes[i]
		n.saved, n.firstData, n.firstState = like.saved, like.firstData, like.firstState
	}
	return other, nil
}

// build makes all of a stage but what scenarios begin with.
func build(test machine.Test, plain image.Image, say func(text string)) (*Stage, error) {
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return nil, err
	}
	test.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Stage{test: test, say: say}
	if s.wire, err = cable.New(dir, 1, name(0), name(1)); err != nil {
		return nil, err
	}
	test.Cleanup(func() { _ = s.wire.Close() })
	for i := range s.nodes {
		n := &node{stage: s, number: i, name: name(i), saved: filepath.Join(dir, "saved-"+name(i))}
		n.config = machine.Config{
			Name: n.name, Address: address(i) + "/24", Image: plain, Cable: s.wire.Socket(n.name),
			MAC: fmt.Sprintf("52:54:00:00:00:0%d", i+1), Lifetime: lifetime,
		}
		if n.data, err = n.config.Plug(test, dir, "data", dataSize); err != nil {
			return nil, err
		}
		if n.state, err = n.config.Plug(test, dir, "state", stateSize); err != nil {
			return nil, err
		}
		s.nodes[i] = n
	}
	return s, nil
}

// rehearse makes the disks that scenarios begin with: both nodes are in sync
// and have ended in order.
func (s *Stage) rehearse(ctx context.Context) error {
	set := usual()
	err := s.both(func(n *node) error {
		if err := n.restore(ctx); err != nil {
			return err
		}
		if err := n.goOn(ctx, set, false); err != nil {
			return err
		}
		if err := n.order(ctx, "create-md", resource); err != nil {
			return err
		}
		return n.start(ctx, func(string) {})
	})
	if err != nil {
		return err
	}
	connected := func(disk string) error {
		return wait(ctx, "both nodes are connected and "+disk, func() error {
			for _, n := range s.nodes {
				r, err := n.replica(ctx)
				if err == nil && (r.Connection != "Connected" || r.Disk != disk || r.PeerDisk != disk) {
					err = fmt.Errorf("%s is %s %s/%s", n.name, r.Connection, r.Disk, r.PeerDisk)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := connected("Inconsistent"); err != nil {
		return err
	}
	if err := s.nodes[0].order(ctx, "new-current-uuid", "--clear-bitmap", resource); err != nil {
		return err
	}
	if err := connected("UpToDate"); err != nil {
		return err
	}
	return s.both(func(n *node) error {
		if err := n.stop(ctx); err != nil {
			return err
		}
		if _, err := n.vm.Shell(ctx, "umount /var/lib/pollux"); err != nil {
			return err
		}
		n.vm.Kill()
		n.firstData, n.firstState = n.data.Clone(), n.state.Clone()
		return nil
	})
}

// reset makes everything what it was after the rehearsal, and starts both
// machines; their daemons do not run.
func (s *Stage) reset(ctx context.Context, set settings) error {
	s.wire.Heal(name(0), name(1))
	for i := range 2 {
		for _, p := range protocols {
			s.wire.Lose(name(i), name(1-i), p, false)
		}
	}
	s.wire.Both(name(0), name(1), func(d *link.Direction) { d.Latency, d.Rate = set.latency, set.rate })
	return s.both(func(n *node) error {
		if n.vm != nil {
			n.vm.Kill()
		}
		n.data.PowerLoss(block.Nothing)
		n.state.PowerLoss(block.Nothing)
		n.data.Become(n.firstData)
		n.state.Become(n.firstState)
		if err := n.restore(ctx); err != nil {
			return err
		}
		return n.goOn(ctx, set, true)
	})
}

// both does something with both nodes at once.
func (s *Stage) both(f func(n *node) error) error {
	other := make(chan error, 1)
	go func() { other <- f(s.nodes[1]) }()
	return errors.Join(f(s.nodes[0]), <-other)
}

var protocols = []cable.Protocol{cable.TCP, cable.UDP}

func name(n int) string { return fmt.Sprintf("milo%d", n+1) }

func address(n int) string { return fmt.Sprintf("192.168.0.%d", n+1) }

const (
	// poll is how often a condition is looked at: each look costs a machine some
	// of its emulated time.
	poll = 300 * time.Millisecond
	// soon is a limit for what takes seconds on a machine that is not busy.
	soon = 2 * time.Minute
)

// wait looks until a condition holds: until it is no error.
func wait(ctx context.Context, what string, holds func() error) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		if !pause(ctx, poll) {
			return fmt.Errorf("waiting until %s: %w: last: %w", what, context.Cause(ctx), err)
		}
	}
}

// pause waits; false says that ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
