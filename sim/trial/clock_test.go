package trial_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/trial"
)

// Whatever a wall clock says, nothing that happens depends on it: a run with
// clocks that are a day wrong, and set right again, is the same run.
func TestWallClocksDecideNothing(t *testing.T) {
	if trial.Planted {
		t.Skip("the cores have planted bugs, and one world runs at a time")
	}
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var right, wrong plan.Plan
			for _, f := range trial.Drawn(seed, trial.Any) {
				if f.Kind != plan.Wall {
					right = append(right, f)
				}
			}
			for n, text := range []string{"10s wall-clock milo1 1s", "12s wall-clock milo2 3m", "20s wall-clock milo1 25s"} {
				f, err := plan.Parse(text)
				g.Expect(err).NotTo(HaveOccurred(), "fault %d", n)
				wrong = append(wrong, f...)
			}
			wrong = append(wrong, right...)
			first := trial.Run(seed, trial.Options{Plan: right})
			second := trial.Run(seed, trial.Options{Plan: wrong})
			g.Expect(first.Broken).NotTo(HaveOccurred())
			g.Expect(second.Hash).To(Equal(first.Hash))
			g.Expect(second.Counts).To(Equal(first.Counts))
			g.Expect(second.Time).To(Equal(first.Time))
		})
	}
}
