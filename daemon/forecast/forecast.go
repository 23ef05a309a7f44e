// Package forecast says what becomes of a pair when something fails, or two things one after the other: who runs the
// guests then, how long they are away, and why. It is a table of rules and decides nothing; the cores decide. That both
// come to the same is for the simulator to prove: a test lets the rows happen there.
//
// A row is about one group that node 0 runs while everything is well. What fails stays so, and nobody intervenes.
package forecast

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/witness"
)

// A Failure is one thing that fails.
type Failure uint8

// The failures. Active is the node that runs the group, Standby the other one.
const (
	Active      Failure = 0 // the node loses power
	Standby     Failure = 1
	ActiveDisk  Failure = 2 // the disk below fails every request
	StandbyDisk Failure = 3
	Link        Failure = 4 // nothing passes on the replication link
	Beats       Failure = 5 // on all heartbeat links
	Network     Failure = 6 // on both, at once
	Witness     Failure = 7 // the witness is down
	ActiveWay   Failure = 8 // nothing passes between the node and the witness
	StandbyWay  Failure = 9
	Device      Failure = 10 // the fencing device does nothing, and says so
)

// Setup is what of a configuration counts.
type Setup struct {
	Names    [2]string // of the nodes; the first one runs the group
	Policy   witness.Policy
	Fence    bool          // there is a fencing device
	Monitor  bool          // what failed to start is tried again
	Async    bool          // protocol A: a write may be acknowledged before the other node has it
	Deadtime time.Duration // of silence, until a node counts as dead
	Lease    time.Duration
	Detect   time.Duration // until the loss of the replication is noticed, at most
	Shot     time.Duration // until a fencing device has answered
}

// Row is what becomes of the pair.
type Row struct {
	Failures []Failure // in the order in which they happen
	Runs     [2]bool   // whose guests run at last
	// Gap is how long the guests are away, at most, after the last failure; plus a start of the group if Starts. It
	// means nothing if they run nowhere.
	Gap    time.Duration
	Starts bool
	Why    string // empty: nothing changes
	Risk   string // to the data; empty: none
}

// Failures are those that can happen to a pair.
func (s Setup) Failures() []Failure {
	all := []Failure{Active, Standby, ActiveDisk, StandbyDisk, Link, Beats, Network}
	if s.Policy == witness.ByWitness {
		all = append(all, Witness, ActiveWay, StandbyWay)
	}
	if s.Fence {
		all = append(all, Device)
	}
	return all
}

// Name says what fails, for people.
func (s Setup) Name(f Failure) string {
	node := func(of Failure) string { return s.Names[f-of] }
	switch f {
	case Active, Standby:
		return node(Active)
	case ActiveDisk, StandbyDisk:
		return "disk of " + node(ActiveDisk)
	case ActiveWay, StandbyWay:
		return "way from " + node(ActiveWay) + " to the witness"
	default:
		return map[Failure]string{
			Link: "replication link", Beats: "heartbeat links", Network: "all links between the nodes",
			Witness: "witness", Device: "fencing device",
		}[f]
	}
}

// Row is what becomes of the pair when these fail, one after the other has come to rest.
func (s Setup) Row(failures ...Failure) Row {
	p := newPair(s)
	risk := ""
	for _, f := range failures {
		p.fail(f)
		switch {
		case p.runs[0] && p.runs[1]:
			risk = "both write: what one of them wrote is lost when the nodes meet"
		case p.starts && s.Async && p.connected:
			risk = "acknowledged writes that were on their way are lost (protocol A)"
		}
	}
	return Row{Failures: failures, Runs: p.runs, Gap: p.gap, Starts: p.starts, Why: strings.Join(p.why, "; "), Risk: risk}
}

// Singles is a row for each failure.
func (s Setup) Singles() (rows []Row) {
	for _, f := range s.Failures() {
		rows = append(rows, s.Row(f))
	}
	return rows
}

// Pairs is a row for each two failures, in both orders. The two links are no pair of their own: that is Network.
func (s Setup) Pairs() (rows []Row) {
	for _, first := range s.Failures() {
		for _, second := range s.Failures() {
			if first != second {
				rows = append(rows, s.Row(first, second))
			}
		}
	}
	return rows
}

// Same tells whether two rows come to the same for a guest.
func (r Row) Same(o Row) bool {
	return r.Runs == o.Runs && r.Risk == o.Risk && (r.Runs == [2]bool{} || r.Gap == o.Gap && r.Starts == o.Starts)
}

// Reversed is the row of the same failures the other way round.
func (s Setup) Reversed(r Row) Row {
	failures := slices.Clone(r.Failures)
	slices.Reverse(failures)
	return s.Row(failures...)
}

// say adds a reason; nodes are for its verbs, in order.
func (p *pair) say(format string, nodes ...int) {
	names := make([]any, len(nodes))
	for i, n := range nodes {
		names[i] = p.setup.Names[n]
	}
	p.why = append(p.why, fmt.Sprintf(format, names...))
}
