package witness_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// store is what an etcd is for a pair: a text that both nodes see.
type store struct {
	t        *testing.T
	data     []byte
	revision int
	nodes    map[string]*witness.Shared
	sequence uint64
	lives    map[string]uint64 // by node: the life that it has heard of
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{t: t, nodes: map[string]*witness.Shared{}, lives: map[string]uint64{}}
	s.start(0, "milo1")
	s.start(0, "milo2")
	return s
}

// start lets a node begin, or begin anew.
func (s *store) start(at time.Duration, node string) {
	s.sequence += 1000
	s.nodes[node] = witness.NewShared(node, lease, s.sequence)
	s.look(at, node)
}

func (s *store) look(at time.Duration, node string) {
	NewWithT(s.t).Expect(s.nodes[node].Saw(at, s.data)).To(Succeed())
}

// ask is a question of a node about its one group; asked again as a client does.
func (s *store) ask(at time.Duration, node string, flags witnesswire.Flags) witnesswire.Verdict {
	s.t.Helper()
	for range 3 {
		s.look(at, node)
		s.sequence++
		a, data, ok := s.nodes[node].Ask(at, witnesswire.Ask{
			Incarnation: s.lives[node], Sequence: s.sequence, Lease: lease, Cluster: "site", Node: node,
			Groups: []witnesswire.Group{{Flags: flags, Name: "drbddisk::r1"}},
		})
		NewWithT(s.t).Expect(ok).To(BeTrue())
		if data != nil {
			s.data = data
			s.revision++
		}
		s.lives[node] = a.Incarnation
		if a.Groups[0].Verdict != witnesswire.Stale {
			s.look(at, node)
			return a.Groups[0].Verdict
		}
	}
	return witnesswire.Stale
}

// looks lets a node look each second.
func (s *store) looks(from, to time.Duration, node string) {
	for at := from; at < to; at += time.Second {
		s.look(at, node)
	}
}

func TestAStoredLeaseIsOneNodes(t *testing.T) {
	g, s := NewWithT(t), newStore(t)
	g.Expect(s.ask(0, "milo2", 0)).To(Equal(witnesswire.Free))
	g.Expect(s.ask(0, "milo1", want)).To(Equal(witnesswire.Young), "what milo2 has stored may be from long ago")
	g.Expect(s.ask(0, "milo2", 0)).To(Equal(witnesswire.Free))
	g.Expect(s.ask(1*time.Second, "milo1", want)).To(Equal(granted))
	g.Expect(s.ask(2*time.Second, "milo2", want)).To(Equal(taken))
	s.looks(3*time.Second, 20*time.Second, "milo2")
	g.Expect(s.ask(20*time.Second, "milo1", want|held)).To(Equal(granted))
	for _, node := range []string{"milo1", "milo2"} {
		s.looks(22*time.Second, 51*time.Second, node)
	}
	g.Expect(s.ask(51*time.Second, "milo2", want)).To(Equal(taken))
	g.Expect(s.ask(52*time.Second, "milo2", want)).To(Equal(granted), "30 s after it has seen the last promise to milo1")
	g.Expect(s.ask(53*time.Second, "milo1", want|held)).To(Equal(taken))
	g.Expect(s.ask(54*time.Second, "milo2", 0)).To(Equal(witnesswire.Free))
	g.Expect(s.ask(55*time.Second, "milo1", want)).To(Equal(granted), "given back")
}

