//go:build planted

package main

import (
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/faults/scenarios"
	"github.com/optionc/pollux/sim/search"
	"github.com/optionc/pollux/sim/trial"
)

// mutants plants one bug after the other and says what finds it: the named
// scenarios come first, then seeds from 1 on. All processors look for the same
// bug, so that a time is that of a sweep.
func mutants(args []string) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	limit := flags.Duration("for", time.Minute, "for how long seeds are begun, once no scenario finds the bug; 0s is none")
	only := flags.String("only", "", "a regular `expression` for the names")
	if _, err := flagsOf(flags, args); err != nil {
		return err
	}
	names, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	all, err := scenarios.All()
	if err != nil {
		return err
	}
	found, soon, looked, begun := 0, 0, 0, time.Now()
	for _, m := range planted.Catalogue {
		if !names.MatchString(m.Name) {
			continue
		}
		planted.Active = m.Bug
		asked := time.Now()
		by, why := hunt(all, *limit)
		took := time.Since(asked)
		looked++
		switch {
		case by == "":
			by = "NOT FOUND"
		case took <= time.Minute:
			soon++
			found++
		default:
			found++
		}
		fmt.Printf("%-20s %6.1f s  %-46s %s\n%22s%s\n", m.Name, took.Seconds(), by, why, "", m.Source)
	}
	if looked == 0 {
		return fmt.Errorf("--only: found %q, want an expression that a name in daemon/core/planted matches", *only)
	}
	fmt.Printf("%d of %d planted bugs were found, %d of them within a minute; %.0f s in all, on %d processors\n",
		found, looked, soon, time.Since(begun).Seconds(), runtime.GOMAXPROCS(0))
	if found < looked {
		return errBroken
	}
	return nil
}

// hunt runs until a promise is broken.
func hunt(all []scenarios.Named, limit time.Duration) (by, why string) {
	if by, why = huntByName(all); by != "" || limit == 0 {
		return by, why
	}
	var first trial.Result
	sweep := search.Sweep{From: 1, For: limit, Failed: func(r trial.Result) {
		if first.Broken == nil || r.Seed < first.Seed {
			first = r
		}
	}}
	sum := sweep.Run()
	if first.Broken == nil {
		return "", ""
	}
	return fmt.Sprintf("seed %d, %s, of %d seeds", first.Seed, first.Profile, sum.Runs), first.Broken.Promise
}

// huntByName runs the named scenarios on all processors, and gives the first in
// their order that is not as it should be.
func huntByName(all []scenarios.Named) (by, why string) {
	var lock sync.Mutex
	var workers sync.WaitGroup
	next, first := 0, len(all)
	pick := func() (i int, ok bool) {
		lock.Lock()
		defer lock.Unlock()
		i, next = next, next+1
		return i, i < first
	}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i, ok := pick(); ok; i, ok = pick() {
				wrong := judge(all[i])
				lock.Lock()
				if wrong != "" && i < first {
					first, by, why = i, "scenario "+all[i].Name, wrong
				}
				lock.Unlock()
			}
		})
	}
	workers.Wait()
	return by, why
}

// judge says what is wrong with the run of a scenario; nothing is empty.
func judge(s scenarios.Named) string {
	r := trial.Run(s.Seed, trial.OptionsOf(s.Scenario))
	if r.Broken != nil {
		return r.Broken.Promise
	}
	if err := trial.Expected(s.Scenario, r); err != nil {
		return err.Error()
	}
	return ""
}
