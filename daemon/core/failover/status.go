package failover

import (
	"cmp"
	"fmt"
	"time"
)

// Snapshot is what can be said about a core at one moment, for status output, failed tests and recordings.
type Snapshot struct {
	Stage       string // what the node is doing
	Holding     string // none, local, foreign, all, or transition: as cl_status rscstatus prints it
	Settled     bool   // nothing is being started, stopped or exchanged
	Maintenance bool   // nothing is decided but what operators order
	Exchange    string // what an exchange with the peer waits for, or none
	Failback    string // why groups that are to go back to the peer still run here; empty if none are
	// FailbackDue is when they go if nothing comes between, on the clock of Step; 0 is not announced.
	FailbackDue time.Duration
	Peer        PeerSnapshot
	Groups      []GroupSnapshot
	// Decisions are the last ones, oldest first.
	Decisions []Decision
}

// PeerSnapshot is what the peer has said.
type PeerSnapshot struct {
	Present bool // heard, and not dead
	Left    bool // it has stopped everything and left
	Known   bool // it has said what it holds
	Settled bool
	Holding Set // as it names it
}

// GroupSnapshot is one line of haresources on this node.
type GroupSnapshot struct {
	Key       string
	Preferred string
	State     string // unknown, stopped, waiting, failed, starting, running, restarting, stopping, running in part
	Step      int    // while starting and stopping: how many resources are there already
	Claimed   bool   // something of it may run here
	Held      bool   // all of it is confirmed to run here
	Reason    string // why it waits, has failed, or does not stop; and the cure
	Resources []ResourceSnapshot
}

// ResourceSnapshot is one resource, as it was last seen.
type ResourceSnapshot struct {
	Name  string
	State State
}

// Snapshot describes the core. It aliases nothing of it.
func (c *Core) Snapshot() Snapshot {
	s := Snapshot{
		Stage: c.stage.String(), Settled: c.settled(), Holding: "transition", Exchange: c.exchange.phase.String(),
		Failback: c.goback.wait, Maintenance: c.upkeep.on(),
		Peer: PeerSnapshot{
			Present: c.peer.present, Left: c.peer.left, Known: c.peer.known, Settled: c.peer.stable,
			Holding: c.peer.holds,
		},
	}
	if c.goback.due > c.now && c.goback.wait == c.goback.said {
		s.FailbackDue = c.goback.due
	}
	s.Decisions = append(s.Decisions, c.decisions...)
	if s.Settled {
		s.Holding = c.holds().String()
	}
	for i := range c.groups {
		s.Groups = append(s.Groups, c.snapshotOf(&c.groups[i]))
	}
	return s
}

func (c *Core) snapshotOf(g *group) GroupSnapshot {
	s := GroupSnapshot{Key: g.key, Preferred: c.cfg.Peer, Claimed: g.claims(), Held: g.held}
	if g.local {
		s.Preferred = c.cfg.Node
	}
	at := map[State]int{}
	for _, r := range g.steps {
		at[r.state]++
		s.Resources = append(s.Resources, ResourceSnapshot{Name: r.name, State: r.state})
	}
	switch {
	case g.restarting:
		s.State = "restarting"
	case g.goal == run:
		s.State, s.Step = "starting", at[Running]
	case g.goal == halt && !g.empty():
		s.State, s.Step, s.Reason = "stopping", at[Stopped], g.stuck
	case g.full():
		s.State, s.Reason = "running", cmp.Or(g.watch.trouble, g.watch.blind)
	case g.empty() && g.failed != "":
		s.State, s.Reason = "failed", g.failed+c.afterFailure(g)
	case g.empty() && g.waiting != "":
		s.State, s.Reason = "waiting", g.waiting
	case g.empty():
		s.State = "stopped"
	case g.unknown():
		s.State, s.Reason = "unknown", "its status program gives no answer; nothing starts on that"
	default:
		s.State, s.Reason = "running in part", g.waiting
	}
	return s
}

// afterFailure says what comes after a failed start, and what an operator can do.
func (c *Core) afterFailure(g *group) string {
	if g.handed {
		return fmt.Sprintf("; %s was asked to run it, or has handed it over after failing itself. Mend the cause, then "+
			"order a takeover here", c.cfg.Peer)
	}
	return fmt.Sprintf("; %s will be asked to run it as soon as it can. Or mend the cause and order a takeover here",
		c.cfg.Peer)
}
