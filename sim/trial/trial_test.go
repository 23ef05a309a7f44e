package trial_test

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/trial"
)

// seeds is how many seeds are run each time: always the same ones.
const seeds = 300

// command shows the run of a seed again.
func command(r trial.Result) string {
	changed := ""
	if i := slices.IndexFunc(r.Settings, func(x plan.Setting) bool { return x.Name == "witness" }); i >= 0 {
		changed = " --witness " + r.Settings[i].Value
	}
	return fmt.Sprintf("go run ./sim/polluxsim run --seed %d --profile %s%s --trace", r.Seed, r.Profile, changed)
}

func TestSeeds(t *testing.T) {
	if trial.Planted {
		t.Skip("the cores have planted bugs, and one world runs at a time")
	}
	results := make([]trial.Result, seeds)
	t.Run("run", func(t *testing.T) {
		for i := range results {
			t.Run(fmt.Sprint("seed ", i+1), func(t *testing.T) {
				t.Parallel()
				results[i] = trial.Run(uint64(i+1), trial.Options{})
				if broken := results[i].Broken; broken != nil {
					t.Errorf("%v\n    %s", broken, command(results[i]))
				}
			})
		}
	})
	var sum oracle.Counts
	for _, r := range results {
		sum.Add(r.Counts)
	}
	t.Logf("%+v", sum)
	g := NewWithT(t)
	for what, n := range map[string]int{
		"writes": sum.Writes, "reads": sum.Reads, "writes of one node alone": sum.Alone, "promotions": sum.Promotions,
		"resyncs": sum.Resyncs, "blocks verified": sum.Verified, "sectors compared": sum.Compared, "marked blocks": sum.Marked,
		"starts": sum.Starts, "stops": sum.Stops, "bounds": sum.Bounds,
	} {
		g.Expect(n).To(BeNumerically(">", seeds), "an oracle that compares nothing finds nothing: %s", what)
	}
}

// A run depends on its seed alone: not on what ran before it, and not on who
// watches.
func TestSameSeedSameRun(t *testing.T) {
	if trial.Planted {
		t.Skip("as above")
	}
	g := NewWithT(t)
	var first []uint64
	for seed := range uint64(12) {
		first = append(first, trial.Run(seed, trial.Options{}).Hash)
	}
	for i := range first {
		seed := uint64(len(first) - 1 - i)
		lines := 0
		again := trial.Run(seed, trial.Options{Trace: func(string) { lines++ }})
		g.Expect(again.Hash).To(Equal(first[seed]), "seed %d", seed)
		g.Expect(lines).To(BeNumerically(">", 10))
	}
}

func TestPlanOfOnesOwn(t *testing.T) {
	g := NewWithT(t)
	p, err := plan.Parse("40s power milo1 20s\n70s break milo2\n")
	g.Expect(err).NotTo(HaveOccurred())
	r := trial.Run(5, trial.Options{Profile: trial.Load, Plan: p})
	g.Expect(r.Broken).NotTo(HaveOccurred())
	g.Expect(r.Plan).To(Equal(p))
	g.Expect(r.Counts.Promotions).To(BeNumerically(">", 1), "the guest moved to the other node")
}

// A witness that only stores, and lets the nodes decide, keeps the same promises.
func TestSeedsWithAStore(t *testing.T) {
	if trial.Planted {
		t.Skip("as above")
	}
	opt := trial.Options{Profile: trial.Third, Settings: []plan.Setting{{Name: "witness", Value: "store"}}}
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := trial.Run(seed, opt)
			if r.Broken != nil {
				t.Errorf("%v\n    %s", r.Broken, command(r))
			}
			g := NewWithT(t)
			g.Expect(trial.Run(seed, trial.Options{Profile: trial.Third}).Hash).NotTo(Equal(r.Hash), "the store is no pollux-witness")
			g.Expect(trial.Run(seed, opt).Hash).To(Equal(r.Hash))
		})
	}
}
