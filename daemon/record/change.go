package record

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// A Change is one thing that is not as it was.
type Change struct {
	kind     changeKind
	field    string // of the liveness configuration
	value    time.Duration
	from, to time.Duration // of the recording
}

type changeKind uint8

const (
	otherTime      changeKind = 0 // a time of ha.cf has another value
	deaf           changeKind = 1 // no heartbeat is heard
	witnessAnswers changeKind = 2 // the witness answers at once, and hears nobody but this node
	witnessSilent  changeKind = 3 // it says nothing
)

// KnownChanges says what ParseChange reads.
const KnownChanges = "'deadtime TIME' (or keepalive, warntime), 'deaf FROM TO' (no heartbeat is heard), " +
	"'witness answers [FROM TO]' or 'witness silent [FROM TO]'; times are as 30s, and count from the node's start"

// ParseChange reads one of KnownChanges.
func ParseChange(text string) (Change, error) {
	words := strings.Fields(text)
	for _, known := range []struct {
		words string
		c     Change
	}{
		{"deadtime", Change{field: "Deadtime"}},
		{"keepalive", Change{field: "Keepalive"}},
		{"warntime", Change{field: "Warntime"}},
		{"deaf", Change{kind: deaf}},
		{"witness answers", Change{kind: witnessAnswers}},
		{"witness silent", Change{kind: witnessSilent}},
	} {
		name := strings.Fields(known.words)
		if len(words) < len(name) || strings.Join(words[:len(name)], " ") != known.words {
			continue
		}
		if c := known.c; c.times(words[len(name):]) {
			return c, nil
		}
	}
	return Change{}, fmt.Errorf("found %q, want one of: %s", text, KnownChanges)
}

// times reads what stands behind the name, and says whether it fits.
func (c *Change) times(words []string) bool {
	var err1, err2 error
	switch {
	case c.kind == otherTime:
		c.value, err1 = time.ParseDuration(strings.Join(words, "")) // "30 s" is a time too
		return err1 == nil && c.value > 0
	case len(words) == 2:
		c.from, err1 = time.ParseDuration(words[0])
		c.to, err2 = time.ParseDuration(words[1])
		return err1 == nil && err2 == nil && c.from <= c.to
	default:
		c.to = machine.Never
		return len(words) == 0 && c.kind != deaf
	}
}

// apply changes the machine, before each input: the peer says again and again
// how long it may be silent.
func (c Change) apply(m *machine.Machine) error {
	if c.kind != otherTime {
		return nil
	}
	alive := field(reflect.ValueOf(m).Elem(), "alive")
	if alive.IsNil() {
		return fmt.Errorf("%s: the node takes no part in a cluster", c.field)
	}
	cfg := field(alive.Elem(), "cfg")
	field(cfg, c.field).SetInt(int64(c.value))
	if c.field == "Deadtime" {
		field(field(alive.Elem(), "peer"), "deadtime").SetInt(int64(c.value))
		initdead := field(cfg, "Initdead")
		initdead.SetInt(max(initdead.Int(), int64(c.value)))
	}
	return nil
}

// field is a field that only its package may set.
func field(v reflect.Value, name string) reflect.Value {
	f := v.FieldByName(name)
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

// in says whether the change is about that time.
func (c Change) in(at time.Duration) bool { return at >= c.from && at <= c.to }

func (c Change) drops(e *journal.Entry) bool {
	switch {
	case !c.in(e.At):
		return false
	case c.kind == deaf:
		return e.Input.Part == machine.Liveness && e.Input.Liveness.Kind == liveness.Datagram
	case c.kind == witnessAnswers || c.kind == witnessSilent:
		kind := e.Input.Lease.Kind
		return e.Input.Part == machine.Lease && (kind == witness.Answered || kind == witness.Reached)
	default:
		return false
	}
}

// third is the witness of a changed replay: a real one, that this node alone
// asks. Nobody but the node has ever had a lease of it, so it decides as one
// does whose other node is silent.
type third struct {
	changes []Change
	voter   *witness.Voter
	answers [][]byte // to what was asked since the last input
}

// longest is the longest lease that it gives.
const longest = time.Hour

func newThird(changes []Change, s *Segment) *third {
	start := time.Duration(s.About.At) - longest // or it would be too young to give any
	return &third{changes: changes, voter: witness.NewVoter(start, longest, 1)}
}

// asked hears what the node asks the witness.
func (t *third) asked(at time.Duration, effects []machine.Effect) {
	for _, c := range t.changes {
		if c.kind != witnessAnswers || !c.in(at) {
			continue
		}
		for i := range effects {
			if e := &effects[i]; e.Part == machine.Lease && e.Lease.Kind == witness.AskWitness {
				t.ask(at, e.Lease.Data)
			}
		}
	}
}

func (t *third) ask(at time.Duration, question []byte) {
	ask, err := witnesswire.DecodeAsk(question)
	if err != nil {
		return // the node sends no such question
	}
	if answer, ok := t.voter.Ask(at, ask); ok {
		t.answers = append(t.answers, answer.Append(nil))
	}
}

// answer gives the node what the witness says.
func (t *third) answer(at time.Duration, step func(time.Duration, machine.Input)) {
	for len(t.answers) > 0 {
		data := t.answers[0]
		t.answers = t.answers[1:]
		step(at, machine.Input{Part: machine.Lease, Lease: witness.Input{Kind: witness.Answered, Data: data}})
	}
}
