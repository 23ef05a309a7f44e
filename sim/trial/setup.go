package trial

import (
	"cmp"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/workload"
	"github.com/optionc/pollux/sim/world"
)

// A Profile is what a seed is about.
type Profile string

// The profiles. Any draws one of the others.
const (
	Any Profile = ""
	// Load has busy guests and some faults.
	Load Profile = "load"
	// Storm has quiet guests and many faults, most of them in the wake of others.
	Storm Profile = "storm"
	// Disks has busy guests, and one node's disk fails; protocol C alone.
	Disks Profile = "disks"
	// Apart lets the nodes lose each other altogether, and pause.
	Apart Profile = "apart"
	// Third is Apart with a witness at a third place.
	Third Profile = "witness"
	// Silent has disks that lose and misplace writes, or come back with old
	// content; in the end the copies are compared, and made equal.
	Silent Profile = "silent"
	// Watched has nodes that look after what runs, guests that die, monitors that
	// are wrong or late, and fencing devices. A quarter of the other seeds has them.
	Watched Profile = "watched"
	// Page is the wiki page's configuration, and nothing goes wrong: what a
	// scenario starts from.
	Page Profile = "page"
)

// Profiles are all that have a name.
var Profiles = []Profile{Load, Storm, Disks, Apart, Third, Silent, Watched, Page}

// setup is everything that a seed decides before the run begins.
type setup struct {
	profile Profile
	world   world.Config
	load    workload.Load
	rules   oracle.Rules
	plan    plan.Plan
	// calm is when the last fault ends.
	calm     time.Duration
	deadtime time.Duration
	// grows is when the disks grow, if they do.
	grows time.Duration
}

const (
	mib     = 2048 // sectors
	prelude = 25 * time.Second
)

// draft draws a setup.
func draft(seed uint64, profile Profile) setup {
	luck := draw.New(seed, "setup")
	drawn := [...]Profile{Load, Load, Storm, Storm, Disks, Apart}[luck.Below(6)]
	if profile == Any {
		profile = drawn
		if drawn == Apart && draw.New(seed, "third").Below(2) == 0 {
			profile = Third
		}
		if draw.New(seed, "silent").Below(12) == 0 {
			profile = Silent
		}
	}
	s := setup{profile: profile}
	s.world = world.Config{
		Seed: seed, Sectors: uint64(16+8*luck.Below(4)) * mib, Fresh: luck.Below(4) == 0,
		Disk: world.DiskTimes{
			Read:  luck.Between(200*time.Microsecond, 8*time.Millisecond),
			Write: luck.Between(200*time.Microsecond, 8*time.Millisecond),
			Sync:  luck.Between(0, 12*time.Millisecond),
		},
		Net: world.NetTimes{
			Latency: luck.Between(200*time.Microsecond, 40*time.Millisecond),
			Jitter:  luck.Between(0, 20*time.Millisecond),
			Loss:    luck.Below(2) * luck.Below(30_000), Duplication: luck.Below(2) * luck.Below(100_000),
			Rate: int64(luck.Below(2)) * int64(5_000_000+luck.Below(100_000_000)),
		},
		Tools: drawTools(luck),
		Keep:  [...]int{0, 0, 500_000, 900_000, 1_000_000}[luck.Below(5)],
		Late:  luck.Below(2) * luck.Below(50_000),
	}
	s.drawLoad(luck)
	s.drawMachine(luck)
	s.drawDigests(draw.New(seed, "digests"))
	s.drawPolicies(seed)
	if profile == Silent {
		s.resource().VerifyAlg = "sha1"
	}
	s.drawPlan(seed, luck)
	s.world.Bytes = draw.New(seed, "bytes").Below(10) == 0
	if bursts := draw.New(seed, "bursts"); bursts.Below(3) == 0 {
		s.world.Net.Burst = bursts.Between(0, s.deadtime/10) // shorter than what a live node may be silent for
	}
	s.drawClocks(draw.New(seed, "clocks"))
	s.drawWitness(seed)
	s.rules = oracle.Rules{Apart: profile == Apart || profile == Third}
	if profile == Page {
		s.page()
	} else {
		s.drawGrowth(draw.New(seed, "growth"))
		s.drawRot(draw.New(seed, "rot"))
		s.drawDamage(draw.New(seed, "damage"))
		if profile == Watched || profile != Third && draw.New(seed, "watched").Below(4) == 0 {
			s.drawMonitor(draw.New(seed, "monitor"))
			s.world.Machine.Failover.Fence = draw.New(seed, "stonith").Below(4) == 0
		}
	}
	s.judge()
	return s
}

