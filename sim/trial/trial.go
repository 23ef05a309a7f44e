// Package trial runs one seed: it draws a pair of nodes, a guest and a plan of
// what goes wrong, lets all of it happen, ends the faults, and waits for the
// cluster to be well again. The oracles judge all the way.
package trial

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/workload"
	"github.com/optionc/pollux/sim/world"
)

// Options change what a seed does.
type Options struct {
	Profile Profile
	// Settings replace what the seed draws.
	Settings []plan.Setting
	// Plan replaces the one that the seed draws, unless it is nil.
	Plan plan.Plan
	// Seen counts what the cores came to, unless it is nil.
	Seen world.Coverage
	// Messages puts packets into the trace, but for those of bulk data.
	Messages bool
	// Trace gets a line about everything that happens, unless it is nil.
	Trace func(string)
}

// Result is what came of a seed.
type Result struct {
	Seed    uint64
	Profile Profile
	Plan    plan.Plan
	// Settings are those of the Options.
	Settings []plan.Setting
	// Broken is the promise that was broken; nil is none.
	Broken *world.Violation
	Hash   uint64 // equal for equal runs
	Events uint64
	Time   time.Duration // simulated
	Counts oracle.Counts
	// Repairs is how often the operator had to help after the faults.
	Repairs int
	// Unreadable is how many sectors could not be read when the faults ended.
	Unreadable int
	// Missed are the faults whose trigger never came.
	Missed plan.Plan
	// End is how the nodes were at last, and Equal whether their copies were.
	End   [2]plan.End
	Equal bool
}

// Scenario is all that the run depended on.
func (r Result) Scenario() plan.Scenario {
	s := plan.Scenario{Seed: r.Seed, Profile: string(r.Profile), Settings: r.Settings, Plan: r.Plan}
	if r.Broken != nil {
		s.About = "Breaks: " + r.Broken.Error()
	}
	return s
}

// OptionsOf are those of a scenario.
func OptionsOf(s plan.Scenario) Options {
	return Options{Profile: Profile(s.Profile), Settings: s.Settings, Plan: append(plan.Plan{}, s.Plan...)}
}

// trial is a run under way.
type trial struct {
	setup
	w       *world.World
	o       *oracle.Oracle
	g       *workload.Guest
	cuts    map[string]time.Duration // until when each is cut
	states  [2]drbdwire.State
	looks   func() // look, made once
	calmed  bool
	pending []pending
	repairs int
	helped  time.Duration // when the operator helped last
	// unreadable is how many sectors can't be read when the faults end.
	unreadable int
	asked      bool // he has tried to just connect the nodes
	gave       bool // he has given the data of one up, and they came to refuse each other again
}

// Run runs a seed.
func Run(seed uint64, opt Options) Result {
	t := &trial{setup: draft(seed, opt.Profile), cuts: map[string]time.Duration{}}
	if opt.Plan != nil {
		t.plan = opt.Plan
	}
	err := t.apply(opt.Settings)
	result := Result{Seed: seed, Profile: t.profile, Plan: t.plan, Settings: opt.Settings}
	var w *world.World
	if err == nil {
		w, err = world.New(t.world, opt.Trace)
	}
	if err != nil {
		result.Broken = &world.Violation{Promise: "the configuration works", Text: err.Error()}
		return result
	}
	t.w = w
	t.o = oracle.New(w, t.rules)
	t.g = workload.New(w, t.o, t.load)
	w.Attend(watcher{t.o, t}, t.g)
	w.Observe(opt.Seen, opt.Messages)
	result.Broken = t.run()
	result.Hash, result.Events, result.Time = w.Hash(), w.Events(), w.Now()
	result.Counts, result.Repairs = t.o.Counts, t.repairs
	result.Unreadable = t.unreadable
	result.End, result.Equal = t.ends(), t.o.Same()
	for _, p := range t.pending {
		result.Missed = append(result.Missed, p.fault)
	}
	return result
}

// The times of a run.
const (
	lookEach   = 2 * time.Second
	helpEach   = 15 * time.Second
	answersIn  = 60 * time.Second // after the faults
	finalQuiet = 90 * time.Second
	// restoredFrom is how old the content is of a disk that comes back.
	restoredFrom = 10 * time.Second
)

