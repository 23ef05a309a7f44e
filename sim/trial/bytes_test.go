package trial_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/trial"
)

// resetEach is at which bytes of the first ones a connection is reset: a prime,
// so that every place in a packet has its turn.
const resetEach = 29

// Whatever byte a connection is reset at, in the first handshake, among the
// first writes, or in the resync after a crash: the pair recovers.
func TestResetsAtAnyByte(t *testing.T) {
	if trial.Planted {
		t.Skip("the cores have planted bugs, and one world runs at a time")
	}
	s, err := plan.ParseScenario(`profile page
set bytes yes
set clients 1
set think 5s
set calm 24s
12s crash milo2 3s
`)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	hashes := map[uint64]bool{}
	for n := range 2 {
		for at := 1; at < 1500; at += resetEach {
			opt := trial.OptionsOf(s)
			opt.Settings = append(opt.Settings, plan.Setting{Name: fmt.Sprint("reset-milo", n+1), Value: fmt.Sprint(at)})
			r := trial.Run(1, opt)
			NewWithT(t).Expect(r.Broken).NotTo(HaveOccurred(), "milo%d, byte %d", n+1, at)
			hashes[r.Hash] = true
		}
	}
	NewWithT(t).Expect(len(hashes)).To(BeNumerically(">", 30), "resets change what happens")
}

// A run on bytes does what the one on values does: it is a run like any other,
// and the same each time.
func TestBytes(t *testing.T) {
	if trial.Planted {
		t.Skip("as above")
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			opt := trial.Options{Settings: []plan.Setting{{Name: "bytes", Value: "yes"}}}
			first := trial.Run(seed, opt)
			g.Expect(first.Broken).NotTo(HaveOccurred())
			g.Expect(first.Counts.Writes).To(BeNumerically(">", 10))
			g.Expect(trial.Run(seed, opt).Hash).To(Equal(first.Hash))
		})
	}
}
