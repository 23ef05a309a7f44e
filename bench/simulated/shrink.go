package simulated

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/trial"
)

//go:embed failing.plan
var failing string

// longest is how long it may take to shrink a run, in seconds.
const longest = 30

// shrink adds the table of how long it takes to make a failing run small.
func shrink(ctx context.Context, b *strings.Builder) error {
	s, err := plan.ParseScenario(failing)
	if err != nil {
		return fmt.Errorf("the run that fails: %w", err)
	}
	runs := 0
	begun := processorTime()
	small := trial.Shrink(s.Seed, trial.OptionsOf(s), func() bool {
		runs++
		return ctx.Err() == nil
	})
	took := (processorTime() - begun).Seconds()
	if err := ctx.Err(); err != nil {
		return err
	}
	if small.Broken == nil {
		return errors.New("the run that fails: it broke no promise")
	}
	fmt.Fprintf(b, "\n| a failing run | faults | shrunk to | runs | s | aim |\n|---|---|---|---|---|---|\n"+
		"| %s | %d | %d | %d | %.1f | %d |\n", small.Broken.Promise, len(s.Plan), len(small.Plan), runs, took, longest)
	return nil
}
