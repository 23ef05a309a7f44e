package liveness

import (
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// An InputKind says what happened.
type InputKind uint8

// The inputs, with the fields of Input that each one uses. Unix and Load count with all of them.
const (
	// Start: the media are open. Comes first, and once.
	Start InputKind = 1
	// Tick: time has passed; wanted whenever Deadline is reached. Drained says
	// that the shell has just emptied its sockets into Datagram inputs.
	Tick InputKind = 2
	// Datagram: Data arrived on the medium called Medium. Data is valid during
	// the Step only.
	Datagram InputKind = 3
	// Say: send Message, which has its type, its own fields and, for one node
	// alone, dest; the core adds the rest. Loop says that a local program made
	// it, so that this node hears it as well.
	Say InputKind = 4
)

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind    InputKind
	Drained bool
	Loop    bool
	// Unix is the wall clock in seconds. It is written into messages and
	// decides nothing; 0 means unchanged.
	Unix    uint64
	Load    string // text of /proc/loadavg without the line break; empty means unchanged
	Medium  string
	Data    []byte
	Message hbwire.Message
}

// An EffectKind says what the shell has to do, or to tell the failover core.
type EffectKind uint8

// The effects, with the fields of Effect that each one uses.
const (
	// Transmit: send Data as one datagram on every medium. Data stays valid and
	// must not be changed.
	Transmit EffectKind = 1
	// Heard: Message is for the failover core and other users. Own says that a
	// program of this node made it. Messages come once each, but not always in
	// the order of their numbers.
	Heard EffectKind = 2
	// PeerUp: the peer was heard for the first time, or (Restarted) with a new
	// generation: what was known of it is void.
	PeerUp EffectKind = 3
	// PeerLate: nothing for Silent, which is warntime or more. Once per silence.
	PeerLate EffectKind = 4
	// PeerDied: nothing for Silent, which is the peer's deadtime or more. Once
	// per death.
	PeerDied EffectKind = 5
	// PeerHealed: the peer that counted as dead is heard again and has not
	// restarted: the network was cut, and it may have judged us dead as well.
	PeerHealed EffectKind = 6
	// CommsUp: the peer has been heard or given up; this node is active from now
	// on. Once.
	CommsUp EffectKind = 7
	// Drain: ticks came late, so the sockets may hold what would keep the peer
	// alive. Empty them into Datagram inputs, then give a Tick with Drained.
	Drain EffectKind = 8
	// Note: Text is a line for the log. Lost says that messages of the peer are lost
	// that nobody can ask for any more.
	Note EffectKind = 9
)

// Effect is one thing for the shell to do. Effects are carried out in the order in which they stand.
type Effect struct {
	Kind      EffectKind
	Own       bool
	Restarted bool
	Lost      bool
	Silent    time.Duration
	Text      string
	Data      []byte
	Message   hbwire.Message
}
