package world

import (
	"fmt"
	"slices"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// A Move is what a node's cluster cores decided, and how far the node and the group had come. The zero Move is none.
type Move struct {
	Did   uint8 // index of moves, from 1
	Stage uint8 // index of stages
	Group uint8 // index of groups, of the group that it is about
}

// What the cores call these.
var (
	moves = [...]string{
		"", "look", "start", "stop", "fence", "group is held", "group is not held", "leave", "peer up", "peer restarted",
		"peer late", "peer died", "peer healed", "communication up", "drain",
	}
	stages = [...]string{
		"not started", "looking at what runs here", "waiting for the peer", "asking the peer what it holds",
		"settling", "stable", "stopping", "leaving", "left",
	}
	groups = [...]string{
		"unknown", "stopped", "waiting", "failed", "starting", "running", "restarting", "stopping", "running in part",
	}
)

// coverMoves counts the states that a step came through, and what it made the node do.
func (n *Node) coverMoves() {
	if n.w.seen == nil {
		return
	}
	for i := range n.out {
		e := &n.out[i]
		if e.Part == machine.Replica && e.Replica.Kind == replica.Changed && e.Replica.State != 0 {
			s := drbdwire.UnpackState(e.Replica.State) // some are passed within a step
			n.w.seen[Pair{Role: s.Role, Conn: s.Conn, Disk: s.Disk, PeerDisk: s.PeerDisk}]++
			continue
		}
		did, group := moved(e)
		if did == "" {
			continue
		}
		snapshot := n.core.Status().Failover
		m := Move{Did: index(moves[:], did), Stage: index(stages[:], snapshot.Stage)}
		if group < len(snapshot.Groups) {
			m.Group = index(groups[:], snapshot.Groups[group].State)
		}
		n.w.seen[Pair{Move: m}]++
	}
}

// moved says what an effect is called, if it is a move, and which group it is about.
func moved(e *machine.Effect) (did string, group int) {
	switch e.Part {
	case machine.Failover:
		return movedGroup(&e.Failover), e.Failover.Group
	case machine.Liveness:
		return movedPeer(&e.Liveness), 0
	default:
		return "", 0
	}
}

func movedGroup(e *failover.Effect) string {
	switch e.Kind {
	case failover.Do:
		return map[failover.Action]string{failover.Status: "look", failover.Start: "start", failover.Stop: "stop"}[e.Action]
	case failover.Fence:
		return "fence"
	case failover.Held:
		return map[bool]string{true: "group is held", false: "group is not held"}[e.OK]
	case failover.Left:
		return "leave"
	default:
		return ""
	}
}

func movedPeer(e *liveness.Effect) string {
	switch e.Kind {
	case liveness.PeerUp:
		return map[bool]string{true: "peer restarted", false: "peer up"}[e.Restarted]
	case liveness.PeerLate:
		return "peer late"
	case liveness.PeerDied:
		return "peer died"
	case liveness.PeerHealed:
		return "peer healed"
	case liveness.CommsUp:
		return "communication up"
	case liveness.Drain:
		return "drain"
	default:
		return ""
	}
}

func index(names []string, name string) uint8 {
	i := slices.Index(names, name)
	if i < 0 {
		panic(fmt.Sprintf("coverage: found %q, want one of %q", name, names))
	}
	return uint8(i)
}

// missingMoves names the moves, and the states of nodes and groups, that no pair of c has.
func (c Coverage) missingMoves() (out []string) {
	var did [len(moves)]bool
	var atStage [len(stages)]bool
	var ofGroup [len(groups)]bool
	for p := range c {
		if p.Move != (Move{}) {
			did[p.Move.Did], atStage[p.Move.Stage], ofGroup[p.Move.Group] = true, true, true
		}
	}
	for _, part := range []struct {
		name  string
		names []string
		seen  []bool
	}{{"", moves[1:], did[1:]}, {"node ", stages[1:], atStage[1:]}, {"group ", groups[:], ofGroup[:]}} {
		for i, name := range part.names {
			if !part.seen[i] {
				out = append(out, part.name+name)
			}
		}
	}
	return out
}
