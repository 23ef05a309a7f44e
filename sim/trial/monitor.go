package trial

import (
	"cmp"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
)

// drawMonitor lets the nodes look after what runs. Then guests die, and what
// looks after them is not always right, or not in time.
func (s *setup) drawMonitor(luck *draw.Stream) {
	s.world.Machine.Failover.Monitor = failover.Monitor{
		Every: luck.Between(2*time.Second, 15*time.Second), Restarts: 1 + luck.Below(3),
		Period: luck.Between(30*time.Second, 90*time.Second),
	}
	s.world.Tools.WatchLies = luck.Below(2) * luck.Below(30_000)
	s.world.Tools.WatchLate = luck.Below(2) * luck.Below(200_000)
	for range luck.Below(6) {
		s.plan = append(s.plan, plan.Fault{
			At: luck.Between(prelude, s.calm).Round(time.Microsecond), Kind: plan.Die, Node: luck.Below(2),
		})
	}
	slices.SortStableFunc(s.plan, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
}
