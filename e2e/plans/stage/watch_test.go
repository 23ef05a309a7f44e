package stage

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/plans/ledger"
	"github.com/optionc/pollux/faults/plan"
)

// watching is a play without machines: the lines that they print are made up.
func watching(t *testing.T, scenario string) *play {
	t.Helper()
	s, err := plan.ParseScenario("profile page\n" + scenario)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	set, err := settingsOf(s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return newPlay(&Stage{say: func(string) {}}, s, set)
}

const (
	connects = `level=INFO msg="connection WFReportParams -> Connected; disk Consistent -> UpToDate; peer disk DUnknown -> UpToDate; x"`
	promoted = `level=INFO msg="role Secondary -> Primary; promoted" resource=r1`
	breaks   = `level=INFO msg="connection Connected -> BrokenPipe; peer role Secondary -> Unknown; peer disk UpToDate -> DUnknown; x"`
	targets  = `level=INFO msg="connection WFSyncUUID -> SyncTarget; disk UpToDate -> Inconsistent; x"`
	pauses   = `level=INFO msg="connection SyncTarget -> PausedSyncT; x"`
)

func TestStatesAreRead(t *testing.T) {
	g := NewWithT(t)
	p := watching(t, "on milo1 Primary #2 +1s break milo1\non milo2 SyncTarget break milo2")
	p.sides[0].begins, p.sides[1].begins = true, true
	p.logged(0, connects)
	p.logged(0, promoted)
	g.Expect(p.sides[0]).To(Equal(side{role: "Primary", conn: "Connected", disk: "UpToDate", peerDisk: "UpToDate"}))
	g.Expect(p.acts).To(BeEmpty(), "the second time is meant")
	p.logged(0, `level=INFO msg="role Primary -> Secondary; demoted"`)
	p.logged(0, promoted)
	g.Expect(p.acts).To(Receive(Equal(act{time.Second, p.scenario.Plan[0]})))
	p.logged(0, breaks)
	g.Expect(p.sides[0].alone).NotTo(BeZero())
	p.logged(0, connects)
	g.Expect(p.sides[0].alone).To(BeZero())
	p.logged(1, targets)
	p.logged(1, pauses)
	g.Expect(p.acts).To(Receive(Equal(act{0, p.scenario.Plan[1]})))
	g.Expect(p.counts).To(And(HaveKeyWithValue("promotions", 2), HaveKeyWithValue("resyncs", 1)))
}

func TestGuestsAreJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		scenario string
		lines    []string // the first word is the node
		broken   string
		forks    int
	}{
		"one guest that reads what it wrote": {lines: []string{
			"1 vg start", "1 start", "1 found 1", "1 ack 3 4294967297", "1 read 3", "1 end by order", "1 vg stop",
			"2 vg start", "2 start", "2 found 2 3:4294967297",
		}},
		"a guest that lacks a write": {broken: ledger.Promise1, forks: 1, lines: []string{
			"1 start", "1 found 1", "1 ack 3 4294967297", "1 end by order", "2 start", "2 found 2",
		}},
		"a guest that reads something else": {broken: ledger.Promise2, lines: []string{
			"1 start", "1 found 1", "1 wrong place 3 holds write 1.1, want 1.2",
		}},
		"two guests": {broken: promise7, forks: 1, lines: []string{
			"1 start", "1 found 1", "2 start", "2 found 2",
		}},
		"two guests where the configuration accepts that": {scenario: "set apart yes", forks: 1, lines: []string{
			"1 start", "1 found 1", "2 start", "2 found 2", "1 ack 3 4294967297", "2 ack 3 8589934593",
		}},
		"a volume group that is stopped under its guest": {broken: promise8, lines: []string{
			"1 start", "1 found 1", "1 disorder the volume group is stopped under the guest",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := watching(t, tc.scenario)
			for _, line := range tc.lines {
				p.told(int(line[0]-'1'), line[2:])
			}
			g.Expect(p.trouble).NotTo(HaveOccurred())
			g.Expect(p.book.Broken).To(Equal(tc.broken), p.book.Why)
			g.Expect(p.book.Forks).To(Equal(tc.forks))
		})
	}
}
