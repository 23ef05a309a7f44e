package trial

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/world"
)

// leaseFor is the lease of scenarios that do not say another: long enough for
// slow programs to stop a group in a third of it.
const leaseFor = 30 * time.Second

// lease gives a pair a policy for when its nodes lose each other.
func (s *setup) lease(policy witness.Policy, length time.Duration) {
	s.world.Machine.Witness = witness.Config{Policy: policy, Cluster: "site", Lease: length}
	s.world.Witness = world.WitnessLuck{Latency: 20 * time.Millisecond}
}

// witnesses are what a witness may be.
var witnesses = []string{"decides", "store"}

// thirdPlace says what the witness is, where there is one.
func (s *setup) thirdPlace(what string) error {
	if !slices.Contains(witnesses, what) {
		return fmt.Errorf("found %q, want decides or store", what)
	}
	if s.world.Witness.Store = what == "store"; s.world.Witness.Store && s.profile != Page {
		s.world.Witness.Twice = twice
	}
	return nil
}

// twice is how many of a million requests to a store arrive twice, in seeds that
// are run with one.
const twice = 50_000

// drawWitness draws a witness, how it is reached, and what happens to it.
func (s *setup) drawWitness(seed uint64) {
	if s.profile != Third {
		return
	}
	luck := draw.New(seed, "third place")
	length := [...]time.Duration{10 * time.Second, 20 * time.Second, 45 * time.Second}[luck.Below(3)]
	s.lease(witness.ByWitness, length)
	s.world.Witness = world.WitnessLuck{
		Latency: luck.Between(time.Millisecond, 300*time.Millisecond),
		Loss:    luck.Below(2) * luck.Below(200_000), Stray: luck.Below(2) * luck.Below(50_000),
	}
	s.resource().Fencing = replica.DontCare
	if luck.Below(2) == 0 {
		s.world.Tools = world.ToolLuck{Latency: luck.Between(10*time.Millisecond, length/60)}
	}
	for i := range s.plan {
		if s.plan[i].Kind == plan.Sleep {
			s.plan[i].Kind = plan.Pause // a clock that stands still measures no lease: the daemon has one that goes on
		}
	}
	more := plan.DrawWitness(seed, plan.Profile{From: prelude, To: s.calm, Deadtime: s.deadtime})
	s.plan = append(s.plan, more...)
	slices.SortStableFunc(s.plan, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
}

// judgeLease derives what leases promise. A group of three is stopped with three
// looks and three stops, and one of those may have begun something else.
func (s *setup) judgeLease() {
	cfg, tools := s.world.Machine.Witness, s.world.Tools
	s.rules.Leased = cfg.Policy == witness.ByWitness
	s.rules.Lease = cfg.Lease
	sound := tools.Fail+tools.Half+tools.Lie+tools.Hang+tools.Blind == 0
	s.rules.Stops = sound && 10*tools.Latency < cfg.Lease/3
}
