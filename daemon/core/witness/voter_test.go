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
	g.Expect(w.ask(2*time.Second, "milo1", want|held|alone)).To(Equal(granted | witnesswire.Vouched))
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

// What a witness says about the data of a node that came up after a crash, while
// the other one is silent: that nobody has newer ones, or nothing.
func TestWhoseDataAreTheNewest(t *testing.T) {
	type word struct {
		node  string
		flags witnesswire.Flags
	}
	both := []word{{"milo2", equal}, {"milo1", want | equal}}
	for name, tc := range map[string]struct {
		before  []word
		node    string
		vouched bool
	}{
		"nothing is known":                       {node: "milo1"},
		"both died with equal data, the active":  {before: both, node: "milo1", vouched: true},
		"both died with equal data, the standby": {before: both, node: "milo2", vouched: true},
		"the one that went on alone":             {before: append(both, word{"milo1", want | held | alone}), node: "milo1", vouched: true},
		"the one that did not":                   {before: append(both, word{"milo1", want | held | alone}), node: "milo2"},
		"the one that took over":                 {before: append(both, word{"milo1", 0}, word{"milo2", want | alone}), node: "milo2", vouched: true},
		"the one that was taken over from":       {before: append(both, word{"milo1", 0}, word{"milo2", want | alone}), node: "milo1"},
		"equal again after that": {
			before: append(both, word{"milo1", want | held | alone}, word{"milo1", want | held | equal}), node: "milo2", vouched: true,
		},
		"a node that says of itself that it went on alone proves nothing": {before: []word{{"milo1", want | alone}}, node: "milo1"},
		"nor if it says so twice":  {before: []word{{"milo1", want | alone}, {"milo1", want | held | alone}}, node: "milo1"},
		"a disk that failed":       {before: append(both, word{"milo2", witnesswire.Apart}), node: "milo2"},
		"as the other node saw it": {before: append(both, word{"milo1", want | held | witnesswire.Apart}), node: "milo2"},
		"a word that was on its way while a disk failed": {
			before: append(both, word{"milo1", want | held | witnesswire.Apart}, word{"milo2", equal}), node: "milo2",
		},
		"a disk that is whole again": {
			before: append(both, word{"milo2", witnesswire.Apart}, word{"milo2", equal}), node: "milo2", vouched: true,
		},
		"an operator went on with the old data": {
			before: append(both, word{"milo1", want | held | alone}, word{"milo1", 0},
				word{"milo2", want | witnesswire.Force}, word{"milo2", want | held | alone}), node: "milo2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, w := NewWithT(t), newThird(1)
			w.ask(0, "milo1", 0)
			w.ask(0, "milo2", 0)
			for i, word := range tc.before {
				w.ask(time.Duration(i+1)*time.Second, word.node, word.flags)
			}
			later := 2 * lease // what was given has ended
			vouched := w.ask(later, tc.node, want) == granted|witnesswire.Vouched
			g.Expect(vouched).To(Equal(tc.vouched))
			again := w.ask(later+time.Second, tc.node, want|held|alone) == granted|witnesswire.Vouched
			g.Expect(again).To(Equal(tc.vouched), "nor does it become true by its going on")
		})
	}
}
