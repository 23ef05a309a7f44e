package trial

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/world"
)

// watcher lets the oracle see everything, and the trial what sets off faults.
type watcher struct {
	*oracle.Oracle
	trial *trial
}

// Stepped sees that the state of a replica is not what it was.
func (w watcher) Stepped(n int) {
	w.Oracle.Stepped(n)
	w.trial.stepped(n)
}

// Acting sees that a program begins to start or stop something: the volume
// group starts first, guests stop first.
func (w watcher) Acting(n int, tool world.Tool, start bool) {
	w.Oracle.Acting(n, tool, start)
	switch {
	case tool == world.VG && start:
		w.trial.came(n, "start")
	case tool == world.Guests && !start:
		w.trial.came(n, "stop")
	}
}

// pending is a fault that waits for its trigger.
type pending struct {
	fault plan.Fault
	left  int  // so often the word must still come
	far   bool // the share that it waits for is reached
}

// gaugeEach is how often the share that is done is looked at.
const gaugeEach = 5 * time.Millisecond

// attend has the world tell what the pending faults wait for.
func (t *trial) attend() {
	gauged := false
	for _, p := range t.pending {
		switch on := p.fault.On; {
		case on.Percent > 0:
			gauged = true
		case isCounted(on.Word):
			t.w.Listen(t.came)
		}
	}
	if gauged {
		t.w.After(gaugeEach, t.gauge)
	}
}

// isCounted tells whether a word is one that the world has to tell of.
func isCounted(word string) bool {
	return word == "write" || word == "ack" || word == "look" || isPacket(word)
}

func isPacket(word string) bool {
	for c := range drbdwire.Command(256) {
		if strings.HasPrefix(word, "P_") && c.String() == word {
			return true
		}
	}
	return false
}

// stepped strikes with the faults that a state of node n sets off.
func (t *trial) stepped(n int) {
	old, now := t.states[n], t.w.Node(n).State()
	t.states[n] = now
	t.due(func(p *pending) bool {
		return p.fault.On.Node == n && p.fault.On.Percent == 0 && comesTo(old, now, p.fault.On.Word)
	})
}

// came strikes with the faults that something on node n sets off that is no
// state.
func (t *trial) came(n int, word string) {
	t.due(func(p *pending) bool { return p.fault.On.Node == n && p.fault.On.Word == word })
}

// gauge strikes with the faults that wait for a share of a resync or verify.
func (t *trial) gauge() {
	t.due(func(p *pending) bool {
		was := p.far
		p.far = t.isThatFar(p.fault.On)
		return p.far && !was
	})
	if len(t.pending) > 0 && !t.calmed {
		t.w.After(gaugeEach, t.gauge)
	}
}

func (t *trial) isThatFar(on plan.Trigger) bool {
	node := t.w.Node(on.Node)
	if on.Percent == 0 || !node.Alive() || node.State().Conn.String() != on.Word {
		return false
	}
	s := node.Core().Resource(0).Status()
	switch {
	case s.Resync != nil:
		return int(s.Resync.PerMille) >= 10*on.Percent
	case s.Verify != nil:
		return int(s.Verify.PerMille) >= 10*on.Percent
	default:
		return false
	}
}

// due strikes with the pending faults whose moment has come often enough. What
// comes after the faults have ended is none.
func (t *trial) due(comes func(p *pending) bool) {
	if t.calmed {
		return
	}
	kept := t.pending[:0]
	for i := range t.pending {
		p := &t.pending[i]
		if comes(p) {
			if p.left--; p.left == 0 {
				f := p.fault
				t.w.After(f.At, func() { t.strikeInTime(f) })
				continue
			}
		}
		kept = append(kept, *p)
	}
	t.pending = kept
}

// strikeInTime carries out a fault whose trigger has come, unless the faults have
// ended meanwhile: then it counts as one that never came.
func (t *trial) strikeInTime(f plan.Fault) {
	if t.calmed {
		t.pending = append(t.pending, pending{fault: f})
		return
	}
	t.strike(f)
}

// comesTo tells whether a word of the state is new: a role, or a connection or
// disk state.
func comesTo(old, now drbdwire.State, word string) bool {
	is := func(s drbdwire.State) bool {
		return s.Role.String() == word || s.Conn.String() == word || s.Disk.String() == word
	}
	return is(now) && !is(old)
}

// knows fails if a trigger can never come.
func knows(on plan.Trigger) error {
	_, noRole := drbdwire.ParseRole(on.Word)
	conn, noConn := drbdwire.ParseConnState(on.Word)
	_, noDisk := drbdwire.ParseDiskState(on.Word)
	state := noRole == nil || noConn == nil || noDisk == nil
	grows := noConn == nil && conn >= drbdwire.SyncSource && conn <= drbdwire.PausedSyncT
	switch {
	case on.Word == "":
		return nil
	case !state && on.Word != "start" && on.Word != "stop" && !isCounted(on.Word):
		return fmt.Errorf("trigger %q is no state, packet, write, ack, look, start or stop", on.Word)
	case on.Percent > 0 && !grows:
		return fmt.Errorf("trigger %q has no percentage", on.Word)
	default:
		return nil
	}
}