func (t *trial) run() *world.Violation {
	w := t.w
	w.BootWitness()
	for n := range 2 {
		w.After(time.Duration(n)*700*time.Millisecond, func() { w.Node(n).Boot(false) })
	}
	if t.world.Fresh {
		w.After(3*time.Second, t.begin)
	}
	for _, f := range t.plan {
		if f.On.Word == "" {
			w.After(f.At, func() { t.strike(f) })
			continue
		}
		t.pending = append(t.pending, pending{fault: f, left: max(f.On.Nth, 1)})
	}
	t.remember()
	t.attend()
	if t.world.Growth > 0 {
		w.After(t.grows, t.grow)
	}
	t.looks = t.look
	w.After(lookEach, t.looks)
	if v := w.Run(t.calm); v != nil {
		return v
	}
	t.end()
	if v := t.settle(); v != nil {
		return v
	}
	if v := t.prove(); v != nil {
		return v
	}
	return t.finish()
}

// remember keeps what the disks are that will come back as they were.
func (t *trial) remember() {
	for _, f := range t.plan {
		remember := t.w.BackUpStore
		if f.Node != plan.Witness {
			remember = t.w.Node(f.Node).Remember
		}
		switch {
		case f.Kind != plan.OldDisk:
		case f.On.Word == "":
			t.w.After(max(f.At-restoredFrom, 0), remember)
		default: // nobody knows when: it may strike before the prelude is over
			t.w.After(0, remember)
			t.w.After(prelude, remember)
		}
	}
}

// settle waits until the cluster has been well for a while.
func (t *trial) settle() *world.Violation {
	w := t.w
	limit := w.Now() + t.patience()
	for stable := time.Duration(0); stable < 3*lookEach; {
		if v := w.Run(w.Now() + lookEach); v != nil {
			return v
		}
		why := t.o.Unsettled()
		if why == "" {
			why = t.tooSmall()
		}
		stable += lookEach
		if why != "" {
			stable = 0
			t.help()
		}
		if w.Now() > limit {
			t.o.Converged(why)
			return w.Run(w.Now())
		}
	}
	return nil
}

// patience is how long the cluster may take to be well again: to notice, to
// copy, to retry programs that were given up, and to move back.
func (t *trial) patience() time.Duration {
	return 200*time.Second + 4*t.deadtime + t.hangs() + 2*t.rules.Lease
}

// hangs is how long a handler of drbd.conf may still hang when the faults end.
func (t *trial) hangs() time.Duration {
	if t.world.Handlers.Hang > 0 {
		return world.HandlerLimit
	}
	return 0
}

// finish ends the guest's requests, and compares what is left.
func (t *trial) finish() *world.Violation {
	w := t.w
	t.g.Quiet()
	limit := w.Now() + finalQuiet
	for (!t.g.Idle() || !t.o.Idle()) && w.Now() < limit {
		if v := w.Run(w.Now() + time.Second); v != nil {
			return v
		}
	}
	if at, open := t.g.Oldest(); open {
		t.o.Converged(fmt.Sprintf("a request of %v has no answer", at))
	}
	if v := w.Run(w.Now() + 10*time.Second); v != nil {
		return v
	}
	if why := t.o.Unsettled(); why == "" {
		t.o.Equal(true)
		t.o.Leaks()
	}
	return w.Run(w.Now())
}

// look is the oracles' round.
func (t *trial) look() {
	t.o.Bounds()
	t.o.Marks()
	t.o.Equal(false)
	if at, open := t.g.Oldest(); open && t.calmed &&
		t.w.Now() > max(at, t.calm+t.hangs())+answersIn+t.deadtime {
		t.o.Converged(fmt.Sprintf("a request of %v has no answer", at))
	}
	t.w.After(lookEach, t.looks)
}

