package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/rehearsal"
)

// step is a resource, and what is done with it.
type step struct {
	resource string
	action   failover.Action
}

// durations is how long each step took last.
type durations struct {
	mu   sync.Mutex
	took map[step]time.Duration
}

func (d *durations) note(resource string, action failover.Action, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.took == nil {
		d.took = map[step]time.Duration{}
	}
	d.took[step{resource, action}] = took
}

// Guesses of what takes how long where it was not measured: a guest boots in
// some seconds, and shuts down in more.
const (
	guessRole  = 500 * time.Millisecond
	guessOther = time.Second
	guessBoot  = 10 * time.Second
	guessHalt  = 30 * time.Second
	guessShot  = 10 * time.Second
)

// expect is how long a step takes, here or on the peer, where it is taken to
// take as long as here.
func (d *durations) expect(_ bool, r haconf.Resource, action failover.Action) (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if took, ok := d.took[step{r.Text, action}]; ok {
		return took, true
	}
	switch {
	case r.Script == config.RoleScript:
		return guessRole, false
	case strings.HasSuffix(strings.ToLower(r.Script), "xen") || r.Script == "xenHA":
		if action == failover.Start {
			return guessBoot, false
		}
		return guessHalt, false
	default:
		return guessOther, false
	}
}

// askWithin is how long the other node may take to say whether it has room.
const askWithin = 5 * time.Second

// plan tells what an order about groups would do now.
func (n *Node) plan(o control.Order) control.Answer {
	if n.site.HA == nil {
		return control.Answer{Text: "this node has no ha.cf: there are no groups to move"}
	}
	if len(o.Args) != 2 {
		return control.Answer{Text: "found no order and groups to plan, want both, as standby all"}
	}
	kind, ok := map[string]failover.OrderKind{
		"standby": failover.OrderStandby, "takeover": failover.OrderTakeover,
	}[o.Args[0]]
	set, err := failover.ParseSet(o.Args[1])
	switch {
	case !ok:
		return control.Answer{Text: fmt.Sprintf("found %q, want standby or takeover", o.Args[0])}
	case err != nil:
		return control.Answer{Text: err.Error()}
	}
	facts, leased := n.facts()
	unsure := false
	facts.NoRoom = func(own bool, groups string) string {
		if own {
			return n.noRoom(groups)
		}
		ctx, cancel := context.WithTimeout(n.ctx, askWithin)
		defer cancel()
		why, known := n.rooms.ask(ctx, groups)
		unsure = !known
		return why
	}
	p, err := rehearsal.Play(facts, kind, set, o.Force)
	switch {
	case err != nil:
		return control.Answer{Text: err.Error()}
	case !p.OK && len(p.Steps) == 0:
		return control.Answer{Text: p.Text}
	}
	text := n.tellPlan(&p, leased && !facts.Alive)
	if unsure {
		text += fmt.Sprintf("%s does not say whether it has the memory for the guests\n", n.site.Peer)
	}
	return control.Answer{OK: true, Text: text}
}

// facts are what a rehearsal starts from: this node as it is, and the other one
// as far as it has said; and whether groups need a lease.
func (n *Node) facts() (f rehearsal.Facts, leased bool) {
	f = rehearsal.Facts{Took: n.durations.expect, Shot: guessShot}
	n.ask(func(m *machine.Machine) {
		f.Config = n.site.Machine(n.identity.Identity).Failover
		status := m.Status()
		s := status.Failover
		leased = status.Lease != nil
		f.Alive = s.Peer.Present && !s.Peer.Left
		for i, g := range s.Groups {
			set := failover.Foreign // as the peer names it
			if !strings.EqualFold(g.Preferred, n.site.Node) {
				set = failover.Local
			}
			f.Own.Runs = append(f.Own.Runs, g.Held)
			f.Peer.Runs = append(f.Peer.Runs, f.Alive && !g.Claimed && s.Peer.Holding&set != 0)
			_, why := m.MayStart(i)
			f.Own.MayStart = append(f.Own.MayStart, why)
			f.Peer.MayStart = append(f.Peer.MayStart, n.whyNotThere(m, i))
		}
	})
	return f, leased
}

// whyNotThere says why the peer's data below a group may not be used; "" is that
// they may, or serve users already.
func (n *Node) whyNotThere(m *machine.Machine, group int) string {
	_, why := m.MayGive(group)
	for i, r := range n.site.Resources {
		word := config.RoleScript + "::" + r.Conf.Name
		here := slices.ContainsFunc(n.site.Groups[group].Resources, func(w haconf.Resource) bool { return w.Text == word })
		if here && m.State(i).Peer == drbdwire.Primary {
			return ""
		}
	}
	return why
}

// tellPlan writes a plan for people.
func (n *Node) tellPlan(p *rehearsal.Plan, lease bool) string {
	var b strings.Builder
	guessed := false
	for _, s := range p.Steps {
		took := fmt.Sprintf("%.1f s", s.Took.Seconds())
		if !s.Measured {
			took, guessed = "about "+took, true
		}
		action := s.Action + " " + s.Resource
		if s.Action == "fence" {
			action = "is switched off by its fencing device"
		}
		fmt.Fprintf(&b, "%8.1f s  %s  %-44s %s\n", s.At.Seconds(), s.Node, action, took)
	}
	if len(p.Steps) == 0 {
		b.WriteString("nothing would be done\n")
	}
	for i, g := range n.site.Groups {
		if away := awayFor(p, i); away > 0 {
			fmt.Fprintf(&b, "%s is away for %.1f s\n", g.Key(), away.Seconds())
		}
	}
	fmt.Fprintf(&b, "after %.1f s, the answer: %s\n", p.Ends.Seconds(), p.Text)
	if guessed {
		b.WriteString("\"about\" is a guess: that step was not taken here since the daemon started\n")
	}
	if lease {
		b.WriteString("before anything starts, this node has to get the lease\n")
	}
	return b.String()
}

// awayFor is how long a group runs nowhere: from the first step about it to the
// end of the last.
func awayFor(p *rehearsal.Plan, group int) (away time.Duration) {
	first := time.Duration(-1)
	for _, s := range p.Steps {
		if s.Group != group {
			continue
		}
		if first < 0 {
			first = s.At
		}
		away = s.At + s.Took - first
	}
	return away
}
