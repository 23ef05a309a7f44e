package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// WitnessLuck is how the witness at a third place is reached.
type WitnessLuck struct {
	Latency time.Duration // the longest, one way
	Loss    int           // of a million packets
	// Stray, of a million packets: how many take some seconds.
	Stray int
	// Store: it decides nothing, and only stores; Twice, of a million requests to it,
	// how many it gets twice.
	Store bool
	Twice int
}

// third is the witness. One that decides keeps nothing over a restart.
type third struct {
	up    bool
	voter *witness.Voter
	store store
	began time.Duration
	runs  uint64
	clock time.Duration // what its clock said when it began
	cuts  [2]bool
}

func (t *third) local(now time.Duration) time.Duration { return now - t.began + t.clock }

// BootWitness starts it.
func (w *World) BootWitness() {
	t := &w.third
	if t.up || w.cfg.Machine.Witness.Policy != witness.ByWitness {
		return
	}
	t.up = true
	t.runs++
	t.began, t.clock = w.now, w.luck.third.Between(0, time.Hour)
	t.voter = witness.NewVoter(t.local(w.now), w.cfg.Machine.Witness.Lease, t.runs)
	w.Tracef("the witness boots")
}

// CrashWitness ends it, and all that it knew.
func (w *World) CrashWitness() {
	w.Tracef("the witness crashes")
	w.third.up = false
}

// WitnessRuns is how often the witness has started.
func (w *World) WitnessRuns() uint64 { return w.third.runs }

// CutWitness lets nothing pass between node n and the witness.
func (w *World) CutWitness(n int) { w.third.cuts[n] = true }

// HealWitness ends a CutWitness.
func (w *World) HealWitness(n int) { w.third.cuts[n] = false }

// toWitness carries one packet, in either direction.
func (w *World) toWitness(n int, arrive func()) {
	luck := w.luck.third
	took := luck.Between(w.cfg.Witness.Latency/4, w.cfg.Witness.Latency)
	if luck.Chance(w.cfg.Witness.Stray) {
		took += luck.Between(0, 20*time.Second)
	}
	if w.third.cuts[n] || luck.Chance(w.cfg.Witness.Loss) {
		return
	}
	w.After(took, func() {
		if !w.third.cuts[n] {
			arrive()
		}
	})
}

// performLease carries out what the client of the witness wants.
func (n *Node) performLease(e *witness.Effect) {
	switch e.Kind {
	case witness.AskWitness:
		ask, err := witnesswire.DecodeAsk(e.Data)
		if err != nil {
			n.w.Fail("packets are well formed", "%s: %v", Name(n.id), err)
			return
		}
		if n.w.cfg.Witness.Store {
			n.visitor.question = e.Data
			n.visit()
			return
		}
		epoch := n.epoch
		n.w.toWitness(n.id, func() { n.asksWitness(ask, epoch) })
	case witness.Note:
		n.w.Tracef("%s %s", Name(n.id), e.Text)
	case witness.AskPeer, witness.AnswerPeer: // by the heartbeats
	}
}

func (n *Node) asksWitness(ask witnesswire.Ask, epoch uint32) {
	t := &n.w.third
	if !t.up {
		return
	}
	answer, ok := t.voter.Ask(t.local(n.w.now), ask)
	if !ok {
		return
	}
	if n.w.messages {
		n.w.Tracef("the witness answers %s: %v", Name(n.id), answer.Groups)
	}
	data := answer.Append(nil)
	n.w.toWitness(n.id, func() {
		if n.epoch == epoch {
			n.w.watcher.Answered(n.id, answer)
			n.give(&machine.Input{Part: machine.Lease, Lease: witness.Input{Kind: witness.Answered, Data: data}})
		}
	})
}

// IsFrozen tells whether users of the node's device get no answers: it is down,
// stands still, has done nothing since, or lets them wait.
func (n *Node) IsFrozen() bool {
	s := n.state
	return !n.alive || n.paused || n.waking || s.Suspended || s.SuspFencing
}

// Awake is for how long the node has not stood still.
func (n *Node) Awake() time.Duration {
	if n.paused {
		return 0
	}
	return n.w.now - n.resumed
}
