package timeline_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/sim/timeline"
)

var milo = [2]string{"milo1", "milo2"}

var trace = []string{
	"   24.000000 plan: power milo2 5s",
	"   24.000000 milo2 loses power",
	"   25.500000 milo1 > milo2 P_STATE, arrives 25.520000",
	"goroutine 7 [running]:",
	"   26.000000 milo1 connection Connected -> NetworkFailure; <the peer> did not answer a ping within ping-timeout",
	"   27.000000 BROKEN 1: an acknowledged write survives: lost",
}

func TestParse(t *testing.T) {
	NewWithT(t).Expect(timeline.Parse(milo, trace).Entries).To(HaveExactElements(
		HaveField("Kind", timeline.Fault),
		timeline.Entry{At: 24, Node: 1, Text: "loses power"},
		timeline.Entry{At: 25.5, Kind: timeline.Message, Text: "P_STATE, arrives 25.520000"},
		HaveField("Kind", timeline.State),
		timeline.Entry{At: 27, Kind: timeline.Violated, Node: -1, Text: "1: an acknowledged write survives: lost"},
	))
}

func TestText(t *testing.T) {
	for line := range strings.SplitSeq(timeline.Parse(milo, trace).Text(), "\n") {
		NewWithT(t).Expect(len(line)).To(BeNumerically("<=", 140), line)
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	g := NewWithT(t)
	page, err := timeline.Parse(milo, trace).HTML("seed <7>", "seed 7\n")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page).To(And(
		ContainSubstring("seed &lt;7&gt;"), ContainSubstring("&lt;the peer&gt;"), ContainSubstring(`id="violated"`),
	))
	g.Expect(page).NotTo(Or(ContainSubstring("http"), ContainSubstring("src=")))
}

// A recording may be of one node alone, and nothing is broken in it.
func TestNodesHaveTheirOwnNames(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"0.000000 dom0-a counts its peer as dead: silent for 10.0 s", "1.000000 dom0-b is active"}
	both := timeline.Parse([2]string{"dom0-a", "dom0-b"}, lines)
	g.Expect(both.Entries).To(HaveExactElements(HaveField("Node", 0), timeline.Entry{At: 1, Node: 1, Text: "is active"}))
	g.Expect(both.Text()).To(MatchRegexp(`^ +seconds  dom0-a +dom0-b\n`))
	one := timeline.Parse([2]string{"dom0-a"}, lines[:1])
	g.Expect(one.Entries).To(HaveExactElements(HaveField("Node", 0)))
	page, err := one.HTML("what happened", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page).To(ContainSubstring("<th>dom0-a</th>"))
	g.Expect(page).NotTo(Or(ContainSubstring("#violated"), ContainSubstring("scenario"), ContainSubstring("messages")))
}
