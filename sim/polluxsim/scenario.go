package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/faults/scenarios"
	"github.com/optionc/pollux/sim/trial"
)

// load reads a scenario from a file, or finds a named one.
func load(name string) (plan.Scenario, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		s, unknown := scenarios.Find(name)
		if unknown != nil {
			return s, fmt.Errorf("found %q, want the name of a scenario ('polluxsim run all' runs them all) or of a file: %w", name, err)
		}
		return s, nil
	}
	s, err := plan.ParseScenario(string(text))
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// printVerdict runs a scenario and says what came of it, for a program: the
// suite that plays it on real machines.
func printVerdict(s plan.Scenario) error {
	v := trial.Run(s.Seed, trial.OptionsOf(s)).Verdict()
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		return err
	}
	if !v.Good(s) {
		return errBroken
	}
	return nil
}

// runAll runs every named scenario.
func runAll() error {
	all, err := scenarios.All()
	if err != nil {
		return err
	}
	failed := 0
	for _, s := range all {
		r := trial.Run(s.Seed, trial.OptionsOf(s.Scenario))
		verdict := "ok"
		if r.Broken != nil {
			verdict = "BROKEN " + r.Broken.Error()
		} else if err := trial.Expected(s.Scenario, r); err != nil {
			verdict = "NOT AS EXPECTED " + err.Error()
		}
		if len(r.Missed) > 0 {
			verdict += fmt.Sprintf(" (%d triggers never came: %s)", len(r.Missed),
				strings.TrimSpace(r.Missed.String()))
		}
		if !strings.HasPrefix(verdict, "ok") {
			failed++
		}
		fmt.Printf("%-44s %s\n", s.Name, verdict)
	}
	if failed > 0 {
		return errBroken
	}
	return nil
}
