package trial

import (
	"fmt"

	"github.com/optionc/pollux/faults/plan"
)

// Drawn is the plan of a seed.
func Drawn(seed uint64, profile Profile) plan.Plan { return draft(seed, profile).plan }

// Expected tells which expectation of a scenario its run did not meet.
func Expected(s plan.Scenario, r Result) error {
	c := r.Counts
	counts := map[string]int{
		"writes": c.Writes, "reads": c.Reads, "refused": c.Refused, "alone": c.Alone, "promotions": c.Promotions,
		"accepted": c.Accepted, "early": c.Early, "forks": c.Forks, "resyncs": c.Resyncs, "starts": c.Starts,
		"stops": c.Stops, "repairs": r.Repairs,
	}
	for _, e := range s.Expect {
		n, ok := counts[e.What]
		if !ok {
			return fmt.Errorf("%v: there is no such count", e)
		}
		if !e.Holds(n) {
			return fmt.Errorf("%v: found %d", e, n)
		}
	}
	return nil
}
