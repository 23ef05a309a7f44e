package forecast_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/resync"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/forecast"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/workload"
	"github.com/optionc/pollux/sim/world"
)

// The table of "pollux explain failures" is true: whatever fails, and whatever fails then, the cores let the guests run
// where the table says, and as soon. Each configuration has as many rows as it has failures and pairs of them.
func TestTheTableIsTrue(t *testing.T) {
	for _, c := range []forecast.Setup{
		{},
		{Monitor: true},
		{Fence: true},
		{Policy: witness.Freeze},
		{Policy: witness.ByWitness},
		{Policy: witness.ByWitness, Fence: true, Monitor: true},
	} {
		c.Names = [2]string{world.Name(0), world.Name(1)}
		for _, row := range append(c.Singles(), c.Pairs()...) {
			name := fmt.Sprintf("%v, fence %v, monitor %v", c.Policy, c.Fence, c.Monitor)
			for _, f := range row.Failures {
				name += ", " + c.Name(f)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				happens(t, c, row.Failures)
			})
		}
	}
}

// The times of such a run: the page's, and how long each failure may take to come to rest.
const (
	wellAt  = 60 * time.Second
	restFor = 120 * time.Second
	// startsIn is what a start of the group takes at most: looks and starts of a second each.
	startsIn = 10 * time.Second
	// atOnce is a gap that is none: guests think between two writes.
	atOnce = 1500 * time.Millisecond
)

// accident is a pair to which things happen.
type accident struct {
	w     *world.World
	dead  [2]bool
	acked [2]time.Duration // when a write of a node was acknowledged last
	gap   time.Duration    // the longest time without one, on any node
}

// happens lets things fail, and compares what comes of each with the table.
func happens(t *testing.T, c forecast.Setup, failures []forecast.Failure) {
	t.Helper()
	g := NewWithT(t)
	a := newAccident(t, &c)
	for i, f := range failures {
		now := a.w.Now()
		a.acked, a.gap = [2]time.Duration{now, now}, 0
		a.strike(f)
		for a.w.Now() < now+restFor {
			a.run(t, a.w.Now()+time.Second)
			for n := range 2 {
				if a.dead[n] { // a machine that was shot starts again, but not this one
					a.w.Node(n).PowerLoss()
				}
			}
		}
		row := c.Row(failures[:i+1]...)
		runs := [2]bool{a.acked[0] > a.w.Now()-10*time.Second, a.acked[1] > a.w.Now()-10*time.Second}
		g.Expect(runs).To(Equal(row.Runs), "%v: %s\n%v\n%v", f, row.Why, a.w.Node(0), a.w.Node(1))
		if row.Runs == [2]bool{} {
			continue
		}
		limit := atOnce + row.Gap
		if row.Starts {
			limit += startsIn
		}
		g.Expect(a.gap).To(BeNumerically("<=", limit), "%v: %s", f, row.Why)
		if row.Starts || row.Gap > atOnce {
			g.Expect(a.gap).To(BeNumerically(">", row.Gap/2), "%v: %s", f, row.Why)
		}
	}
}

// run lets time pass, in which every promise is kept.
func (a *accident) run(t *testing.T, until time.Duration) {
	t.Helper()
	if v := a.w.Run(until); v != nil {
		t.Fatal(v)
	}
}

