package trial

import (
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
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

// pending is a fault that waits for its trigger.
type pending struct {
	fault plan.Fault
	left  int // so often the word must still come
}

// stepped strikes with the faults that a state of node n sets off. What comes
// after the faults have ended is none.
func (t *trial) stepped(n int) {
	old, now := t.states[n], t.w.Node(n).State()
	t.states[n] = now
	kept := t.pending[:0]
	for _, p := range t.pending {
		if f := p.fault; f.On.Node == n && !t.calmed && comesTo(old, now, f.On.Word) {
			if p.left--; p.left == 0 {
				t.w.After(f.At, func() { t.strike(f) })
				continue
			}
		}
		kept = append(kept, p)
	}
	t.pending = kept
}

// comesTo tells whether a word of the state is new: a role, or a connection or
// disk state.
func comesTo(old, now drbdwire.State, word string) bool {
	is := func(s drbdwire.State) bool {
		return s.Role.String() == word || s.Conn.String() == word || s.Disk.String() == word
	}
	return is(now) && !is(old)
}

// knows tells whether a trigger's word can come at all.
func knows(on plan.Trigger) bool {
	_, noRole := drbdwire.ParseRole(on.Word)
	_, noConn := drbdwire.ParseConnState(on.Word)
	_, noDisk := drbdwire.ParseDiskState(on.Word)
	return on.Word == "" || noRole == nil || noConn == nil || noDisk == nil
}
