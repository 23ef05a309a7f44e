package world

import (
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// store is a witness that only keeps one text, and lets it be replaced by who has
// seen the newest: an etcd cluster. It keeps that over a restart.
type store struct {
	text     []byte
	revision uint64
	backup   []byte // what the text was once
}

// visitor is what a node has to do with a store, as package etcd does: one visit
// at a time looks at the text, decides about a question by Shared, and replaces the
// text.
type visitor struct {
	shared   *witness.Shared
	question []byte // waits; a newer one takes its place
	number   uint64 // of visits
	busy     bool   // the last of them is under way
}

// How long a visit may take, as a part of a lease, but not shorter, and how often
// the text is looked at.
const (
	visitPart     = 4
	shortestVisit = 2 * time.Second
	lookPart      = 12
)

// beginVisits starts a node's part in it.
func (n *Node) beginVisits() {
	lease := n.w.cfg.Machine.Witness.Lease
	n.visitor = visitor{shared: witness.NewShared(Name(n.id), lease, n.w.luck.third.Uint64()|1)}
	n.whenAwake(lease/lookPart, n.lookAtStore)
}

func (n *Node) lookAtStore() {
	n.visit()
	n.whenAwake(n.w.cfg.Machine.Witness.Lease/lookPart, n.lookAtStore)
}

// whenAwake does something after a while, if the node's daemon still runs then; one
// that stands still does it when it goes on.
func (n *Node) whenAwake(d time.Duration, do func()) {
	epoch := n.epoch
	n.w.After(d, func() {
		switch {
		case n.epoch != epoch || !n.alive:
		case n.paused:
			n.held = append(n.held, do)
		default:
			do()
		}
	})
}

// visit begins a visit, unless one is under way.
func (n *Node) visit() {
	v := &n.visitor
	if v.busy {
		return
	}
	v.busy = true
	v.number++
	number, question := v.number, v.question
	v.question = nil
	n.whenAwake(max(n.w.cfg.Machine.Witness.Lease/visitPart, shortestVisit), func() {
		if v.number == number {
			n.leave()
		}
	})
	n.request(func(s *store) func() {
		if question != nil {
			n.w.tell(n.id, "look")
		}
		text, revision := s.text, s.revision
		return func() { n.sees(question, text, revision) }
	})
}

// leave ends a visit, with or without success.
func (n *Node) leave() {
	v := &n.visitor
	v.busy = false
	if v.question != nil {
		n.visit()
	}
}

// request has the store do something, and the node what follows from that. A
// request may arrive twice, or after everybody has given it up; one answer counts.
func (n *Node) request(do func(s *store) (then func())) {
	w, number, epoch, answered := n.w, n.visitor.number, n.epoch, false
	arrive := func() {
		if !w.third.up {
			return
		}
		then := do(&w.third.store)
		w.toWitness(n.id, func() {
			if n.epoch == epoch {
				n.whenAwake(0, func() {
					if n.visitor.number == number && n.visitor.busy && !answered {
						answered = true
						then()
					}
				})
			}
		})
	}
	w.toWitness(n.id, arrive)
	if w.luck.third.Chance(w.cfg.Witness.Twice) {
		w.toWitness(n.id, arrive)
	}
}

// sees takes the text, and decides about a question if there is one.
func (n *Node) sees(question, text []byte, revision uint64) {
	shared := n.visitor.shared
	if err := shared.Saw(n.local(), text); err != nil {
		n.w.Fail("what is stored is well formed", "%s: %v", Name(n.id), err)
		return
	}
	if question == nil {
		n.leave()
		return
	}
	ask, err := witnesswire.DecodeAsk(question)
	if err != nil {
		n.w.Fail("packets are well formed", "%s: %v", Name(n.id), err)
		return
	}
	answer, change, ok := shared.Ask(n.local(), ask)
	switch {
	case !ok:
		n.leave()
	case change == nil:
		n.hears(answer)
	default:
		n.replace(question, revision, change, answer)
	}
}

// replace puts a text in the place of the one that was seen; if somebody else has
// done so meanwhile, the question is decided about again.
func (n *Node) replace(question []byte, revision uint64, change []byte, answer witnesswire.Answer) {
	n.request(func(s *store) func() {
		if s.revision != revision && !planted.On(planted.SwapIgnored) {
			text, revision := s.text, s.revision
			return func() { n.sees(question, text, revision) }
		}
		s.text = change
		s.revision++
		return func() {
			if err := n.visitor.shared.Saw(n.local(), change); err != nil {
				n.w.Fail("what is stored is well formed", "%s: %v", Name(n.id), err)
				return
			}
			n.hears(answer)
		}
	})
}

// hears gives the core an answer.
func (n *Node) hears(answer witnesswire.Answer) {
	if n.w.messages {
		n.w.Tracef("the store answers %s: %v", Name(n.id), answer.Groups)
	}
	n.w.watcher.Answered(n.id, answer)
	n.give(&machine.Input{Part: machine.Lease, Lease: witness.Input{Kind: witness.Answered, Data: answer.Append(nil)}})
	n.leave()
}

// BackUpStore keeps what is stored, for RestoreStore.
func (w *World) BackUpStore() { w.third.store.backup = slices.Clone(w.third.store.text) }

// RestoreStore lets the store be what it was once.
func (w *World) RestoreStore() {
	s := &w.third.store
	w.Tracef("the store is what it was a while ago")
	s.text = s.backup
	s.revision++
}
