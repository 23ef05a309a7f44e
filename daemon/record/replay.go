package record

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
)

// Replay feeds a segment to the cores.
type Replay struct {
	// Changes are what is not as it was; see ParseChange.
	Changes []Change
	// Tell hears of everything that a person would want to know.
	Tell func(at time.Duration, text string)
}

// Parting is where a replay and its recording are not the same.
type Parting struct {
	Entry    int // from 0
	At       time.Duration
	Input    machine.Input
	Recorded []journal.Did
	Effects  []machine.Effect
}

// late is more than a tick of a running daemon ever is.
const late = 100 * time.Millisecond

// Run replays a segment up to its end, or up to the first parting if nothing
// was changed. Effects counts what was reproduced.
func (r Replay) Run(s *Segment) (effects int, parting *Parting, err error) {
	m, err := s.Machine()
	if err != nil {
		return 0, nil, err
	}
	if err := r.change(m); err != nil {
		return 0, nil, err
	}
	var out []machine.Effect
	third := newThird(r.Changes, s)
	step := func(at time.Duration, in machine.Input) {
		_ = r.change(m) // it worked the first time
		out = m.Step(at, in, out[:0])
		third.asked(at, out)
		r.tellAll(at, out)
	}
	whole := func(at time.Duration, in machine.Input) {
		step(at, in)
		m.Recycle()
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		if r.dropped(e) {
			continue
		}
		for len(r.Changes) > 0 && m.Deadline() < e.At-late { // ticks that only the changed run needs
			at := m.Deadline()
			whole(at, machine.Input{Part: machine.All})
			third.answer(at, whole)
		}
		step(e.At, e.Input)
		if parting == nil && journal.Digest(out) != e.Digest {
			parting = &Parting{Entry: i, At: e.At, Input: e.Input, Recorded: e.Did, Effects: append([]machine.Effect{}, out...)}
			if len(r.Changes) == 0 {
				return effects, parting, nil
			}
		}
		effects += len(out)
		m.Recycle()
		third.answer(e.At, whole)
	}
	return effects, parting, nil
}

func (r Replay) change(m *machine.Machine) error {
	for _, c := range r.Changes {
		if err := c.apply(m); err != nil {
			return err
		}
	}
	return nil
}

func (r Replay) dropped(e *journal.Entry) bool {
	for _, c := range r.Changes {
		if c.drops(e) {
			return true
		}
	}
	return false
}

func (r Replay) tellAll(at time.Duration, effects []machine.Effect) {
	for i := range effects {
		if text := told(&effects[i]); text != "" && r.Tell != nil {
			r.Tell(at, text)
		}
	}
}

// told is the line of an effect that a person would want to read; most have
// none.
func told(e *machine.Effect) string {
	switch {
	case e.Part == machine.Replica && e.Replica.Kind == replica.Changed,
		e.Part == machine.Replica && e.Replica.Kind == replica.Broken:
		return e.Replica.Text
	case e.Part == machine.Liveness && e.Liveness.Kind == liveness.Note:
		return e.Liveness.Text
	case e.Part == machine.Liveness && e.Liveness.Kind == liveness.PeerDied:
		return fmt.Sprintf("counts its peer as dead: silent for %.1f s", e.Liveness.Silent.Seconds())
	case e.Part == machine.Failover && e.Failover.Kind == failover.Note:
		return e.Failover.Text
	case e.Part == machine.Lease && e.Lease.Kind == witness.Note:
		return e.Lease.Text
	case e.Part == machine.Failover && e.Failover.Kind == failover.Do:
		return fmt.Sprintf("%v of resource %d in group %d", e.Failover.Action, e.Failover.Index, e.Failover.Group)
	default:
		return ""
	}
}
