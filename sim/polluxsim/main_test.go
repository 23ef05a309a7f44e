package main

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/trial"
	"github.com/optionc/pollux/sim/world"
)

// What can't be done is said in one line, with what would be right, and nothing runs.
func TestWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a verb":               {[]string{"walk"}, `found "walk", want run, sweep, replay, shrink, explain or mutants`},
		"a profile":            {[]string{"run", "--profile", "strom"}, `found profile "strom", want load, storm, `},
		"a profile of a sweep": {[]string{"sweep", "--seeds", "1..2", "--profile", "strom"}, `found profile "strom", want `},
		"a seed":               {[]string{"run", "--seed", "x"}, "'polluxsim run --help' has the flags"},
		"a flag":               {[]string{"explain", "--hmtl", "x"}, "-hmtl; 'polluxsim explain --help'"},
		"no seeds":             {[]string{"sweep"}, "found no seeds, want --seeds A..B or --for TIME"},
		"seeds that go back":   {[]string{"sweep", "--seeds", "5..1"}, `found seeds "5..1", want two numbers`},
		"seeds and a letter":   {[]string{"sweep", "--seeds", "1..3x"}, `found seeds "1..3x"`},
		"a sweep of a name":    {[]string{"sweep", "a-few-io-errors"}, `found "a-few-io-errors", want --seeds`},
		"two scenarios":        {[]string{"run", "a-few-io-errors", "both"}, `found "both" behind a-few-io-errors`},
		"an unknown scenario":  {[]string{"shrink", "nowhere"}, `found "nowhere", want the name of a scenario`},
		"a recording":          {[]string{"replay", "/nowhere.rec"}, "/nowhere.rec: no such file"},
		"a change":             {[]string{"replay", "a.rec", "--what-if", "luck"}, `found "luck", want one of: 'deadtime`},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(start(tc.args)).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	g := NewWithT(t)
	for _, verb := range []string{"run", "sweep", "replay", "shrink", "explain"} {
		g.Expect(start([]string{verb, "--help"})).To(MatchError(flag.ErrHelp), verb)
	}
	g.Expect(start(nil)).To(Succeed())
	g.Expect(start([]string{"--help"})).To(Succeed())
}

func TestWhatASweepFindsIsWrittenDownAtOnce(t *testing.T) {
	g := NewWithT(t)
	found := finds{dir: t.TempDir()}
	changed := plan.Plan{{At: time.Second, Kind: plan.Crash, Node: 1, For: time.Second}}
	found.add(trial.Result{Seed: 7, Profile: trial.Storm, Plan: changed, Broken: &world.Violation{Promise: "1"}})
	s, err := load(filepath.Join(found.dir, "found-1-seed-7.plan"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Plan).To(Equal(changed), "a guided run has a plan that its seed does not draw")
	g.Expect(s.Seed).To(Equal(uint64(7)))
}
