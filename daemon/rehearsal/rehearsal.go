// Package rehearsal plays an order about groups with the failover cores of both nodes, and does nothing: programs that
// are only imagined succeed after the time that they usually take. What would be done, in which order and when, is the
// plan.
//
// The cores are brought to where the real ones are by what is known of both nodes, in maintenance: so they do what is
// ordered and nothing else.
package rehearsal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// A Node is what is known of one node.
type Node struct {
	Runs []bool // by group
	// MayStart says of each group why the node's data may not be used; "" is that
	// they may.
	MayStart []string
}

// Facts are what a rehearsal starts from.
type Facts struct {
	Config failover.Config // of this node
	Own    Node
	Peer   Node
	Alive  bool // the peer is heard
	// NoRoom is why there is no room for groups on this node or on the peer, or ""; as
	// failover.Weigh asks. Nil is room enough.
	NoRoom func(own bool, groups string) string
	// Took is how long a step takes, on this node or on the peer, and whether that
	// was measured.
	Took func(own bool, resource haconf.Resource, action failover.Action) (took time.Duration, measured bool)
	// Shot is how long a fencing device takes.
	Shot time.Duration
}

// Step is one thing that would be done.
type Step struct {
	At       time.Duration // since the order
	Node     string
	Group    int
	Action   string // start or stop, or fence
	Resource string
	Took     time.Duration
	Measured bool // or it is a guess
}

// Plan is what an order would come to.
type Plan struct {
	Steps []Step
	OK    bool
	Text  string        // the answer to the order
	Ends  time.Duration // when all is done, since the order
}

// The times of a rehearsal.
const (
	letter   = time.Millisecond // a message on its way
	settleIn = time.Minute
	endsIn   = 24 * time.Hour
)

var errUnsettled = errors.New("groups are being started, stopped or moved just now: try again shortly")

// Play gives the order to copies of the cores.
func Play(f Facts, kind failover.OrderKind, set failover.Set, force bool) (Plan, error) {
	s := &stage{facts: f}
	if err := s.open(); err != nil {
		return Plan{}, err
	}
	s.run(settleIn, func() bool { return s.settled() })
	if !s.settled() {
		return Plan{}, errUnsettled
	}
	s.began, s.plan.Steps = s.now, nil
	s.step(0, failover.Input{Kind: failover.Order, Order: kind, Set: set, Force: force, ID: 1})
	s.run(s.now+endsIn, func() bool { return s.answered })
	if !s.answered {
		return s.plan, fmt.Errorf("the order did not come to an end within %v", endsIn)
	}
	// What an order began may go on after its answer: who is to be switched off first is.
	s.run(s.now+endsIn, func() bool { return s.settled() && len(s.queue) == 0 })
	for _, step := range s.plan.Steps {
		s.plan.Ends = max(s.plan.Ends, step.At+step.Took)
	}
	return s.plan, nil
}

// event is something that happens later on the stage.
type event struct {
	at time.Duration
	do func()
}

// stage has the two cores on it: this node's is the first one.
type stage struct {
	facts    Facts
	cores    [2]*failover.Core
	runs     [2][][]bool // by group and resource
	now      time.Duration
	began    time.Duration
	queue    []event
	plan     Plan
	answered bool
	letters  uint64
}

// half is what one of the cores asks about data.
type half struct {
	s *stage
	n int
}

// MayStart says whether the data of the node may be used.
func (h half) MayStart(group int) (bool, string) {
	why := h.s.node(h.n).MayStart[group]
	return why == "", why
}

// MayGive says whether those of the other node may.
func (h half) MayGive(group int) (bool, string) {
	return half{h.s, 1 - h.n}.MayStart(group)
}

// Used is false: no group runs on both nodes here.
func (h half) Used(int) bool { return false }

func (s *stage) node(n int) *Node { return [...]*Node{&s.facts.Own, &s.facts.Peer}[n] }

func (s *stage) name(n int) string {
	return [...]string{s.facts.Config.Node, s.facts.Config.Peer}[n]
}

