package trial

import (
	"fmt"

	"github.com/optionc/pollux/faults/plan"
)

// Drawn is the plan of a seed.
func Drawn(seed uint64, profile Profile) plan.Plan { return draft(seed, profile).plan }

// counts are what expectations speak of.
func (r Result) counts() map[string]int {
	c := r.Counts
	return map[string]int{
		"writes": c.Writes, "reads": c.Reads, "refused": c.Refused, "alone": c.Alone, "promotions": c.Promotions,
		"accepted": c.Accepted, "early": c.Early, "forks": c.Forks, "resyncs": c.Resyncs, "starts": c.Starts,
		"stops": c.Stops, "repairs": r.Repairs, "found": c.Found, "unreadable": r.Unreadable,
	}
}

// Verdict is what the run says of its scenario.
func (r Result) Verdict() plan.Verdict {
	v := plan.Verdict{Counts: r.counts(), Missed: r.Missed.String(), End: r.End, Equal: r.Equal}
	if r.Broken != nil {
		v.Broken, v.Why = r.Broken.Promise, r.Broken.Error()
	}
	return v
}

// ends is how the nodes are now.
func (t *trial) ends() (ends [2]plan.End) {
	for n := range ends {
		node := t.w.Node(n)
		s := node.State()
		ends[n] = plan.End{
			Connection: s.Conn.String(), Role: s.Role.String(), Disk: s.Disk.String(), Runs: node.RunsGuest(),
		}
	}
	return ends
}

// Expected tells which expectation of a scenario its run did not meet.
func Expected(s plan.Scenario, r Result) error {
	counts := r.counts()
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
