package search_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/sim/search"
	"github.com/optionc/pollux/sim/trial"
)

func TestSweep(t *testing.T) {
	if trial.Planted {
		t.Skip("one world runs at a time")
	}
	g := NewWithT(t)
	var progress bytes.Buffer
	sum := search.Sweep{From: 1, Count: 6, Guided: true, Progress: &progress}.Run()
	g.Expect(sum.Runs).To(BeNumerically(">=", 6))
	g.Expect(sum.Broken).To(BeZero())
	g.Expect(sum.Missing()).To(And(ContainSubstring("P_OV_REQUEST"), ContainSubstring("order resize"),
		ContainSubstring("fence"), ContainSubstring("node settling")))
	g.Expect(sum.Missing()).NotTo(Or(ContainSubstring("BrokenPipe"), ContainSubstring("peer up"),
		ContainSubstring("start,"), ContainSubstring("node stable"), ContainSubstring("group running,")))
	g.Expect(sum.String()).To(ContainSubstring("pairs of state and event"))
}
