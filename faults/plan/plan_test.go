package plan_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
)

func TestText(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    plan.Plan
		wantErr string
	}{
		"a power loss says how long": {
			text: "30.5s power milo2 20s", want: plan.Plan{{At: 30500 * time.Millisecond, Kind: plan.Power, Node: 1, For: 20 * time.Second}},
		},
		"what happens at once has no time": {
			text: "# first\n\n1s break milo1 # here", want: plan.Plan{{At: time.Second, Kind: plan.Break}},
		},
		"what waits for a state says how often": {
			text: "on milo2 SyncTarget #2 +200ms power milo1 3s", want: plan.Plan{{
				On: plan.Trigger{Node: 1, Word: "SyncTarget", Nth: 2}, At: 200 * time.Millisecond, Kind: plan.Power,
				For: 3 * time.Second,
			}},
		},
		"what waits for a share of a resync": {
			text: "on milo1 SyncSource 50% #2 break milo2", want: plan.Plan{{
				On: plan.Trigger{Word: "SyncSource", Percent: 50, Nth: 2}, Kind: plan.Break, Node: 1,
			}},
		},
		"a share that is over":        {text: "on milo2 SyncTarget 100% break milo1", wantErr: `found "100%", want a share from 1% to 99%`},
		"a trigger without a kind":    {text: "on milo2 SyncTarget", wantErr: "found 0 words after the time"},
		"settings":                    {text: "set protocol C\n1s break milo1", wantErr: "found a scenario"},
		"a node that is not there":    {text: "1s power milo3 2s", wantErr: `line 1: found node "milo3"`},
		"a kind that is not there":    {text: "1s flood milo1", wantErr: `found kind "flood", want one of power, crash`},
		"a power loss without an end": {text: "1s power milo1", wantErr: "found 1 words after power"},
		"a break with an end":         {text: "1s break milo1 3s", wantErr: "found 2 words after break"},
		"a time that is none":         {text: "soon break milo1", wantErr: `found time "soon"`},
		"times that go back":          {text: "2s break milo1\n1s break milo1", wantErr: "line 2: found time 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := plan.Parse(tc.text)
			if tc.wantErr != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.wantErr)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

func TestDraw(t *testing.T) {
	g := NewWithT(t)
	profile := plan.Profile{
		From: 20 * time.Second, To: 80 * time.Second, Faults: 20, Deadtime: 9 * time.Second, Together: 300_000,
	}
	kinds := map[plan.Kind]int{}
	for seed := range uint64(200) {
		p := plan.Draw(seed, profile)
		g.Expect(plan.Draw(seed, profile)).To(Equal(p), "the same seed draws the same plan")
		g.Expect(plan.Parse(p.String())).To(Equal(p), "what is printed can be run again")
		for _, f := range p {
			kinds[f.Kind]++
			g.Expect(f.At).To(And(BeNumerically(">=", profile.From), BeNumerically("<=", profile.To)))
			if f.Kind == plan.CutBeats {
				g.Expect(f.For).To(BeNumerically("<=", profile.Deadtime/3), "a node that lives is not taken for dead")
			}
		}
	}
	g.Expect(kinds).NotTo(Or(HaveKey(plan.Pause), HaveKey(plan.Cut), HaveKey(plan.Split), HaveKey(plan.Sleep)))
	profile.Apart, profile.BadDisks, profile.Detach, profile.Silent = true, true, true, true
	for seed := range uint64(200) {
		for _, f := range plan.Draw(seed, profile) {
			kinds[f.Kind]++
		}
	}
	for seed := range uint64(20) {
		p := plan.DrawWitness(seed, profile)
		g.Expect(plan.Parse(ordered(p).String())).To(Equal(ordered(p)))
		for _, f := range p {
			kinds[f.Kind]++
			if f.Kind == plan.Crash {
				g.Expect(f.Node).To(Equal(plan.Witness))
			}
		}
	}
	g.Expect(kinds).To(And(HaveLen(int(plan.Kinds)-7),
		Not(Or(HaveKey(plan.Rot), HaveKey(plan.Damage), HaveKey(plan.Die), HaveKey(plan.Maintain),
			HaveKey(plan.DeadFence), HaveKey(plan.Crowd)))))
}

func ordered(p plan.Plan) plan.Plan {
	p = slices.Clone(p)
	slices.SortStableFunc(p, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
	return p
}

func FuzzParse(f *testing.F) {
	f.Add("30.5s power milo1 20s\n41s cut-data milo2 12s\n50s break milo1\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := plan.Parse(text)
		if err != nil || len(p) == 0 {
			return
		}
		NewWithT(t).Expect(plan.Parse(p.String())).To(Equal(p))
	})
}

func TestScenario(t *testing.T) {
	g := NewWithT(t)
	text := `# Why it matters.
# In two lines.
seed 7
profile page
set protocol A
30s power milo1 20s
on milo2 Primary break milo1
expect promotions >= 2
`
	s, err := plan.ParseScenario(text)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.About).To(Equal("Why it matters.\nIn two lines.\n"))
	g.Expect(s.Settings).To(Equal([]plan.Setting{{Name: "protocol", Value: "A"}}))
	g.Expect(s.String()).To(Equal(text))
	g.Expect(s.Expect[0].Holds(2)).To(BeTrue())
	g.Expect(s.Expect[0].Holds(1)).To(BeFalse())
	for _, bad := range []string{"seed x", "set protocol", "expect resyncs > 1", "expect resyncs >= many", "profile"} {
		_, err := plan.ParseScenario(bad)
		g.Expect(err).To(MatchError(ContainSubstring("line 1")), bad)
	}
}

func FuzzParseScenario(f *testing.F) {
	f.Add("# x\nseed 7\nset a b\non milo1 Primary #3 +2s break milo2\n50s break milo1\nexpect a <= 4\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := plan.ParseScenario(text)
		if err != nil {
			return
		}
		again, err := plan.ParseScenario(s.String())
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		s.About, again.About = "", "" // blanks at the ends of lines are not kept
		NewWithT(t).Expect(again).To(Equal(s))
	})
}
