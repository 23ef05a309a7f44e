// Package witness decides which of two nodes may run a group when they cannot
// ask each other. There are three votes on a group: each node has one, and the
// witness at a third place. Two of them together are the lease, and no two
// nodes can have two votes each:
//
//	milo1 ---- vote of milo1     a node gives its own vote to itself,
//	   \  \
//	    \  +-- vote of milo2     or promises it to the other node for a time;
//	     \
//	      +--- the witness       the witness promises it to who asks first
//
// Each promise ends by itself: who gave it counts from when it heard the
// question, who got it from when it asked, each on its own monotonic clock. So
// the holder knows first. Nothing is written down: a Voter that has started
// anew waits as long as a promise may last before it makes one to a node that
// can't show that it has that already.
//
// Voter is who gives promises, Client is the node that collects them. Neither
// does I/O.
package witness

import (
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// maxLeases bounds what a Voter remembers: a witness for hundreds of pairs.
const maxLeases = 1 << 16

// Voter gives promises about groups. The program pollux-witness is one; and in
// each node there is one, for the other node and for itself.
type Voter struct {
	started     time.Duration
	longest     time.Duration
	incarnation uint64
	leases      []lease // sorted by cluster, then by group
	askers      []asker // sorted by cluster, then by node
}

// lease is what is known of one group.
type lease struct {
	cluster, group string

	holder  string // who has the vote until then
	until   time.Duration
	cleared []string // nodes that said since the start that they do not hold the group; two at most
	ahead   string   // a node that has gone on alone, so that the other's data is old
	proven  bool     // there was no newer data than that node's when it began to go on alone
	equal   bool     // both nodes' data were equal, and no node has gone on alone since
	apart   []string // nodes whose last word was that, connected, one copy lacks something; two at most
}

// asker is a node, and the number of its newest question.
type asker struct {
	cluster, node string
	sequence      uint64
}

// NewVoter makes one that gives no promise longer than longest. The incarnation
// must differ at each start, and not be 0. No promise that an earlier life gave
// may have been for longer.
func NewVoter(now, longest time.Duration, incarnation uint64) *Voter {
	return &Voter{started: now, longest: longest, incarnation: incarnation}
}

// Ask answers a question. A question that is older than one already answered
// gets no answer: it would undo what that said.
func (v *Voter) Ask(now time.Duration, ask witnesswire.Ask) (a witnesswire.Answer, ok bool) {
	a = witnesswire.Answer{Incarnation: v.incarnation, Sequence: ask.Sequence, Lease: v.longest}
	stale := ask.Incarnation != v.incarnation
	if !stale && !v.isNext(ask) {
		return a, false
	}
	for _, g := range ask.Groups {
		switch {
		case stale && !planted.On(planted.OldQuestionCounts):
			// Held was true when it was asked, in an earlier life of this one.
			a.Groups = append(a.Groups, witnesswire.Grant{Verdict: witnesswire.Stale})
		case ask.Lease > v.longest:
			a.Groups = append(a.Groups, witnesswire.Grant{Verdict: witnesswire.TooLong})
		default:
			a.Groups = append(a.Groups, v.vote(now, ask, g))
		}
	}
	return a, true
}

// isNext tells whether a question is newer than all before it of that node.
func (v *Voter) isNext(ask witnesswire.Ask) bool {
	i, found := slices.BinarySearchFunc(v.askers, ask, func(k asker, ask witnesswire.Ask) int {
		return compare(k.cluster, k.node, ask.Cluster, ask.Node)
	})
	switch {
	case !found && len(v.askers) >= maxLeases:
		return false
	case !found:
		v.askers = slices.Insert(v.askers, i, asker{cluster: ask.Cluster, node: ask.Node})
	case ask.Sequence <= v.askers[i].sequence:
		return false
	}
	v.askers[i].sequence = ask.Sequence
	return true
}

func compare(a1, a2, b1, b2 string) int {
	if c := strings.Compare(a1, b1); c != 0 {
		return c
	}
	return strings.Compare(a2, b2)
}

// lease finds what is known of a group; nil if there is no room for more.
func (v *Voter) lease(cluster, group string) *lease {
	i, found := slices.BinarySearchFunc(v.leases, group, func(l lease, group string) int {
		return compare(l.cluster, l.group, cluster, group)
	})
	if !found {
		if len(v.leases) >= maxLeases {
			return nil
		}
		v.leases = slices.Insert(v.leases, i, lease{cluster: cluster, group: group})
	}
	return &v.leases[i]
}

// vote decides about one group.
func (v *Voter) vote(now time.Duration, ask witnesswire.Ask, g witnesswire.Group) witnesswire.Grant {
	l := v.lease(ask.Cluster, g.Name)
	if l == nil {
		return witnesswire.Grant{Verdict: witnesswire.Crowded}
	}
	l.learn(ask.Node, g.Flags)
	if g.Flags&witnesswire.Want == 0 {
		l.clear(ask.Node)
		if l.holder == ask.Node {
			l.until = now
		}
		return l.grant(ask.Node, witnesswire.Free, 0)
	}
	l.cleared = slices.DeleteFunc(l.cleared, func(node string) bool { return node == ask.Node })
	young := now-v.started < v.longest && l.holder == "" && len(l.cleared) == 0 && g.Flags&witnesswire.Held == 0
	switch {
	case l.holder != ask.Node && now < l.until:
		return l.grant(ask.Node, witnesswire.Taken, l.until-now)
	case l.ahead != "" && l.ahead != ask.Node && !planted.On(planted.WitnessForgetsData):
		return l.grant(ask.Node, witnesswire.Ahead, 0)
	case young && !planted.On(planted.GrantAfterRestart):
		return l.grant(ask.Node, witnesswire.Young, v.started+v.longest-now)
	}
	l.holder, l.until = ask.Node, now+ask.Lease
	if g.Flags&witnesswire.Alone != 0 {
		l.proven = l.vouches(ask.Node)
		l.ahead, l.equal = ask.Node, false
	}
	return l.grant(ask.Node, witnesswire.Granted, 0)
}

// clear notes that a node does not hold the group. There are two nodes.
func (l *lease) clear(node string) {
	if len(l.cleared) < 2 && !slices.Contains(l.cleared, node) {
		l.cleared = append(l.cleared, node)
	}
}

// learn takes what a node says of the data. A node that went on alone ends that
// itself: what the other says may have been on its way for long.
func (l *lease) learn(node string, flags witnesswire.Flags) {
	switch {
	case flags&witnesswire.Apart != 0 && len(l.apart) < 2 && !slices.Contains(l.apart, node):
		l.apart = append(l.apart, node)
	case flags&witnesswire.Equal != 0:
		l.apart = slices.DeleteFunc(l.apart, func(other string) bool { return other == node })
	}
	switch {
	case flags&witnesswire.Equal != 0 && (l.ahead == "" || l.ahead == node):
		l.ahead, l.equal = "", true
	case flags&witnesswire.Force != 0:
		l.ahead = ""
	}
}

// vouches tells whether there is surely no newer data than that node's: the other
// one's were equal, and did not change after that, or this one went on alone from
// there. What a node says of itself after a restart of this Voter proves nothing:
// it may have been dead while the other one went on.
func (l *lease) vouches(node string) bool {
	if l.ahead != "" {
		return l.ahead == node && l.proven
	}
	return l.equal && len(l.apart) == 0
}

func (l *lease) grant(node string, verdict witnesswire.Verdict, left time.Duration) witnesswire.Grant {
	if l.vouches(node) {
		verdict |= witnesswire.Vouched
	}
	return witnesswire.Grant{Verdict: verdict, Left: left}
}