// drawGrowth lets the disks of some seeds grow: by less than their metadata
// takes, or by a few extents of the activity log.
func (s *setup) drawGrowth(luck *draw.Stream) {
	if luck.Below(4) != 0 || s.profile == Silent { // an old disk would be a smaller one
		return
	}
	s.world.Growth = [...]uint64{24, 8, 3 * mib, 12 * mib}[luck.Below(4)]
	s.grows = luck.Between(prelude, s.calm)
	if luck.Below(3) == 0 {
		return
	}
	f := plan.Fault{
		At:   (s.grows + luck.Between(0, 800*time.Millisecond)).Round(time.Microsecond),
		Kind: [...]plan.Kind{plan.Power, plan.Power, plan.Crash, plan.Break}[luck.Below(4)], Node: luck.Below(2),
		For: luck.Between(2*time.Second, 20*time.Second).Round(time.Millisecond),
	}
	s.plan = append(s.plan, f)
	slices.SortStableFunc(s.plan, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
}

// drawClocks lets the nodes' clocks drift apart: as quartz does, or as the
// clock of a guest on a host that is overloaded.
func (s *setup) drawClocks(luck *draw.Stream) {
	most := [...]int{0, 200, 200, 50_000}[luck.Below(4)]
	for n := range s.world.Drift {
		s.world.Drift[n] = luck.Below(2*most+1) - most
	}
}

func drawTools(luck *draw.Stream) world.ToolLuck {
	t := world.ToolLuck{Latency: luck.Between(50*time.Millisecond, 3*time.Second)}
	rare := func() int { return luck.Below(2) * luck.Below(100_000) }
	if luck.Below(2) == 0 {
		t.Fail, t.Half, t.Lie, t.Hang, t.Blind = rare(), rare(), rare(), rare()/2, rare()
	}
	return t
}

func (s *setup) drawLoad(luck *draw.Stream) {
	s.load = workload.Load{
		Clients: 1 + luck.Below(8), Think: luck.Between(20*time.Millisecond, 200*time.Millisecond),
		Spots: 1 + luck.Below(40), Reads: 200_000 + luck.Below(300_000),
		Flushes: luck.Below(50_000), Trims: luck.Below(2) * luck.Below(60_000), Zeros: luck.Below(2) * luck.Below(40_000),
	}
	if s.profile == Storm {
		s.load.Clients, s.load.Think = 1+luck.Below(3), luck.Between(100*time.Millisecond, time.Second)
	}
}

func (s *setup) drawMachine(luck *draw.Stream) {
	protocol := drbdwire.ProtocolC
	switch luck.Below(10) {
	case 0:
		protocol = drbdwire.ProtocolA
	case 1:
		protocol = drbdwire.ProtocolB
	}
	if s.profile == Disks || s.profile == Silent {
		protocol = drbdwire.ProtocolC // A and B lose what a failed disk alone had
	}
	r := replica.Config{
		Name: "r1", Protocol: protocol, ALExtents: [...]int{257, 7, 9, 20}[luck.Below(4)],
		PingInt: luck.Between(2*time.Second, 10*time.Second), PingTimeout: 500 * time.Millisecond,
		Timeout: 6 * time.Second, KoCount: [...]int{7, 0, 2}[luck.Below(3)], MaxEpochSize: [...]int{2048, 20}[luck.Below(2)],
		SuspendIONoData: luck.Below(3) == 0, UseRLE: luck.Below(2) == 0,
	}
	s.drawSplitBrain(luck, &r)
	if luck.Below(5) == 0 {
		r.CramAlg, r.SharedSecret = "sha1", "of both nodes"
	}
	if luck.Below(2) == 0 {
		r.Resync = resync.Params{
			Rate: uint32(2_000 + luck.Below(30_000)), PlanAhead: uint32(luck.Below(2) * 20), DelayTarget: 1, MaxRate: 100_000,
		}
	}
	alive := liveness.Config{
		Keepalive: time.Second, Deadtime: 10 * time.Second, Initdead: 20 * time.Second, Media: []string{"eth1"},
		Keys: hbwire.Keys{Current: 0, Keys: [16]hbwire.Key{{Method: hbwire.CRC}}}, Encoding: hbwire.Netstring,
	}
	if luck.Below(8) == 0 {
		alive.Keepalive, alive.Deadtime, alive.Initdead = 5*time.Second, 90*time.Second, 90*time.Second
	}
	s.deadtime = alive.Deadtime
	failback := haconf.FailbackOn
	if luck.Below(4) == 0 {
		failback = haconf.FailbackOff
	}
	s.world.Machine = machine.Config{
		Resources: []replica.Config{r}, Cluster: true, Liveness: alive,
		Failover: failover.Config{Failback: failback, Groups: haconf.Resources{{
			Node: world.Name(0), Resources: []haconf.Resource{
				{Script: "drbddisk", Args: []string{"r1"}, Text: "drbddisk::r1"},
				{Script: "LVM", Args: []string{"vg"}, Text: "LVM::vg"},
				{Script: "xenHA", Text: "xenHA"},
			},
		}}},
	}
}

// drawDigests gives every second seed something that needs digests.
func (s *setup) drawDigests(luck *draw.Stream) {
	alg := func() string { return [...]string{"", "sha1", "md5"}[luck.Below(3)] }
	r := &s.world.Machine.Resources[0]
	if luck.Below(2) == 0 {
		r.IntegrityAlg = alg()
	}
	if luck.Below(2) == 0 {
		r.CsumsAlg, r.CsumsAfterCrashOnly = alg(), luck.Below(3) == 0
	}
	if luck.Below(4) > 0 {
		r.VerifyAlg = [...]string{"sha1", "md5"}[luck.Below(2)]
	}
	if luck.Below(3) == 0 {
		r.RSDiscardGranularity = 4096 << luck.Below(6)
	}
}

// drawSplitBrain lets half of the pairs solve a split brain by themselves, and
// some nodes go on without a peer that does not come.
func (s *setup) drawSplitBrain(luck *draw.Stream, r *replica.Config) {
	if luck.Below(4) == 0 {
		r.WFCTimeout, r.DegrWFCTimeout = luck.Between(time.Second, 60*time.Second), luck.Between(time.Second, 60*time.Second)
	}
	if luck.Below(2) == 0 {
		return
	}
	r.AfterSB0 = drbdwire.AfterSB(luck.Below(int(drbdwire.AfterSBDiscardLeastChanges) + 1))
	r.AfterSB1 = [...]drbdwire.AfterSB{
		drbdwire.AfterSBDisconnect, drbdwire.AfterSBConsensus, drbdwire.AfterSBViolently, drbdwire.AfterSBDiscardSecondary,
		drbdwire.AfterSBCallPriLost,
	}[luck.Below(5)]
	r.AfterSB2 = [...]drbdwire.AfterSB{
		drbdwire.AfterSBDisconnect, drbdwire.AfterSBViolently, drbdwire.AfterSBCallPriLost,
	}[luck.Below(3)]
	r.AlwaysASBP = luck.Below(2) == 0
	r.RRConflict = [...]handshake.RRConflict{handshake.RRDisconnect, handshake.RRCallPriLost}[luck.Below(2)]
}

func (s *setup) drawPlan(seed uint64, luck *draw.Stream) {
	p := plan.Profile{
		From: prelude, To: prelude + luck.Between(30*time.Second, 90*time.Second), Faults: 3 + luck.Below(8),
		Deadtime: s.deadtime, Together: 300_000,
		// A Primary without a disk has what protocols A and B acknowledged on one
		// node alone, and not on its disk yet.
		Detach: s.world.Machine.Resources[0].Protocol == drbdwire.ProtocolC,
	}
	if s.deadtime > 30*time.Second {
		p.To += 2 * s.deadtime
	}
	switch s.profile {
	case Storm:
		p.To = prelude + luck.Between(60*time.Second, 200*time.Second)
		p.Faults, p.Together = 10+luck.Below(40), 500_000
	case Disks:
		p.BadDisks = true
	case Silent:
		p.Silent = true
	case Apart, Third:
		p.Apart = true
		p.Faults += 4
	default:
	}
	s.plan = plan.Draw(seed, p)
	s.calm = p.To
}