// newAccident is a pair that is well, with the group on its first node.
func newAccident(t *testing.T, c *forecast.Setup) *accident {
	t.Helper()
	g := NewWithT(t)
	cfg := page(c)
	r := cfg.Machine.Resources[0]
	c.Deadtime, c.Lease = cfg.Machine.Liveness.Deadtime, cfg.Machine.Witness.Lease
	c.Detect, c.Shot = r.PingInt+r.PingTimeout, cfg.Handlers.Latency
	w, err := world.New(cfg, nil)
	g.Expect(err).NotTo(HaveOccurred())
	a := &accident{w: w}
	o := oracle.New(w, oracle.Rules{Protocol: drbdwire.ProtocolC, Apart: true, Leased: c.Policy == witness.ByWitness, Lease: c.Lease, Shot: c.Fence})
	w.Attend(o, workload.New(w, o, workload.Load{
		Clients: 4, Think: 100 * time.Millisecond, Spots: 20, Reads: 300_000, Flushes: 20_000,
	}))
	w.Listen(func(n int, word string) {
		if word == "ack" {
			a.gap = max(a.gap, w.Now()-max(a.acked[0], a.acked[1]))
			a.acked[n] = w.Now()
		}
	})
	w.BootWitness()
	for n := range 2 {
		w.After(time.Duration(n)*700*time.Millisecond, func() { w.Node(n).Boot(false) })
	}
	a.run(t, wellAt)
	return a
}

// page is the page's pair, as the named scenarios have it.
func page(c *forecast.Setup) world.Config {
	r := replica.Config{
		Name: "r1", Protocol: drbdwire.ProtocolC, ALExtents: 257, PingInt: 10 * time.Second, PingTimeout: 500 * time.Millisecond,
		Timeout: 6 * time.Second, KoCount: 7, MaxEpochSize: 2048, UseRLE: true,
		Resync: resync.Params{Rate: 10_240, MaxRate: 102_400},
	}
	cfg := world.Config{
		Seed: 1, Sectors: 24 << 11,
		Disk:     world.DiskTimes{Read: 2 * time.Millisecond, Write: 2 * time.Millisecond, Sync: 4 * time.Millisecond},
		Net:      world.NetTimes{Latency: 10 * time.Millisecond, Jitter: 2 * time.Millisecond},
		Tools:    world.ToolLuck{Latency: time.Second},
		Handlers: world.HandlerLuck{Latency: time.Second},
		Witness:  world.WitnessLuck{Latency: 20 * time.Millisecond},
		Machine: machine.Config{
			Resources: []replica.Config{r}, Cluster: true,
			Liveness: liveness.Config{
				Keepalive: time.Second, Deadtime: 10 * time.Second, Initdead: 20 * time.Second, Media: []string{"eth1"},
				Keys: hbwire.Keys{Keys: [16]hbwire.Key{{Method: hbwire.CRC}}}, Encoding: hbwire.Netstring,
			},
			Failover: failover.Config{Failback: haconf.FailbackOn, Fence: c.Fence, Groups: haconf.Resources{{
				Node: world.Name(0), Resources: []haconf.Resource{
					{Script: "drbddisk", Args: []string{"r1"}, Text: "drbddisk::r1"},
					{Script: "LVM", Args: []string{"vg"}, Text: "LVM::vg"},
					{Script: "xenHA", Text: "xenHA"},
				},
			}}},
			Witness: witness.Config{Policy: c.Policy, Cluster: "site", Lease: 30 * time.Second},
		},
	}
	if c.Monitor {
		cfg.Machine.Failover.Monitor = failover.Monitor{Every: 10 * time.Second, Restarts: 3, Period: time.Minute}
	}
	return cfg
}

// strike lets something fail for good.
func (a *accident) strike(f forecast.Failure) {
	const forGood = 1000 * time.Hour
	switch f {
	case forecast.Active, forecast.Standby:
		a.dead[f-forecast.Active] = true
		a.w.Node(int(f - forecast.Active)).PowerLoss()
	case forecast.ActiveDisk, forecast.StandbyDisk:
		a.w.Node(int(f - forecast.ActiveDisk)).FailDisk(forGood)
	case forecast.Link, forecast.Beats, forecast.Network:
		for n := range 2 {
			if f != forecast.Beats {
				a.w.CutData(n)
			}
			if f != forecast.Link {
				a.w.CutBeats(n)
			}
		}
	case forecast.Witness:
		a.w.CrashWitness()
	case forecast.ActiveWay, forecast.StandbyWay:
		a.w.CutWitness(int(f - forecast.ActiveWay))
	case forecast.Device:
		for n := range 2 {
			a.w.Node(n).BreakFence(forGood)
		}
	}
}
