package site

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Outcome is what a power loss of the active node did, and how long each phase
// took.
type Outcome struct {
	// Promised is the last record that the guest printed before the power went,
	// Found how many the next guest found on its disk.
	Promised, Found int64
	Phases          Phases
	// Resynced is what the returned node received, in KiB, of a disk of Size KiB.
	Resynced, Size uint64
}

// Phases add up to the time from the power loss to the first record of the
// guest on the other node.
type Phases struct {
	Detect  time.Duration // until the peer counts as dead
	Decide  time.Duration // until its groups are to start here
	Promote time.Duration // until the other node is Primary
	VG      time.Duration // until the volume group is active
	Guest   time.Duration // until the guest has written its first record
}

// Total is the guest's downtime.
func (p Phases) Total() time.Duration { return p.Detect + p.Decide + p.Promote + p.VG + p.Guest }

// A Phase is one of Phases, or their total.
type Phase struct {
	Name string
	Took time.Duration
}

// List names them in their order, the total last.
func (p Phases) List() []Phase {
	return []Phase{
		{"detect", p.Detect},
		{"decide", p.Decide},
		{"promote", p.Promote},
		{"VG", p.VG},
		{"guest", p.Guest},
		{"all", p.Total()},
	}
}

// Crash takes the power from the node that runs the guest, and waits for the
// guest on the other one.
func (p *Pair) Crash(ctx context.Context, active, other *Node) (o Outcome, err error) {
	died := time.Now()
	active.PowerLoss()
	o.Promised, _ = active.Printed()
	p.say("%s: the last record that its guest has promised is %d", active.Name, o.Promised)
	var dead, decided, primary, vg time.Time
	for _, step := range []struct {
		text string
		at   *time.Time
	}{
		{"counts as dead", &dead},
		{active.Name + " is dead", &decided},
		{"role Secondary -> Primary", &primary},
		{"start xenHA", &vg},
	} {
		if *step.at, err = other.says(ctx, died, step.text); err != nil {
			return o, err
		}
	}
	if o.Found, err = other.verified(ctx, died); err != nil {
		return o, err
	}
	var first time.Time
	err = Wait(ctx, "the guest on "+other.Name+" writes", Soon, func() (bool, error) {
		first = other.firstRecord(died)
		return !first.IsZero(), nil
	})
	o.Phases = Phases{
		Detect: dead.Sub(died), Decide: decided.Sub(dead), Promote: primary.Sub(decided),
		VG: vg.Sub(primary), Guest: first.Sub(vg),
	}
	p.say("%s: the guest goes on %.1f s after the power loss; it found %d records, promised were %d",
		other.Name, o.Phases.Total().Seconds(), o.Found, o.Promised)
	if err == nil && o.Found < o.Promised {
		err = fmt.Errorf("the guest on %s found %d records, %s had promised %d",
			other.Name, o.Found, active.Name, o.Promised)
	}
	return o, err
}

// says waits until the node has said that, since then, and when it did.
func (n *Node) says(ctx context.Context, since time.Time, text string) (at time.Time, err error) {
	what := fmt.Sprintf("%s says %q", n.Name, text)
	err = Wait(ctx, what, Soon+n.pair.Timers.Deadtime, func() (_ bool, err error) {
		at, err = n.When(since, text)
		return err == nil, err
	})
	return at, err
}

// verified waits until a guest that started since then has verified its
// records, and says how many it found.
func (n *Node) verified(ctx context.Context, since time.Time) (found int64, err error) {
	const says = "web1 verified "
	err = Wait(ctx, "the guest on "+n.Name+" has verified its records", Soon, func() (bool, error) {
		for _, e := range n.Events(since) {
			if rest, ok := strings.CutPrefix(e.Text, says); ok {
				_, err := fmt.Sscanf(rest, "%d", &found)
				return true, err
			}
			if strings.HasPrefix(e.Text, "web1 failed") {
				return false, fmt.Errorf("%s", e.Text)
			}
		}
		return false, nil
	})
	return found, err
}

// Return boots a node that lost its power and starts its daemon, which must not
// start anything before its copy is good; then the group goes back to it.
func (p *Pair) Return(ctx context.Context, n *Node, o *Outcome) error {
	returned := time.Now()
	if err := n.Boot(ctx); err != nil {
		return err
	}
	if err := n.configure(ctx, true); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	if err := p.Synced(ctx); err != nil {
		return err
	}
	r, err := n.Resource(ctx)
	if err != nil {
		return err
	}
	o.Resynced, o.Size = r.Counters.ReceivedBytes/1024, r.SizeKiB
	p.say("%s: has received %d KiB of %d KiB", n.Name, o.Resynced, o.Size)
	if o.Resynced > o.Size/2 {
		return fmt.Errorf("%s: received %d KiB of %d KiB: that is no resync of what differs", n.Name, o.Resynced, o.Size)
	}
	if err := p.Runs(ctx, n); err != nil {
		return err
	}
	return n.startedLate(returned)
}

// startedLate checks that the node started nothing before its copy was good.
func (n *Node) startedLate(since time.Time) error {
	good := false
	for _, e := range n.Events(since) {
		switch {
		case strings.Contains(e.Text, "-> UpToDate"):
			good = true
		case strings.HasPrefix(e.Text, "start ") && !good, strings.Contains(e.Text, "role Secondary -> Primary") && !good:
			return fmt.Errorf("%s: %q before its copy was good", n.Name, e.Text)
		}
	}
	return nil
}
