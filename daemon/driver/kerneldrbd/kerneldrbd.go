// Package kerneldrbd drives the DRBD of the kernel through drbd-utils: orders
// by drbdadm, the state by drbdsetup events2.
//
// The stream of events only says when to look again; the state is always that
// of a fresh dump. So what is reported is never older than what was reported
// before it, and after an order it is what the order led to.
package kerneldrbd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Names of the programs of drbd-utils.
const (
	drbdadm   = "drbdadm"
	drbdsetup = "drbdsetup"
)

// limit is how long a command may take; a promotion may call a handler that
// fences the peer.
const limit = 3 * time.Minute

// Resource is one resource that the kernel replicates.
type Resource struct {
	Name  string
	Minor int
	// Conf is a drbd.conf with this resource that drbdadm can read.
	Conf   string
	Run    command.Runner
	Stream command.Streamer
}

// Seen is a resource at one moment.
type Seen struct {
	State      drbdwire.State
	Generation uint64 // as the superblock has it; 0 without a disk
	Sectors    uint64 // size; 0 if it is not known
	Marked     uint64 // KiB that may differ from the peer's
}

// Moves tells whether Marked changes without an event.
func (s Seen) Moves() bool {
	return s.State.Conn > drbdwire.Connected || s.State.Conn < drbdwire.Connected && s.State.Role == drbdwire.Primary
}

// ErrOurs says that the tools are pollux itself, which would ask the daemon
// that asks them.
var ErrOurs = errors.New("drbdadm is a link to pollux here: the kernel's DRBD needs the one of drbd-utils")

// Available says why the kernel's DRBD can't be driven on this machine.
func Available(ctx context.Context, run command.Runner) error {
	r, err := run(ctx, command.Program{Name: drbdadm, Args: []string{"--version"}})
	switch {
	case err != nil:
		return fmt.Errorf("the kernel's DRBD needs drbd-utils: %w", err)
	case strings.Contains(string(r.Stdout), "DRBDADM_BUILDTAG=pollux"):
		return ErrOurs
	}
	return nil
}

// Up makes the kernel do what the file says: attach the disk, look for the
// peer. What is up stays as it is.
func (r Resource) Up(ctx context.Context) error { return r.adm(ctx, "adjust") }

// Down leaves nothing of the resource in use.
func (r Resource) Down(ctx context.Context) error { return r.adm(ctx, "down") }

func (r Resource) adm(ctx context.Context, words ...string) error {
	_, err := r.Run(ctx, command.Program{
		Name: drbdadm, Args: append(append([]string{"-c", r.Conf}, words...), r.Name), Limit: limit,
	})
	return err
}

// Look asks the kernel. A resource that is not up is StandAlone and Diskless.
func (r Resource) Look(ctx context.Context) (Seen, error) {
	out, err := r.Run(ctx, command.Program{Name: drbdsetup, Args: []string{"events2", "--now", "--statistics"}})
	if err != nil {
		return Seen{}, fmt.Errorf("state of resource %s: %w", r.Name, err)
	}
	seen := Seen{State: drbdwire.State{Role: drbdwire.Secondary, PeerDisk: drbdwire.DUnknown}}
	whole := false
	for line := range strings.Lines(string(out.Stdout)) {
		e, err := drbdtext.ParseEvent(strings.TrimSpace(line))
		if err == nil && e.Get("name") == r.Name {
			err = e.Apply(&seen.State)
		}
		if err != nil {
			return Seen{}, fmt.Errorf("state of resource %s: %w", r.Name, err)
		}
		if e.Get("name") == r.Name {
			seen.count(e)
		}
		whole = whole || e.Object == drbdtext.NoObject
	}
	if !whole {
		return Seen{}, fmt.Errorf("state of resource %s: what drbdsetup printed ends too early", r.Name)
	}
	if seen.State.Disk > drbdwire.Attaching {
		seen.Generation, err = r.generation(ctx)
	}
	return seen, err
}

// count takes a line's numbers, where it has them.
func (s *Seen) count(e drbdtext.Event) {
	if kib, err := strconv.ParseUint(e.Get("size"), 10, 63); err == nil {
		s.Sectors = 2 * kib
	}
	if kib, err := strconv.ParseUint(e.Get("out-of-sync"), 10, 63); err == nil {
		s.Marked = kib
	}
}

// generation reads the first word of get-gi.
func (r Resource) generation(ctx context.Context) (uint64, error) {
	out, err := r.Run(ctx, command.Program{Name: drbdadm, Args: []string{"-c", r.Conf, "get-gi", r.Name}})
	if err != nil {
		return 0, fmt.Errorf("generation of resource %s: %w", r.Name, err)
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(out.Stdout)), ":")
	generation, err := strconv.ParseUint(word, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("generation of resource %s: found %.40q, want 16 hexadecimal digits", r.Name, word)
	}
	return generation, nil
}

// Watch calls changed whenever the resource may have changed, first at once,
// until ctx ends, or drbdsetup does, which is an error.
func (r Resource) Watch(ctx context.Context, changed func()) error {
	program := command.Program{Name: drbdsetup, Args: []string{"events2"}}
	dumped := false
	return r.Stream(ctx, program, func(line string) {
		e, err := drbdtext.ParseEvent(line)
		isEnd := err == nil && e.Action == "exists" && e.Object == drbdtext.NoObject
		// The dump is one change; a line that can't be read may be any.
		if isEnd || dumped && (err != nil || e.Get("name") == r.Name || e.Action == "-") {
			changed()
		}
		dumped = dumped || isEnd
	})
}

// verbs are drbdadm's words for orders.
var verbs = map[replica.OrderKind]string{
	replica.OrderAttach: "attach", replica.OrderDetach: "detach", replica.OrderConnect: "connect",
	replica.OrderDisconnect: "disconnect", replica.OrderPrimary: "primary", replica.OrderSecondary: "secondary",
	replica.OrderInvalidate: "invalidate", replica.OrderInvalidateRemote: "invalidate-remote",
	replica.OrderOutdate: "outdate", replica.OrderPauseSync: "pause-sync", replica.OrderResumeSync: "resume-sync",
	replica.OrderSuspendIO: "suspend-io", replica.OrderResumeIO: "resume-io",
	replica.OrderVerify: "verify", replica.OrderResize: "resize", replica.OrderNewCurrentUUID: "new-current-uuid",
}

// refusal is how drbdsetup tells a code of a refused change of state.
var refusal = regexp.MustCompile(`State change failed: \((-\d+)\)`)

// Order carries an order out. The code is the kernel's for a change of state,
// and 0 for every other failure.
func (r Resource) Order(ctx context.Context, kind replica.OrderKind, force bool) (drbdwire.Code, string) {
	verb, ok := verbs[kind]
	if !ok {
		return drbdwire.NotSupported, "the kernel's DRBD has no such order"
	}
	words := []string{verb}
	switch {
	case force && kind == replica.OrderConnect:
		words = append(words, "--discard-my-data")
	case force && kind == replica.OrderNewCurrentUUID:
		words = append(words, "--clear-bitmap")
	case force:
		words = append(words, "--force")
	}
	if kind == replica.OrderNewCurrentUUID {
		r.Name += "/0" // an order about a volume
	}
	err := r.adm(ctx, words...)
	if err == nil {
		return drbdwire.Success, ""
	}
	if m := refusal.FindStringSubmatch(err.Error()); m != nil {
		if code, atoi := strconv.Atoi(m[1]); atoi == nil {
			return drbdwire.Code(code), err.Error()
		}
	}
	return 0, err.Error()
}
