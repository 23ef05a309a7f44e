package trial_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/faults/scenarios"
	"github.com/optionc/pollux/sim/trial"
	"github.com/optionc/pollux/sim/world"
)

// Every named scenario keeps every promise, does what it is named after, and
// is written as a machine would.
func TestScenarios(t *testing.T) {
	if trial.Planted {
		t.Skip("the cores have planted bugs, and one world runs at a time")
	}
	all, err := scenarios.All()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(len(all)).To(BeNumerically(">=", 40))
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			g.Expect(s.About).NotTo(BeEmpty(), "why it matters")
			r := trial.Run(s.Seed, trial.OptionsOf(s.Scenario))
			g.Expect(r.Broken).NotTo(HaveOccurred())
			g.Expect(trial.Expected(s.Scenario, r)).To(Succeed())
			g.Expect(r.Missed).To(BeEmpty(), "faults whose trigger never came")
			verdict := r.Verdict()
			g.Expect(verdict.Good(s.Scenario)).To(BeTrue(), verdict.Describe(s.Scenario))
			g.Expect(verdict.Lines(s.Scenario)).To(ContainElements("every promise kept", "both copies are equal"))
		})
	}
}

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		scenario string
		wantErr  string
	}{
		"a value of the wrong kind":        {"set clients many", "setting clients"},
		"a name that is none":              {"set colour blue", "setting colour is none of after-sb-0pri, "},
		"a policy that is none":            {"set after-sb-0pri luck", "which is no after-sb policy"},
		"a trigger that can never come":    {"on milo1 Tertiary break milo1", `trigger "Tertiary" is no state`},
		"a share of what does not grow":    {"on milo1 Primary 50% break milo1", `trigger "Primary" has no percentage`},
		"a packet that is none":            {"on milo1 P_NUTS break milo1", `trigger "P_NUTS" is no state`},
		"a witness that is none":           {"on milo1 Primary cut-witness milo1 5s", "on milo1 Primary cut-witness milo1 5s: there is no witness"},
		"a witness that can't crash":       {"1s crash witness 5s", "1s crash witness 5s: there is no witness"},
		"a witness that keeps nothing":     {"set policy witness\n9s old-disk witness 5s", "the witness keeps nothing"},
		"a witness of no kind":             {"set witness judge", `found "judge", want decides or store`},
		"a fencing device that is none":    {"1s dead-fence milo2 5s", "there is nothing to fence with"},
		"a protocol that DRBD has not":     {"set protocol D", "want A, B or C"},
		"a switch that is neither on, off": {"set auto_failback maybe", "want on or off"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := plan.ParseScenario("profile page\n" + tc.scenario)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(trial.Run(1, trial.OptionsOf(s)).Broken).To(MatchError(ContainSubstring(tc.wantErr)))
		})
	}
}

// What a run prints can be run again: seed, settings, triggers and all.
func TestScenarioOfARunIsThatRun(t *testing.T) {
	g := NewWithT(t)
	s, err := plan.ParseScenario("seed 9\nset protocol A\nset clients 2\n40s power milo1 20s\non milo2 Primary +1s break milo1\n")
	g.Expect(err).NotTo(HaveOccurred())
	first := trial.Run(s.Seed, trial.OptionsOf(s))
	again, err := plan.ParseScenario(first.Scenario().String())
	g.Expect(err).NotTo(HaveOccurred())
	seen := world.Coverage{}
	opt := trial.OptionsOf(again)
	opt.Seen, opt.Messages = seen, true
	g.Expect(trial.Run(again.Seed, opt).Hash).To(Equal(first.Hash), "whoever watches")
	g.Expect(len(seen)).To(BeNumerically(">", 50))
	g.Expect(seen.Missing()).To(And(ContainElement("P_OV_REQUEST"), Not(ContainElement("P_DATA"))))
}