// strike carries out one fault.
func (t *trial) strike(f plan.Fault) {
	w := t.w
	if f.Node == plan.Witness {
		w.CrashWitness()
		if f.Kind == plan.OldDisk {
			w.RestoreStore()
		}
		w.After(f.For, w.BootWitness)
		return
	}
	node := w.Node(f.Node)
	w.Tracef("plan: %v %s %v", f.Kind, world.Name(f.Node), f.For)
	switch f.Kind {
	case plan.Power, plan.Crash:
		if f.Kind == plan.Power {
			node.PowerLoss()
		} else {
			node.Crash()
		}
		w.After(f.For, func() { node.Boot(true) })
	case plan.Pause:
		node.Pause(f.For)
	case plan.Sleep:
		node.Sleep(f.For)
	case plan.Wall:
		node.MisreadWall(f.For)
	case plan.CutData:
		t.cut(f, "data", w.CutData, w.HealData)
	case plan.CutBeats:
		t.cut(f, "beats", w.CutBeats, w.HealBeats)
	case plan.Cut, plan.Split:
		for n := range 2 {
			if f.Kind == plan.Split || n == f.Node {
				g := plan.Fault{Node: n, For: f.For}
				t.cut(g, "data", w.CutData, w.HealData)
				t.cut(g, "beats", w.CutBeats, w.HealBeats)
			}
		}
	case plan.CutWitness:
		t.cut(f, "witness", w.CutWitness, w.HealWitness)
	case plan.Break:
		w.Break()
	case plan.Stall:
		w.StallData(f.Node, min(f.For, 20*time.Second))
	case plan.SlowDisk, plan.HungDisk, plan.BadDisk, plan.BadSpots, plan.BadRange, plan.BadMeta, plan.Unstored, plan.Astray,
		plan.OldDisk:
		t.sicken(node, f)
	case plan.Restart:
		node.Restart(f.For)
	case plan.Leave, plan.Detach, plan.Give, plan.Fetch, plan.Push, plan.Outdate, plan.Verify,
		plan.Suspend, plan.Freeze, plan.Abort, plan.Demote, plan.Renew, plan.Adjust:
		t.administer(f)
	case plan.Die:
		node.Die()
	case plan.Standby:
		node.Move(failover.OrderStandby, failover.All, false)
	case plan.Takeover:
		node.Move(failover.OrderTakeover, failover.All, false)
	case plan.Maintain:
		node.Move(failover.OrderMaintenanceOn, failover.None, false)
		w.After(f.For, func() { node.Move(failover.OrderMaintenanceOff, failover.None, false) })
	case plan.Crowd:
		node.Crowd(f.For)
	case plan.Rot:
		t.rot(f.Node)
	case plan.Damage:
		node.Damage()
	case plan.DeadFence:
		node.BreakFence(f.For)
	case plan.Kinds:
	}
}

// sicken carries out what goes wrong with a disk.
func (t *trial) sicken(node *world.Node, f plan.Fault) {
	switch f.Kind {
	case plan.SlowDisk:
		node.SlowDisk(f.For)
	case plan.HungDisk:
		node.HangDisk(f.For)
	case plan.BadDisk:
		node.FailDisk(f.For)
	case plan.BadSpots:
		node.SpoilSectors()
	case plan.BadRange:
		node.FailRange(f.For)
	case plan.BadMeta:
		node.FailMetadata(f.For)
	case plan.Unstored:
		node.LoseWrite()
	case plan.Astray:
		node.MisplaceWrite()
	case plan.OldDisk:
		node.PowerLoss()
		node.Revert()
		t.w.After(f.For, func() { node.Boot(true) })
	default: // strike carries the others out
	}
}

// cut cuts one direction of one link; cuts that overlap last as long as the
// longest.
func (t *trial) cut(f plan.Fault, link string, cut, heal func(int)) {
	key := link + world.Name(f.Node)
	until := t.w.Now() + f.For
	t.cuts[key] = max(t.cuts[key], until)
	cut(f.Node)
	t.w.After(f.For, func() {
		if t.w.Now() >= t.cuts[key] {
			heal(f.Node)
		}
	})
}

// end ends all faults.
func (t *trial) end() {
	w := t.w
	w.Tracef("the faults end")
	t.unreadable = w.Node(0).Unreadable() + w.Node(1).Unreadable()
	t.calmed = true
	w.Calm()
	if t.resource().OnCongestion == replica.CongestionPullsAhead {
		t.g.Quiet() // a load that fills the network makes the pair part and meet for ever, as configured
	}
	w.BootWitness()
	for n := range 2 {
		t.cuts["data"+world.Name(n)], t.cuts["beats"+world.Name(n)] = 0, 0
		w.HealData(n)
		w.HealBeats(n)
		t.cuts["witness"+world.Name(n)] = 0
		w.HealWitness(n)
		w.Node(n).Boot(true)
	}
}