// open starts both cores, with what runs.
func (s *stage) open() error {
	for n := range 2 {
		cfg := s.facts.Config
		cfg.Node, cfg.Peer = s.name(n), s.name(1-n)
		var err error
		if s.cores[n], err = failover.New(cfg, half{s, n}); err != nil {
			return err
		}
		for g, group := range cfg.Groups {
			s.runs[n] = append(s.runs[n], slices.Repeat([]bool{s.node(n).Runs[g]}, len(group.Resources)))
		}
	}
	for n := range 2 {
		if n == 1 && !s.facts.Alive {
			break
		}
		s.step(n, failover.Input{Kind: failover.Started, Text: "on 1"})
		if s.facts.Alive {
			s.step(n, failover.Input{Kind: failover.PeerUp})
		} else {
			s.step(n, failover.Input{Kind: failover.PeerDied})
		}
		s.step(n, failover.Input{Kind: failover.CommsUp})
	}
	return nil
}

func (s *stage) settled() bool {
	own := s.cores[0].Snapshot()
	if !s.facts.Alive {
		return own.Settled
	}
	peer := s.cores[1].Snapshot()
	return own.Settled && own.Peer.Settled && peer.Settled && peer.Peer.Settled
}

// run lets time pass until that time, or until done.
func (s *stage) run(until time.Duration, done func() bool) {
	for !done() {
		next, who := failover.Never, -1
		for n := range 2 {
			if at := s.cores[n].Deadline(); at < next {
				next, who = at, n
			}
		}
		if len(s.queue) > 0 && s.queue[0].at <= next {
			next, who = s.queue[0].at, -1
		}
		if next > until {
			return
		}
		s.now = max(s.now, next)
		if who >= 0 {
			s.step(who, failover.Input{Kind: failover.Tick})
			continue
		}
		do := s.queue[0].do
		s.queue = s.queue[1:]
		do()
	}
}

func (s *stage) later(d time.Duration, do func()) {
	e := event{s.now + d, do}
	i, _ := slices.BinarySearchFunc(s.queue, e, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), -1) })
	s.queue = slices.Insert(s.queue, i, e)
}

// step gives a core an input, and imagines what it wants.
func (s *stage) step(n int, in failover.Input) {
	for _, e := range s.cores[n].Step(s.now, in, nil) {
		switch e.Kind {
		case failover.Do:
			s.do(n, e)
		case failover.Say:
			if s.facts.Alive {
				s.send(1-n, e.Message)
			}
		case failover.Keep:
			s.later(0, func() { s.step(n, failover.Input{Kind: failover.Kept, ID: e.ID}) })
		case failover.Weigh:
			s.weigh(n, e)
		case failover.Fence:
			s.note(Step{Node: s.name(1 - n), Group: -1, Action: "fence", Took: s.facts.Shot})
			s.later(s.facts.Shot, func() { s.step(n, failover.Input{Kind: failover.Fenced, ID: e.ID}) })
		case failover.Answer:
			s.plan.OK, s.plan.Text, s.answered = e.OK, e.Text, true
		default:
		}
	}
}

// weigh tells a core whether its node has room.
func (s *stage) weigh(n int, e failover.Effect) {
	in := failover.Input{Kind: failover.Weighed, ID: e.ID}
	if s.facts.NoRoom != nil {
		in.Text = s.facts.NoRoom(n == 0, e.Text)
		in.Failed = in.Text != ""
	}
	s.later(0, func() { s.step(n, in) })
}

// send takes a message to a node, with the number that the liveness cores give it.
func (s *stage) send(to int, m hbwire.Message) {
	s.letters++
	m = append(slices.Clone(m), hbwire.Text(hbwire.FieldSeq, strconv.FormatUint(s.letters, 16)))
	s.later(letter, func() { s.step(to, failover.Input{Kind: failover.Message, Message: m}) })
}

func (s *stage) note(step Step) {
	step.At = s.now - s.began
	s.plan.Steps = append(s.plan.Steps, step)
}

func (s *stage) do(n int, e failover.Effect) {
	done := failover.Input{Kind: failover.Done, ID: e.ID}
	at := &s.runs[n][e.Group][e.Index]
	var took time.Duration
	if e.Action == failover.Status {
		done.State = failover.Stopped
		if *at {
			done.State = failover.Running
		}
	} else {
		resource := s.facts.Config.Groups[e.Group].Resources[e.Index]
		var measured bool
		took, measured = s.facts.Took(n == 0, resource, e.Action)
		s.note(Step{
			Node: s.name(n), Group: e.Group, Action: e.Action.String(), Resource: resource.Text, Took: took, Measured: measured,
		})
		*at = e.Action == failover.Start
	}
	s.later(took, func() { s.step(n, done) })
}
