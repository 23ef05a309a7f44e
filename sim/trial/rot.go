package trial

import (
	"cmp"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/workload"
	"github.com/optionc/pollux/sim/world"
)

// drawRot lets a block of some seeds' disks change by itself. Nobody but an
// online verify notices that.
func (s *setup) drawRot(luck *draw.Stream) {
	if luck.Below(4) != 0 || s.resource().VerifyAlg == "" || s.world.Growth > 0 {
		return
	}
	s.adds(plan.Rot, luck)
}

// drawDamage lets some blocks of seeds whose data carry digests arrive damaged.
func (s *setup) drawDamage(luck *draw.Stream) {
	if s.resource().IntegrityAlg == "" {
		return
	}
	for range luck.Below(4) {
		s.adds(plan.Damage, luck)
	}
}

// adds puts a fault that does not last into the plan.
func (s *setup) adds(kind plan.Kind, luck *draw.Stream) {
	f := plan.Fault{At: luck.Between(prelude, s.calm).Round(time.Microsecond), Kind: kind, Node: luck.Below(2)}
	s.plan = append(s.plan, f)
	slices.SortStableFunc(s.plan, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
}

// rot changes a block that no guest uses.
func (t *trial) rot(n int) {
	sector := (t.w.Node(n).Layout().DataSectors - workload.Unused) / 8 * 8
	t.w.Node(n).Rot(sector)
	t.o.Rots(sector)
}

// prove has the copies compared, as an operator does now and then, and what
// differs copied. A block that rotted has to be found, unless it was copied
// before. Meanwhile he helps: what hung before the faults ended may make a node give
// its disk up only now.
func (t *trial) prove() *world.Violation {
	if !t.o.IsRotten() || t.resource().VerifyAlg == "" {
		return nil
	}
	limit := t.w.Now() + t.patience()
	before := [2]*replica.VerifyResult{t.verified(0), t.verified(1)}
	done := func(n int) bool {
		last := t.verified(n)
		return last != before[n] && last != nil && last.Complete && t.w.Node(n).State().Conn == drbdwire.Connected
	}
	for idle := 0; !done(t.g.LastRun()); idle++ {
		if node := t.w.Node(t.g.LastRun()); node.Alive() && node.State().Conn == drbdwire.Connected && idle%10 == 0 {
			t.order(node, replica.OrderVerify, nil) // once more, if it was refused or broken off
		}
		t.help()
		if v := t.w.Run(t.w.Now() + time.Second); v != nil {
			return v
		}
		if t.w.Now() > limit {
			t.o.Converged("no online verify comes to its end")
			return t.w.Run(t.w.Now())
		}
	}
	t.o.Found()
	t.renew()
	return t.settle()
}

// verified is what came of the last verify that a node drove.
func (t *trial) verified(n int) *replica.VerifyResult {
	return t.w.Node(n).Core().Status().Resources[0].Verified
}

// renew parts the nodes and connects them again, so that what a verify has
// marked is copied.
func (t *trial) renew() {
	node := t.w.Node(1 - t.g.LastRun())
	if node.State().Conn == drbdwire.Connected {
		t.forAWhile(node, replica.OrderDisconnect, replica.OrderConnect, time.Second)
	}
}

// marked tells whether a verify has marked something that nobody copies yet, and
// that connecting anew copies: it does so from a Primary alone. Without one nobody
// knows which copy is good, and the nodes leave both as they are until there is one.
// A write under way when the verify ends may take the marks away on one node alone.
func (t *trial) marked() bool {
	primary, marks := false, false
	for n := range 2 {
		s := t.w.Node(n).Core().Status().Resources[0]
		if s.State.Conn != drbdwire.Connected {
			return false
		}
		marks = marks || s.OutOfSync > 0
		primary = primary || s.State.Role == drbdwire.Primary
	}
	return primary && marks && (t.o.IsRotten() || t.o.HasFound())
}
