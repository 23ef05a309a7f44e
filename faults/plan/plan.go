// Package plan is what goes wrong and when: plain values with a text form, one
// line for each fault, and a generator that draws them from a seed. A Scenario
// is a plan with all that belongs to it; the grammar stands there.
//
//	30.5s power milo1 20s
//	41s   cut-data milo2 12s
//	on milo2 SyncTarget 50% break milo1
//
// Who carries a plan out decides how: the simulator on virtual time, a test
// with real machines by signals, rules of a firewall and switches.
package plan

import (
	"fmt"
	"strings"
	"time"
)

// A Kind is a way to go wrong, or an order that an operator gives meanwhile.
type Kind uint8

// The kinds. Those with a time last that long.
const (
	Power    Kind = 1  // the node loses power, and comes back after a time
	Crash    Kind = 2  // its daemon dies, and comes back after a time
	Pause    Kind = 3  // its daemon stands still for a time
	CutData  Kind = 4  // what the node sends on the replication link gets lost for a time
	CutBeats Kind = 5  // its heartbeats get lost for a time
	Cut      Kind = 6  // both
	Split    Kind = 7  // both, of both nodes
	Break    Kind = 8  // the replication connection is reset
	Stall    Kind = 9  // what the node sends on the replication link is held up for a time
	SlowDisk Kind = 10 // its disk takes long for a time
	HungDisk Kind = 11 // its disk answers nothing for a time
	BadDisk  Kind = 12 // its disk fails requests for a time
	Restart  Kind = 13 // its daemon is stopped in order, and comes back after a time
	Leave    Kind = 14 // an operator disconnects its replica for a time
	Standby  Kind = 15 // an operator moves everything off the node
	Takeover Kind = 16 // an operator moves everything to the node
	Detach   Kind = 17 // an operator detaches its disk for a time
	Give     Kind = 18 // an operator disconnects its replica for a time, and gives its data up when he connects it
	Fetch    Kind = 19 // an operator says that its data is bad (invalidate)
	Push     Kind = 20 // an operator says that the other node's data is bad (invalidate-remote)
	Outdate  Kind = 21 // an operator says that its data is old
	Verify   Kind = 22 // an operator has the copies compared
	Suspend  Kind = 23 // an operator pauses resyncs for a time (pause-sync)
	Freeze   Kind = 24 // an operator lets its users wait for a time (suspend-io)
	Wall     Kind = 25 // its wall clock is wrong for a time
	Sleep    Kind = 26 // its machine stands still for a time, and all its clocks with it
	Rot      Kind = 27 // a block of its disk that no guest uses changes by itself
	Damage   Kind = 28 // a block that it sends on the replication link arrives changed, and nobody but its digest tells
	// CutWitness: nothing passes between the node and the witness for a time. A
	// Crash of the Witness is the other thing that happens to it.
	CutWitness Kind = 29
	BadSpots   Kind = 30 // sectors of its disk can't be read until they are written
	BadRange   Kind = 31 // a part of its disk fails every request for a time
	BadMeta    Kind = 32 // its disk fails every request for DRBD's metadata for a time
	Unstored   Kind = 33 // its disk answers that it has written, and has not, once
	Astray     Kind = 34 // its disk writes to a wrong place, once
	// OldDisk: the node loses power, and comes back after a time with its disk as
	// it was some seconds before; on a trigger, as it was when the run had just begun.
	OldDisk  Kind = 35
	Die      Kind = 36 // the guest that runs on the node dies
	Maintain Kind = 37 // an operator has both nodes decide nothing by themselves for a time
	// DeadFence: what the node would switch its peer off with does nothing for a
	// time, and says so. (A device that fails by chance may have done it.)
	DeadFence Kind = 38
	// Crowd: others have the memory of the node for a time, and its guest can't start.
	Crowd  Kind = 39
	Abort  Kind = 40 // an operator ends the comparison of the copies
	Demote Kind = 41 // an operator makes it Secondary
	// Renew: an operator disconnects its replica for a time, and begins a new
	// generation of its data meanwhile, as one does who sends a copy by truck.
	Renew  Kind = 42
	Adjust Kind = 43 // an operator changes what its configuration file says for a time
	Kinds  Kind = 44 // how many there are, and one
)

