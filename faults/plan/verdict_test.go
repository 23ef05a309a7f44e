package plan_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
)

func TestVerdict(t *testing.T) {
	s, err := plan.ParseScenario("40s power milo1 20s\nexpect promotions >= 2\nexpect forks = 0\nexpect colours = 1\n")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	well := func() plan.Verdict {
		return plan.Verdict{
			Counts: map[string]int{"promotions": 3, "forks": 0, "colours": 1}, Equal: true,
			End: [2]plan.End{{"Connected", "Primary", "UpToDate", true}, {"Connected", "Secondary", "UpToDate", false}},
		}
	}
	for name, tc := range map[string]struct {
		change func(v *plan.Verdict)
		same   bool // as a verdict on which all went well
		good   bool
		line   string
	}{
		"all went well":              {func(*plan.Verdict) {}, true, true, "milo1 ends Connected Primary UpToDate, runs the group"},
		"it happened more often":     {func(v *plan.Verdict) { v.Counts["promotions"] = 5 }, true, true, "expect promotions >= 2: met"},
		"it happened too seldom":     {func(v *plan.Verdict) { v.Counts["promotions"] = 1 }, false, false, "expect promotions >= 2: missed"},
		"nobody counted it":          {func(v *plan.Verdict) { delete(v.Counts, "colours") }, false, false, "expect colours = 1: not counted"},
		"a guest saw an error":       {func(v *plan.Verdict) { v.Counts["refused"] = 2 }, false, true, "refused: some"},
		"a promise was broken":       {func(v *plan.Verdict) { v.Broken = "7: a guest" }, false, false, "broken: promise 7: a guest"},
		"a trigger never came":       {func(v *plan.Verdict) { v.Missed = "on milo1 Primary break milo1\n" }, false, false, "never came: on milo1 Primary break milo1"},
		"a node ended in a state":    {func(v *plan.Verdict) { v.End[1].Disk = "Outdated" }, false, true, "milo2 ends Connected Secondary Outdated"},
		"the copies are not equal":   {func(v *plan.Verdict) { v.Equal = false }, false, true, "the copies differ"},
		"what was seen is no matter": {func(v *plan.Verdict) { v.Why = "sector 8" }, true, true, "both copies are equal"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := well()
			tc.change(&v)
			g.Expect(v.Good(s)).To(Equal(tc.good))
			g.Expect(v.Lines(s)).To(ContainElement(tc.line))
			if tc.same {
				g.Expect(v.Lines(s)).To(Equal(well().Lines(s)))
			} else {
				g.Expect(v.Lines(s)).NotTo(Equal(well().Lines(s)))
			}
			g.Expect(v.Describe(s)).To(And(ContainSubstring(tc.line), ContainSubstring(v.Why)))
		})
	}
}
