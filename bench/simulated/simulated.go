// Package simulated measures how fast the simulator is: what a sweep can do in
// a night depends on it.
package simulated

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/qemu/machine"
	"github.com/optionc/pollux/sim/trial"
)

// Conditions of the section.
const Conditions = "Production cores on a virtual clock, every oracle on; one seed after the other on one processor, " +
	"processor time with the garbage collector's. Payloads are version numbers, but in the row of real bytes: there wire " +
	"and payloads are encoded, cut anywhere, and decoded again by the code of the production driver. Idle is ten hours " +
	"with the page's ha.cf (keepalive 5, deadtime 90) and a guest that thinks for five seconds at most; busy is " +
	"half an hour of 16 clients that think for 20 ms at most; the others are what seeds draw. The failing run is a fault " +
	"storm between two nodes without a witness, with one cut of all links among the faults, held to it that no guest " +
	"runs twice: it is shrunk until nothing can be left out."

// load is one row. An aim of 0 is none.
type load struct {
	name     string
	seeds    uint64
	profile  trial.Profile
	settings []plan.Setting
	plan     plan.Plan // nil: what the seed draws

	events, lived int // aims, a second
}

var (
	idle = []plan.Setting{
		{Name: "clients", Value: "1"},
		{Name: "think", Value: "5s"},
		{Name: "calm", Value: "10h"},
		{Name: "keepalive", Value: "5s"},
		{Name: "deadtime", Value: "90s"},
		{Name: "initdead", Value: "90s"},
	}
	busy = []plan.Setting{{Name: "clients", Value: "16"}, {Name: "think", Value: "20ms"}, {Name: "calm", Value: "30m"}}
)

var loads = []load{
	{"idle", 2, trial.Page, idle, plan.Plan{}, 0, 200_000},
	{"busy", 1, trial.Page, busy, plan.Plan{}, 2_000_000, 0},
	{"busy, real bytes", 1, trial.Page, append(busy, plan.Setting{Name: "bytes", Value: "yes"}), plan.Plan{}, 500_000, 0},
	{"fault storm", 20, trial.Storm, nil, nil, 0, 2_500},
	{"load and some faults", 10, trial.Load, nil, nil, 0, 0},
}

// Speed runs them.
func Speed(ctx context.Context, _ *machine.Owner, say func(string)) (table string, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var b strings.Builder
	b.WriteString("| load | seeds/s | events/s | aim | simulated s/s | aim | allocations per event | aim |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for _, l := range loads {
		say("simulate: " + l.name)
		if err := l.measure(ctx, &b); err != nil {
			return "", err
		}
	}
	say("shrink")
	if err := shrink(ctx, &b); err != nil {
		return "", err
	}
	return b.String(), nil
}

// measure adds the row.
func (l load) measure(ctx context.Context, b *strings.Builder) error {
	var events uint64
	var lived time.Duration
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := processorTime()
	for seed := uint64(1); seed <= l.seeds; seed++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := trial.Run(seed, trial.Options{Profile: l.profile, Settings: l.settings, Plan: l.plan})
		if r.Broken != nil {
			return fmt.Errorf("seed %d: %w", seed, r.Broken)
		}
		events += r.Events
		lived += r.Time
	}
	took := (processorTime() - begun).Seconds()
	runtime.ReadMemStats(&after)
	fmt.Fprintf(b, "| %s | %.1f | %.0f | %s | %.0f | %s | %.2f | 0 |\n", l.name, float64(l.seeds)/took, float64(events)/took,
		aim(l.events), lived.Seconds()/took, aim(l.lived), float64(after.Mallocs-before.Mallocs)/float64(events))
	return nil
}

func aim(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("getrusage of the own process: %v", err)) // it can't fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