// words are the kinds in text form.
var words = [Kinds]string{
	Power: "power", Crash: "crash", Pause: "pause", CutData: "cut-data", CutBeats: "cut-beats", Cut: "cut",
	Split: "split", Break: "break", Stall: "stall", SlowDisk: "slow-disk", HungDisk: "hung-disk",
	BadDisk: "bad-disk", Restart: "restart", Leave: "leave", Standby: "standby", Takeover: "takeover",
	Detach: "detach", Give: "discard-my-data", Fetch: "invalidate", Push: "invalidate-remote", Outdate: "outdate",
	Verify: "verify", Suspend: "pause-sync", Freeze: "suspend-io",
	Wall: "wall-clock", Sleep: "sleep", Rot: "rot", Damage: "damage", CutWitness: "cut-witness",
	BadSpots: "bad-sectors", BadRange: "bad-range", BadMeta: "bad-metadata", Unstored: "lost-write",
	Astray: "misdirected-write", OldDisk: "old-disk", Die: "die",
	Maintain: "maintenance", DeadFence: "dead-fence", Crowd: "crowd",
	Abort: "verify-abort", Demote: "secondary", Renew: "new-current-uuid", Adjust: "adjust",
}

// String is the kind's word.
func (k Kind) String() string {
	if k == 0 || k >= Kinds {
		return fmt.Sprintf("fault(%d)", uint8(k))
	}
	return words[k]
}

// Lasts tells whether faults of the kind end by themselves.
func (k Kind) Lasts() bool {
	switch k {
	case Break, Standby, Takeover, Fetch, Push, Outdate, Verify, Rot, Damage, BadSpots, Unstored, Astray, Die, Abort, Demote:
		return false
	default:
		return true
	}
}

// A Fault is one thing that goes wrong.
type Fault struct {
	On   Trigger       // none: at a time
	At   time.Duration // since the start, or since the trigger
	Kind Kind
	Node int // 0 or 1; or Witness
	For  time.Duration
}

// Plan is all that goes wrong, in the order of time.
type Plan []Fault

// Witness is the third place, where there is one; it can Crash, and come back with
// an OldDisk where it is a store.
const Witness = 2

// Names are what the nodes are called in text form.
var names = [3]string{"milo1", "milo2", "witness"}

// String is the text form; Parse reads it.
func (p Plan) String() string {
	var b strings.Builder
	for _, f := range p {
		f.appendMoment(&b)
		fmt.Fprintf(&b, " %v %s", f.Kind, names[f.Node])
		if f.Kind.Lasts() {
			fmt.Fprintf(&b, " %v", f.For)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Parse reads the text form: the faults of a Scenario and nothing else. It
// fails on a word that it does not know, and on times that go back.
func Parse(text string) (Plan, error) {
	s, err := ParseScenario(text)
	if err == nil && (len(s.Settings)+len(s.Expect) > 0 || s.Profile != "" || s.Seed != 0) {
		err = fmt.Errorf("found a scenario with settings, want a plan of faults alone")
	}
	return s.Plan, err
}

// inOrder fails if the last fault strikes before one above it.
func (p Plan) inOrder() error {
	last := p[len(p)-1]
	for _, f := range p {
		if f.On.Word == "" && last.On.Word == "" && f.At > last.At {
			return fmt.Errorf("found time %v, want it not before the line above", last.At)
		}
	}
	return nil
}

// parseNode takes one of the first of the names.
func parseNode(word string, of int) (int, error) {
	for n, name := range names[:of] {
		if name == word {
			return n, nil
		}
	}
	return 0, fmt.Errorf("found node %q, want %s or %s", word, names[0], names[1])
}

func parseFault(fields []string) (f Fault, err error) {
	if fields[0] == "on" {
		if f.On, f.At, fields, err = parseTrigger(fields); err != nil {
			return f, err
		}
	} else {
		if f.At, err = time.ParseDuration(fields[0]); err != nil || f.At < 0 {
			return f, fmt.Errorf("found time %q, want one as 30.5s", fields[0])
		}
		fields = fields[1:]
	}
	if len(fields) < 2 {
		return f, fmt.Errorf("found %d words after the time, want KIND NODE and for most kinds a time", len(fields))
	}
	for k := Power; k < Kinds; k++ {
		if words[k] == fields[0] {
			f.Kind = k
		}
	}
	if f.Node, err = parseNode(fields[1], len(names)); err != nil {
		return f, err
	}
	switch {
	case f.Node == Witness && f.Kind != Crash && f.Kind != OldDisk:
		return f, fmt.Errorf("found %s, want crash or old-disk: nothing else happens to the witness", fields[0])
	case f.Kind == 0:
		return f, fmt.Errorf("found kind %q, want one of %s", fields[0], strings.Join(words[1:], ", "))
	case !f.Kind.Lasts() && len(fields) == 2:
		return f, nil
	case len(fields) != 3 || !f.Kind.Lasts():
		return f, fmt.Errorf("found %d words after %s, want %s NODE and a time if the kind lasts", len(fields)-1,
			fields[0], fields[0])
	}
	if f.For, err = time.ParseDuration(fields[2]); err != nil || f.For < 0 {
		return f, fmt.Errorf("found duration %q, want one as 12s", fields[2])
	}
	return f, nil
}
