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
const Conditions = "Production cores on a virtual clock, payloads as version numbers, every oracle on; one seed after " +
	"the other on one processor, processor time with the garbage collector's. Idle is a guest that writes once in " +
	"five seconds; busy is 16 clients that think for 20 ms at most; the others are what seeds draw."

// load is one row.
type load struct {
	name     string
	seeds    uint64
	profile  trial.Profile
	settings []plan.Setting
	plan     plan.Plan // nil: what the seed draws
}

var loads = []load{
	{"idle", 10, trial.Page, []plan.Setting{{Name: "clients", Value: "1"}, {Name: "think", Value: "5s"}}, plan.Plan{}},
	{"busy", 4, trial.Page, []plan.Setting{{Name: "clients", Value: "16"}, {Name: "think", Value: "20ms"}}, plan.Plan{}},
	{"fault storm", 20, trial.Storm, nil, nil},
	{"load and some faults", 10, trial.Load, nil, nil},
}

// Speed runs them.
func Speed(ctx context.Context, _ *machine.Owner, say func(string)) (table string, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var b strings.Builder
	b.WriteString("| load | seeds/s | events/s | simulated s/s | allocations per event |\n|---|---|---|---|---|\n")
	for _, l := range loads {
		say("simulate: " + l.name)
		var events uint64
		var lived time.Duration
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := processorTime()
		for seed := uint64(1); seed <= l.seeds; seed++ {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			r := trial.Run(seed, trial.Options{Profile: l.profile, Settings: l.settings, Plan: l.plan})
			if r.Broken != nil {
				return "", fmt.Errorf("seed %d: %w", seed, r.Broken)
			}
			events += r.Events
			lived += r.Time
		}
		took := (processorTime() - begun).Seconds()
		runtime.ReadMemStats(&after)
		fmt.Fprintf(&b, "| %s | %.1f | %.0f | %.0f | %.2f |\n", l.name, float64(l.seeds)/took, float64(events)/took,
			lived.Seconds()/took, float64(after.Mallocs-before.Mallocs)/float64(events))
	}
	return b.String(), nil
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("getrusage of the own process: %v", err)) // it can't fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
