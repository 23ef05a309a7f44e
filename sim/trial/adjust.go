package trial

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/sim/world"
)

// adjust has a node take over a changed configuration file, and after a while the one
// that it had. What is changed promises no less than before.
func (t *trial) adjust(node *world.Node, d time.Duration) {
	was := t.world.Machine.Resources[0]
	changed := was
	changed.PingInt, changed.KoCount, changed.MaxEpochSize = was.PingInt/2, 3, 40
	changed.SuspendIONoData, changed.WaitAfterSB = !was.SuspendIONoData, !was.WaitAfterSB
	changed.Resync = resync.Params{Rate: 5_000, MaxRate: 100_000}
	if was.Resync.PlanAhead == 0 {
		changed.Resync.PlanAhead, changed.Resync.DelayTarget = 20, 1
	}
	changed.CMinRate = 2_000
	t.takeOver(node, changed)
	t.later(node, d, func() { t.takeOver(node, was) })
}

// takeOver orders a node to go by another configuration, once nothing else is being
// carried out there.
func (t *trial) takeOver(node *world.Node, c replica.Config) {
	data, err := c.Adjustment()
	if err != nil {
		panic(err) // all of it has a fixed size
	}
	node.Adjust(data, func(code int, text string) {
		if drbdwire.Code(code) == drbdwire.InTransientState {
			t.later(node, time.Second, func() { t.takeOver(node, c) })
			return
		}
		t.answered(node, "adjust", text)
	})
}
