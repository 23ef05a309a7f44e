package node

import (
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
)

// The machine is stepped by one goroutine at a time. Whoever brings it what
// users and the peer wait for takes the turn himself, if nobody has it: a
// write that is alone passes this node without waking anybody but the disk.
// Who reads a socket does so before he waits for more, so that what came
// together passes together. All else is left to loop, as is what comes faster
// than one can bring it. Nobody may take the turn who holds a lock that an
// effect may want, or who carries one out.

const (
	// eager is how many inputs one who brought some takes care of; what comes
	// meanwhile is loop's.
	eager = 32
	// corked is how many inputs may pass before what they sent leaves.
	corked = 32
)

// loop takes the turn for what waits for time to pass, and for all that is left
// to it.
func (n *Node) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		n.rounds.Add(1)
		n.turn.Lock()
		n.work()
		n.rest()
		wait := n.untilDeadline()
		n.awake = n.now() + wait
		n.turn.Unlock()
		if n.inbox.waiting() {
			continue
		}
		timer.Reset(wait)
		select {
		case <-n.inbox.signal:
		case <-timer.C:
		case <-n.ctx.Done():
			return
		}
	}
}

// takeTurn does what loop does, unless somebody does it already: that one looks
// into the inbox once more when he is done.
func (n *Node) takeTurn() {
	for done := 0; n.inbox.waiting(); {
		if done >= eager {
			nudge(n.inbox.signal)
			return
		}
		if !n.turn.TryLock() {
			return
		}
		done += max(1, n.work())
		sooner := n.machine.Deadline() < n.awake || n.unrecorded()
		ended := n.ended
		n.turn.Unlock()
		if sooner {
			nudge(n.inbox.signal)
		}
		if ended {
			return
		}
	}
}

// work steps the machine with all that is in the inbox, and says how much that
// was. It needs the turn.
func (n *Node) work() int {
	if n.ended {
		return 0
	}
	n.batch = n.inbox.take(n.batch)
	for i := range n.batch.inputs {
		n.step(&n.batch.inputs[i])
		if i%corked == corked-1 {
			n.uncork()
		}
	}
	if n.now() >= n.machine.Deadline() {
		n.step(&machine.Input{Part: machine.All})
	}
	n.uncork()
	return len(n.batch.inputs)
}

func (n *Node) step(in *machine.Input) {
	n.effects = n.recorded(in, n.effects[:0])
	for i := range n.effects {
		n.perform(&n.effects[i])
		n.keepIncident(&n.effects[i])
	}
	n.machine.Recycle()
}

// uncork lets leave what the effects so far have sent to peers and users.
func (n *Node) uncork() {
	for _, d := range n.corked {
		d.uncork()
	}
	n.corked = n.corked[:0]
}

// endTurns makes sure that nobody steps the machine any more.
func (n *Node) endTurns() {
	n.turn.Lock()
	defer n.turn.Unlock()
	n.ended = true
}

// ask lets a question see the machine between two inputs. A node that is
// ending answers no more.
func (n *Node) ask(question func(m *machine.Machine)) {
	n.turn.Lock()
	if !n.ended {
		question(n.machine)
	}
	n.turn.Unlock()
	n.takeTurn() // for those who found the turn taken
}

// now is the node's monotonic clock. After a suspend of the machine, timers are
// late; the first step knows how late.
func (n *Node) now() time.Duration { return n.clock.Now() }

// untilDeadline is how long the loop may sleep.
func (n *Node) untilDeadline() time.Duration {
	deadline := n.machine.Deadline()
	if deadline == machine.Never {
		return time.Hour
	}
	return max(0, deadline-n.now())
}
