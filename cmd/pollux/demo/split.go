package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/optionc/pollux/daemon/node"
)

// partition is the story of two nodes that lose each other, and of the third
// place that decides between them.
func (d *demo) partition() ([]part, func(), error) {
	s := &sites{demo: d, between: newLine(), toWitness: [2]*line{newLine(), newLine()}}
	return []part{
		{"two nodes with fresh disks, and a witness", func(ctx context.Context) error {
			ofA, ofB, err := s.connect()
			if err != nil {
				return err
			}
			return d.prepare(ctx, ofA, ofB)
		}},
		{"initial sync", d.initialSync},
		{"steady state", d.steady},
		{"the link between the nodes is cut; both reach the witness", s.cutLink},
		{"the link is whole again", s.healLink},
		{"milo1, where the guest runs, is cut off from milo2 and from the witness", s.isolate},
		{"the lines are whole again", s.rejoin},
		{"a clean end", d.end},
	}, s.cleanUp, nil
}

// cutLink shows that the active node goes on alone, and the other one does not
// begin.
func (s *sites) cutLink(ctx context.Context) error {
	guest, err := s.a.guest()
	if err != nil {
		return err
	}
	s.between.cut()
	s.say("cut: nothing passes between milo1 and milo2")
	if err := s.oneOnly(ctx, "milo2 counts milo1 as dead, and does not get the lease", func(_, b *node.Status) bool {
		return group(b).State == "waiting" && strings.Contains(group(b).Reason, "the other node has it")
	}); err != nil {
		return err
	}
	s.why(ctx, s.b)
	if err := s.oneOnly(ctx, "milo1 goes on alone", func(a, _ *node.Status) bool {
		return a != nil && a.Resources[0].Connection != "Connected" && group(a).State == "running"
	}); err != nil {
		return err
	}
	if err := s.writes(ctx, 500); err != nil {
		return err
	}
	s.why(ctx, s.a)
	// The other one asks on, and gets nothing: for longer than a lease.
	until := time.Now().Add(leaseFor)
	if err := s.oneOnly(ctx, "a lease is over", func(_, b *node.Status) bool {
		return time.Now().After(until) && group(b).State == "waiting"
	}); err != nil {
		return err
	}
	return s.a.stillRuns(guest)
}

// healLink shows that the other node gets what it missed, and nothing else
// happens.
func (s *sites) healLink(ctx context.Context) error {
	guest, err := s.a.guest()
	if err != nil {
		return err
	}
	s.between.heal()
	s.say("milo1 and milo2 reach each other again")
	if err := s.oneOnly(ctx, "both disks are UpToDate again", upToDate); err != nil {
		return err
	}
	if err := s.writes(ctx, 200); err != nil {
		return err
	}
	return s.a.stillRuns(guest)
}

// isolate shows that an active node that nobody hears freezes, and stops before
// the other one starts.
func (s *sites) isolate(ctx context.Context) error {
	if err := s.forget(s.b); err != nil {
		return err
	}
	s.between.cut()
	s.toWitness[0].cut()
	cut := time.Now()
	s.say("cut: nothing passes between milo1 and anybody")
	if err := s.oneOnly(ctx, "milo1 lets its guest wait", func(a, _ *node.Status) bool {
		return a != nil && (a.Resources[0].Frozen != "" || group(a).State != "running")
	}); err != nil {
		return err
	}
	s.why(ctx, s.a)
	if err := s.oneOnly(ctx, "milo1 has stopped its guest", func(a, _ *node.Status) bool {
		return group(a).State == "waiting"
	}); err != nil {
		return err
	}
	s.say("milo1: the group is stopped %.1f s after the cut", time.Since(cut).Seconds())
	s.why(ctx, s.a)
	if err := s.runsOn(ctx, s.b); err != nil {
		return err
	}
	s.say("milo2: the guest runs %.1f s after the cut, with the lease of %v", time.Since(cut).Seconds(), leaseFor)
	return s.writes(ctx, 500)
}

// rejoin shows that the group stays where it is, and the disks become equal.
func (s *sites) rejoin(ctx context.Context) error {
	guest, err := s.b.guest()
	if err != nil {
		return err
	}
	s.between.heal()
	s.toWitness[0].heal()
	s.say("milo1 reaches milo2 and the witness again")
	if err := s.oneOnly(ctx, "both disks are UpToDate again", upToDate); err != nil {
		return err
	}
	if err := s.writes(ctx, 200); err != nil {
		return err
	}
	return s.b.stillRuns(guest)
}

// oneOnly waits as until does, and looks all the time that no two guests live.
func (s *sites) oneOnly(ctx context.Context, what string, holds func(a, b *node.Status) bool) error {
	two := false
	err := s.until(ctx, what, func(a, b *node.Status) bool {
		_, onA := s.a.guest()
		_, onB := s.b.guest()
		two = onA == nil && onB == nil
		return two || holds(a, b)
	})
	switch {
	case two:
		return fmt.Errorf("waiting until %s: a guest lives on both nodes", what)
	case err == nil:
		s.say("-> %s", what)
	}
	return err
}

// why prints what a node says of its group and its lease.
func (s *sites) why(ctx context.Context, h *host) {
	status, err := h.status(ctx)
	if err != nil {
		return // what comes next says why
	}
	g := group(status)
	s.say("%s: the group is %s%s", h.name, g.State, because(g.Reason))
	if frozen := status.Resources[0].Frozen; frozen != "" {
		s.say("%s: its guest's writes wait: %s", h.name, frozen)
	}
	if w := status.Cluster.Witness; w != nil && len(w.Leases) > 0 {
		if l := w.Leases[0]; l.Held {
			s.say("%s: has the lease, for %.1f s unless it is renewed", h.name, l.Left)
		} else {
			s.say("%s: does not have the lease%s", h.name, because(l.Reason))
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// guest is the process of the guest that lives here; there may be none.
func (h *host) guest() (pid int, err error) {
	text, err := os.ReadFile(filepath.Join(h.dir, "guest.pid"))
	if err != nil {
		return 0, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return 0, err
	}
	return pid, syscall.Kill(pid, 0)
}

// stillRuns tells whether the guest is the process that it was.
func (h *host) stillRuns(pid int) error {
	now, err := h.guest()
	switch {
	case err != nil:
		return fmt.Errorf("%s: the guest, process %d: %w", h.name, pid, err)
	case now != pid:
		return fmt.Errorf("%s: the guest was process %d, and now it is %d", h.name, pid, now)
	}
	h.demo.say("%s: the guest was never restarted: it is process %d as before", h.name, pid)
	return nil
}
