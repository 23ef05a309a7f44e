package witness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// Shared is the vote of a third place that decides nothing, and only stores: an
// etcd cluster. Each node has a Shared, decides by Voter's own rules about what
// is stored there, and stores what follows if nobody has stored anything
// meanwhile. So one after the other decides, as if there were one Voter.
//
// Times are not stored. A promise to the other node counts from when this node
// has seen it first, which is later than it was asked for. And what was stored
// before this node began to look, or could look again, forbids, but allows
// nothing: it may come from a backup. So such a node waits for a lease, as if the
// witness had started anew, unless the other one has stored since that it holds
// nothing.
type Shared struct {
	node    string
	longest time.Duration
	life    uint64 // the last one that this node has given the store

	memory witnesswire.Memory // as seen last
	seen   []time.Duration    // when each promise of it was seen first
	looked time.Duration
	since  time.Duration        // when its life was seen first, or again after a while
	before []witnesswire.Writer // how often each node had written then
	renew  bool                 // the store is empty, or has gone back: it needs another life
	usable bool                 // what was seen last can be decided upon
}

// NewShared makes the one of a node. No promise may be for longer than longest;
// the number life must differ at each start.
func NewShared(node string, longest time.Duration, life uint64) *Shared {
	return &Shared{node: node, longest: longest, life: life}
}

// Saw takes what is stored; no data: nothing is. Each look comes here, in order.
func (s *Shared) Saw(now time.Duration, data []byte) error {
	s.usable = false
	if len(data) == 0 {
		s.renew, s.usable = true, true
		return nil
	}
	m, err := witnesswire.DecodeMemory(data)
	if err != nil {
		return err
	}
	if len(m.Nodes) == 2 && m.Writer(s.node) == nil {
		return fmt.Errorf("memory of a witness: found nodes %s and %s, want %s among them",
			m.Nodes[0].Name, m.Nodes[1].Name, s.node)
	}
	s.usable = true
	old := s.memory
	again := m.Life == old.Life && now-s.looked <= s.longest/2
	s.looked = now
	back := slices.ContainsFunc(old.Nodes, func(w witnesswire.Writer) bool { return turn(m.Nodes, w.Name) < w.Turn })
	// Who gave the store another life since has done what is to be done.
	s.renew = again && (s.renew || back)
	seen := make([]time.Duration, len(m.Groups))
	for i, p := range m.Groups {
		seen[i] = now
		if j, ok := find(old, p.Group); ok && again {
			if was := old.Groups[j]; was.Holder == p.Holder && was.Turn == p.Turn && was.Length == p.Length {
				seen[i] = s.seen[j]
			}
		}
	}
	if !again {
		s.since, s.before = now, m.Nodes
	}
	s.memory, s.seen = m, seen
	return nil
}

// find looks for a group.
func find(m witnesswire.Memory, group string) (int, bool) {
	return slices.BinarySearchFunc(m.Groups, group, func(p witnesswire.Promise, group string) int {
		return cmp.Compare(p.Group, group)
	})
}

// turn is how often a node has written.
func turn(nodes []witnesswire.Writer, name string) uint64 {
	for _, w := range nodes {
		if w.Name == name {
			return w.Turn
		}
	}
	return 0
}

// Ask decides about a question of this node. The answer counts when data is
// stored in the place of what Saw saw last; if that is not there any more, both
// are worth nothing, and it is asked again after the next look. With no data
// there is nothing to store.
func (s *Shared) Ask(now time.Duration, ask witnesswire.Ask) (a witnesswire.Answer, data []byte, ok bool) {
	switch {
	case !s.usable, ask.Node != s.node:
		return a, nil, false
	case s.renew:
		s.life++
		m := witnesswire.Memory{Life: s.life, Nodes: []witnesswire.Writer{{Name: s.node, Turn: 1}}}
		a, _ = (&Voter{longest: s.longest, incarnation: m.Life}).Ask(now, ask)
		return a, m.Append(nil), true
	}
	v := s.voter(ask.Cluster)
	a, _ = v.Ask(now, ask)
	if ask.Incarnation != s.memory.Life || ask.Lease > s.longest {
		return a, nil, true // which changed nothing
	}
	return a, s.after(v, ask, a), true
}

// voter is a Voter that knows what is stored.
func (s *Shared) voter(cluster string) *Voter {
	v := &Voter{started: s.since, longest: s.longest, incarnation: s.memory.Life}
	for i, p := range s.memory.Groups {
		l := lease{
			cluster: cluster, group: p.Group, holder: p.Holder, until: s.seen[i] + p.Length, ahead: p.Ahead, equal: p.Equal,
		}
		old := p.Turn <= turn(s.before, p.Holder) && !planted.On(planted.OldMemoryRenews)
		if old && (p.Holder == s.node || p.Length <= s.longest) {
			l.holder, l.until = "", 0 // Voter waits as if it had started anew
		}
		for _, node := range p.Clear {
			if turn(s.memory.Nodes, node) > turn(s.before, node) {
				l.cleared = append(l.cleared, node)
			}
		}
		v.leases = append(v.leases, l)
	}
	return v
}

// after is what is to be stored when a Voter has answered.
func (s *Shared) after(v *Voter, ask witnesswire.Ask, a witnesswire.Answer) []byte {
	m := witnesswire.Memory{Life: s.memory.Life, Nodes: slices.Clone(s.memory.Nodes), Groups: slices.Clone(s.memory.Groups)}
	w := m.Writer(s.node)
	if w == nil {
		m.Nodes = append(m.Nodes, witnesswire.Writer{Name: s.node})
		w = &m.Nodes[len(m.Nodes)-1]
	}
	w.Turn++
	for i, g := range ask.Groups {
		l := v.lease(ask.Cluster, g.Name)
		if l == nil {
			continue
		}
		at, found := find(m, g.Name)
		if !found {
			m.Groups = slices.Insert(m.Groups, at, witnesswire.Promise{Group: g.Name})
		}
		p := &m.Groups[at]
		p.Ahead, p.Equal, p.Clear = l.ahead, l.equal && len(l.apart) == 0, l.cleared
		switch {
		case a.Groups[i].Verdict&^witnesswire.Vouched == witnesswire.Granted:
			p.Holder, p.Turn, p.Length = s.node, w.Turn, ask.Lease
		case g.Flags&witnesswire.Want == 0 && p.Holder == s.node:
			p.Turn, p.Length = w.Turn, 0 // given back
		}
	}
	return m.Append(nil)
}
