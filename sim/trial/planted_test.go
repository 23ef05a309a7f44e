//go:build planted

package trial_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/sim/trial"
)

// Each planted bug must be found, by the promise that it breaks, within so
// many seeds.
func TestPlantedBugsAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		bug     planted.Bug
		within  uint64
		promise []string // in their order of the design
	}{
		"acknowledged before it is on disk": {planted.AckBeforeDisk, 100, []string{"1:", "2:", "3:", "4:", "5:"}},
		"data before the activity log":      {planted.SkipActivityLog, 100, []string{"1:", "2:", "3:", "4:"}},
		"activity log forgotten":            {planted.LoseBitmap, 100, []string{"1:", "2:", "3:", "4:"}},
		"guest before Primary":              {planted.GuestBeforePrimary, 5, []string{"8:"}},
		"written while compared":            {planted.WriteDuringCompare, 100, []string{"2:", "3:", "4:", "5:"}},
		"stale data promoted":               {planted.PromoteStale, 100, []string{"1:", "5:"}},
	} {
		t.Run(name, func(t *testing.T) {
			planted.Active = tc.bug
			defer func() { planted.Active = 0 }()
			for seed := uint64(1); seed <= tc.within; seed++ {
				r := trial.Run(seed, trial.Options{})
				if r.Broken == nil {
					continue
				}
				small := trial.Shrink(seed, trial.Options{}, func() bool { return true })
				t.Logf("seed %d: %v\n%d of %d faults are enough:\n%v", seed, r.Broken, len(small.Plan), len(r.Plan), small.Plan)
				g := NewWithT(t)
				g.Expect(tc.promise).To(ContainElement(r.Broken.Promise[:2]))
				g.Expect(small.Broken.Promise).To(Equal(r.Broken.Promise))
				g.Expect(len(small.Plan)).To(BeNumerically("<=", 6), "a handful: which seed finds it changes with the cores")
				return
			}
			t.Errorf("not found within %d seeds", tc.within)
		})
	}
}

// Without an active bug the planted build is as good as the other.
func TestNoBugNoFinding(t *testing.T) {
	for seed := range uint64(5) {
		NewWithT(t).Expect(trial.Run(seed, trial.Options{}).Broken).NotTo(HaveOccurred())
	}
}
