//go:build planted

package main

import (
	"flag"
	"fmt"
	"regexp"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/faults/scenarios"
	"github.com/optionc/pollux/sim/search"
	"github.com/optionc/pollux/sim/trial"
)

// mutants plants one bug after the other and says what finds it: the named
// scenarios come first, then seeds from 1 on.
func mutants(args []string) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	limit := flags.Duration("for", time.Minute, "how long a bug is looked for")
	only := flags.String("only", "", "a regular `expression` for the names")
	if err := flags.Parse(args); err != nil {
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
	found, looked := 0, 0
	for _, m := range planted.Catalogue {
		if !names.MatchString(m.Name) {
			continue
		}
		planted.Active = m.Bug
		begun := time.Now()
		by, why := hunt(all, *limit)
		looked++
		if by != "" {
			found++
		} else {
			by = "NOT FOUND"
		}
		fmt.Printf("%-20s %6.1f s  %-46s %s\n%22s%s\n", m.Name, time.Since(begun).Seconds(), by, why, "", m.Source)
	}
	fmt.Printf("%d of %d planted bugs were found\n", found, looked)
	if found < looked {
		return errBroken
	}
	return nil
}

// hunt runs until a promise is broken.
func hunt(all []scenarios.Named, limit time.Duration) (by, why string) {
	for _, s := range all {
		r := trial.Run(s.Seed, trial.OptionsOf(s.Scenario))
		if r.Broken != nil {
			return "scenario " + s.Name, r.Broken.Promise
		}
		if err := trial.Expected(s.Scenario, r); err != nil {
			return "scenario " + s.Name, err.Error()
		}
	}
	sweep := search.Sweep{From: 1, For: limit, Failed: func(r trial.Result) {
		if by == "" {
			by, why = fmt.Sprintf("seed %d, %s", r.Seed, r.Profile), r.Broken.Promise
		}
	}}
	sum := sweep.Run()
	if by != "" {
		by += fmt.Sprintf(", of %d seeds", sum.Runs)
	}
	return by, why
}