func TestWhatANodeThatStartsMayBelieve(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(s *store) // until second 10
		after  func(s *store) // milo2 has started at second 10
		flags  witnesswire.Flags
		at     time.Duration
		want   witnesswire.Verdict
	}{
		"an empty store shows nothing": {flags: want, at: 20 * time.Second, want: witnesswire.Young},
		"until every lease has ended":  {flags: want, at: 41 * time.Second, want: granted},
		"a promise to the other one holds from when it is seen": {
			before: func(s *store) { s.ask(0, "milo1", want|held) }, flags: want, at: 39 * time.Second, want: witnesswire.Young,
		},
		"also if it is renewed": {
			before: func(s *store) { s.ask(0, "milo1", want|held) },
			after:  func(s *store) { s.ask(11*time.Second, "milo1", want|held) }, flags: want, at: 40 * time.Second, want: taken,
		},
		"that it was given back may be from a backup": {
			before: func(s *store) { s.ask(0, "milo1", want|held); s.ask(0, "milo1", 0) }, flags: want,
			at: 39 * time.Second, want: witnesswire.Young,
		},
		"and no longer": {
			before: func(s *store) { s.ask(0, "milo1", want|held) }, flags: want, at: 40 * time.Second, want: granted,
		},
		"its own promise may be from a backup": {
			before: func(s *store) { s.ask(0, "milo2", want|held) }, flags: want, at: 39 * time.Second, want: witnesswire.Young,
		},
		"which ends as well": {
			before: func(s *store) { s.ask(0, "milo2", want|held) }, flags: want, at: 40 * time.Second, want: granted,
		},
		"that the other one had none may be from a backup, too": {
			before: func(s *store) { s.ask(0, "milo1", 0) }, flags: want, at: 39 * time.Second, want: witnesswire.Young,
		},
		"if it says so now nobody waits": {
			before: func(s *store) { s.ask(0, "milo2", want|held) },
			after:  func(s *store) { s.ask(11*time.Second, "milo1", 0) }, flags: want, at: 12 * time.Second, want: granted,
		},
		"who went on alone is not forgotten": {
			before: func(s *store) { s.ask(0, "milo1", want|held|alone) }, flags: want, at: time.Hour, want: witnesswire.Ahead,
		},
		"who holds the lease by the other node's vote goes on": {flags: want | held, at: 11 * time.Second, want: granted},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if tc.before != nil {
				tc.before(s)
			}
			s.start(10*time.Second, "milo2")
			s.ask(10*time.Second, "milo2", want)
			if tc.after != nil {
				tc.after(s)
			}
			s.looks(11*time.Second, tc.at, "milo2")
			NewWithT(t).Expect(s.ask(tc.at, "milo2", tc.flags)).To(Equal(tc.want))
		})
	}
}

// A store that was restored from a backup has forgotten promises.
func TestAStoreThatGoesBack(t *testing.T) {
	g, s := NewWithT(t), newStore(t)
	s.ask(0, "milo2", want|held)
	s.look(0, "milo1")
	s.ask(time.Second, "milo2", 0)
	backup := s.data
	g.Expect(s.ask(2*time.Second, "milo1", want)).To(Equal(granted))
	g.Expect(s.ask(3*time.Second, "milo2", want)).To(Equal(taken))
	s.data = backup
	g.Expect(s.ask(4*time.Second, "milo2", want)).To(Equal(witnesswire.Young))
	g.Expect(s.ask(5*time.Second, "milo1", want|held)).To(Equal(granted), "in the new life of the store")
	s.looks(6*time.Second, 34*time.Second, "milo2")
	g.Expect(s.ask(34*time.Second, "milo2", want)).To(Equal(taken))
	s.data = nil
	g.Expect(s.ask(35*time.Second, "milo2", want)).To(Equal(witnesswire.Young), "somebody has removed what was stored")
	g.Expect(s.ask(36*time.Second, "milo1", want|held)).To(Equal(granted))
}

func TestAStoreOfOthers(t *testing.T) {
	g := NewWithT(t)
	s := witness.NewShared("milo1", lease, 1)
	ask := witnesswire.Ask{Node: "milo1", Lease: lease, Cluster: "site"}
	_, _, ok := s.Ask(0, ask)
	g.Expect(ok).To(BeFalse(), "nothing was seen yet")
	for _, text := range []string{"what?", "pollux-witness 1 7\nnode milo3 1\nnode milo4 1\n"} {
		g.Expect(s.Saw(0, []byte(text))).NotTo(Succeed())
		_, _, ok = s.Ask(0, ask)
		g.Expect(ok).To(BeFalse(), text)
	}
	g.Expect(s.Saw(0, nil)).To(Succeed())
	_, _, ok = s.Ask(0, witnesswire.Ask{Node: "milo2"})
	g.Expect(ok).To(BeFalse(), "a question of somebody else")
}

// That a copy failed while the nodes were connected must not be forgotten between
// two questions: a node that comes up after a crash would be told that nobody has
// newer data.
func TestWhatIsStoredKnowsThatACopyFailed(t *testing.T) {
	g := NewWithT(t)
	s := newStore(t)
	s.ask(0, "milo1", 0)
	s.ask(0, "milo2", equal)
	s.ask(time.Second, "milo1", want|equal)
	g.Expect(s.ask(2*time.Second, "milo1", want|held)).To(Equal(granted | witnesswire.Vouched))
	s.ask(3*time.Second, "milo1", want|held|witnesswire.Apart)
	g.Expect(s.ask(4*time.Second, "milo1", want|held)).To(Equal(granted))
}
