package witness_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

const lease = 30 * time.Second

// third is a witness, and the questions that it was asked so far.
type third struct {
	voter       *witness.Voter
	incarnation uint64
	sequence    uint64
}

func newThird(incarnation uint64) *third {
	return &third{voter: witness.NewVoter(0, lease, incarnation), incarnation: incarnation}
}

// ask is a question of a node about its one group.
func (w *third) ask(at time.Duration, node string, flags witnesswire.Flags) witnesswire.Verdict {
	w.sequence++
	a, ok := w.voter.Ask(at, witnesswire.Ask{
		Incarnation: w.incarnation, Sequence: w.sequence, Lease: lease, Cluster: "site", Node: node,
		Groups: []witnesswire.Group{{Flags: flags, Name: "drbddisk::r1"}},
	})
	if !ok {
		return 99
	}
	return a.Groups[0].Verdict
}

const (
	want, held, alone, equal = witnesswire.Want, witnesswire.Held, witnesswire.Alone, witnesswire.Equal
	granted, taken           = witnesswire.Granted, witnesswire.Taken
)

func TestALeaseIsOneNodes(t *testing.T) {
	g, w := NewWithT(t), newThird(1)
	g.Expect(w.ask(0, "milo2", 0)).To(Equal(witnesswire.Free))
	g.Expect(w.ask(1*time.Second, "milo1", want)).To(Equal(granted))
	g.Expect(w.ask(2*time.Second, "milo2", want)).To(Equal(taken))
	g.Expect(w.ask(20*time.Second, "milo1", want|held)).To(Equal(granted))
	g.Expect(w.ask(49*time.Second, "milo2", want)).To(Equal(taken))
	g.Expect(w.ask(50*time.Second, "milo2", want)).To(Equal(granted), "30 s after the last question of milo1")
	g.Expect(w.ask(51*time.Second, "milo1", want|held)).To(Equal(taken))
	g.Expect(w.ask(52*time.Second, "milo2", 0)).To(Equal(witnesswire.Free))
	g.Expect(w.ask(53*time.Second, "milo1", want)).To(Equal(granted), "given back")
}

func TestAWitnessThatStartsAnewWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		before []string // nodes that say first that they do not hold the group
		node   string
		flags  witnesswire.Flags
		at     time.Duration
		want   witnesswire.Verdict
	}{
		"a node that can't show that it is the holder waits": {node: "milo2", flags: want, at: 29 * time.Second, want: witnesswire.Young},
		"until every lease has ended":                        {node: "milo2", flags: want, at: 30 * time.Second, want: granted},
		"the holder goes on":                                 {node: "milo1", flags: want | held, want: granted},
		"if the other holds nothing nobody waits":            {before: []string{"milo1"}, node: "milo2", flags: want, want: granted},
		"also when both hold nothing":                        {before: []string{"milo1", "milo2"}, node: "milo2", flags: want, want: granted},
		"one's own word is not enough":                       {before: []string{"milo2"}, node: "milo2", flags: want, want: witnesswire.Young},
	} {
		t.Run(name, func(t *testing.T) {
			w := newThird(2)
			for _, node := range tc.before {
				w.ask(0, node, 0)
			}
			NewWithT(t).Expect(w.ask(tc.at, tc.node, tc.flags)).To(Equal(tc.want))
		})
	}
}

// A question that was on its way since before the restart shows nothing: the
// lease that it speaks of may have ended, and another node may have got it.
func TestAQuestionToAnEarlierLife(t *testing.T) {
	g, w := NewWithT(t), newThird(2)
	w.incarnation = 1
	g.Expect(w.ask(time.Second, "milo1", want|held)).To(Equal(witnesswire.Stale))
	w.incarnation = 2
	w.ask(2*time.Second, "milo1", want|held)
	w.sequence--
	g.Expect(w.ask(3*time.Second, "milo1", 0)).To(BeEquivalentTo(99), "an old question gets no answer")
}

func TestWhoWentOnAloneHasTheNewestData(t *testing.T) {
	g, w := NewWithT(t), newThird(1)
	w.ask(0, "milo2", 0)
	w.ask(0, "milo1", want|equal)
	g.Expect(w.ask(time.Second, "milo2", 0)).To(Equal(witnesswire.Free | witnesswire.Vouched))
	g.Expect(w.ask(2*time.Second, "milo1", want|held|alone)).To(Equal(granted))
	g.Expect(w.ask(3*time.Second, "milo2", equal)).To(Equal(witnesswire.Free), "which was on its way for long")
	g.Expect(w.ask(60*time.Second, "milo2", want)).To(Equal(witnesswire.Ahead))
	g.Expect(w.ask(61*time.Second, "milo2", want|witnesswire.Force)).To(Equal(granted), "an operator's word")
	g.Expect(w.ask(62*time.Second, "milo2", equal)).To(Equal(witnesswire.Free | witnesswire.Vouched))
}

func TestWhatAWitnessRefuses(t *testing.T) {
	g := NewWithT(t)
	v := witness.NewVoter(0, time.Second, 1)
	a, ok := v.Ask(0, witnesswire.Ask{Incarnation: 1, Sequence: 1, Lease: lease, Groups: []witnesswire.Group{{Flags: want}}})
	g.Expect(ok).To(BeTrue())
	g.Expect(a.Groups).To(ConsistOf(witnesswire.Grant{Verdict: witnesswire.TooLong}))
}
