// Package site is the page that pollux started from, on machines in QEMU: two
// Xen dom0s, milo1 and milo2, with real LVM2, xl and a guest, a network between
// them that is a faults/link, and disks that are a faults/disk. Their
// configuration is the page's, with other timers.
package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/optionc/pollux/qemu/cable"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// Sizes in bytes. The disk of the resource is small, so that a full sync under
// emulation takes seconds.
const (
	dataSize  = 96 << 20
	stateSize = 16 << 20
)

// lifetime of a machine that is forgotten.
const lifetime = 2 * time.Hour

// Pair is both sites and what is between them.
type Pair struct {
	Milo1, Milo2 *Node
	// Wire is the WAN; its ports have the nodes' names.
	Wire *cable.Switch
	// Say hears what is done to the machines, and what they do; nil is silence.
	Say func(text string)
	// Timers are those of the files.
	Timers Timers
	test   machine.Test
}

// Both calls f with each node at the same time, and waits for both.
func (p *Pair) Both(f func(n *Node) error) error {
	other := make(chan error, 1)
	go func() { other <- f(p.Milo2) }()
	return errors.Join(f(p.Milo1), <-other)
}

func (p *Pair) say(format string, args ...any) {
	if p.Say != nil {
		p.Say(fmt.Sprintf(format, args...))
	}
}

// New makes images, disks and the network of a pair, and boots both machines.
// They have the page's drbd.conf, but no daemon runs. They die with the test.
func New(ctx context.Context, test machine.Test, kernel string, timers Timers, say func(text string)) (*Pair, error) {
	p := &Pair{Say: say, Timers: timers, test: test}
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return nil, err
	}
	test.Cleanup(func() { _ = os.RemoveAll(dir) })
	files, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux",
	})
	if err != nil {
		return nil, err
	}
	dom0, err := image.Dom0(ctx, kernel, files)
	if err != nil {
		return nil, err
	}
	p.say("image of a Xen dom0 with Linux %s is ready", kernel)
	p.Milo1 = &Node{Name: "milo1", Address: "192.168.0.1", Disk: "/dev/sda3", pair: p}
	p.Milo2 = &Node{Name: "milo2", Address: "192.168.0.2", Disk: "/dev/hdd3", pair: p}
	if p.Wire, err = cable.New(dir, 1, p.Milo1.Name, p.Milo2.Name); err != nil {
		return nil, err
	}
	test.Cleanup(func() { _ = p.Wire.Close() })
	for i, n := range []*Node{p.Milo1, p.Milo2} {
		n.config = machine.Config{
			Name: n.Name, Address: n.Address + "/24", Image: dom0, Cable: p.Wire.Socket(n.Name),
			MAC: fmt.Sprintf("52:54:00:00:00:0%d", i+1), Lifetime: lifetime,
		}
		if n.data, err = n.config.Plug(test, dir, "data", dataSize); err != nil {
			return nil, err
		}
		if n.state, err = n.config.Plug(test, dir, "state", stateSize); err != nil {
			return nil, err
		}
	}
	return p, p.Both(func(n *Node) error { return n.Boot(ctx) })
}

// Wait looks until the condition holds. The error says what it was waiting for.
func Wait(ctx context.Context, what string, limit time.Duration, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticks := time.NewTicker(poll)
	defer ticks.Stop()
	for {
		ok, err := holds()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("waiting until %s: %w: last: %w", what, context.Cause(ctx), err)
			}
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		}
	}
}

const (
	// poll is how often a condition is looked at: each look costs a machine
	// some of its emulated time.
	poll = 500 * time.Millisecond
	// Soon is a limit for what takes seconds on a machine that is not busy.
	Soon = 3 * time.Minute
)
