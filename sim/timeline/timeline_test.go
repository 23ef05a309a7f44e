package timeline_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/sim/timeline"
)

var trace = []string{
	"   24.000000 plan: power milo2 5s",
	"   24.000000 milo2 loses power",
	"   25.500000 milo1 > milo2 P_STATE, arrives 25.520000",
	"goroutine 7 [running]:",
	"   26.000000 milo1 connection Connected -> NetworkFailure; <the peer> did not answer a ping within ping-timeout",
	"   27.000000 BROKEN 1: an acknowledged write survives: lost",
}

func TestParse(t *testing.T) {
	NewWithT(t).Expect(timeline.Parse(trace)).To(HaveExactElements(
		HaveField("Kind", timeline.Fault),
		timeline.Entry{At: 24, Node: 1, Text: "loses power"},
		timeline.Entry{At: 25.5, Kind: timeline.Message, Text: "P_STATE, arrives 25.520000"},
		HaveField("Kind", timeline.State),
		timeline.Entry{At: 27, Kind: timeline.Violated, Node: -1, Text: "1: an acknowledged write survives: lost"},
	))
}

func TestText(t *testing.T) {
	for line := range strings.SplitSeq(timeline.Text(timeline.Parse(trace)), "\n") {
		NewWithT(t).Expect(len(line)).To(BeNumerically("<=", 140), line)
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	g := NewWithT(t)
	page, err := timeline.HTML("seed <7>", "seed 7\n", timeline.Parse(trace))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page).To(And(
		ContainSubstring("seed &lt;7&gt;"), ContainSubstring("&lt;the peer&gt;"), ContainSubstring(`id="violated"`),
	))
	g.Expect(page).NotTo(Or(ContainSubstring("http"), ContainSubstring("src=")))
}
