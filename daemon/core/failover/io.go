package failover

import (
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// An InputKind says what happened.
type InputKind uint8

// The inputs, with the fields of Input that each one uses.
const (
	// Started: the daemon runs. Comes first, and once. Crashed says that its
	// previous run, or the machine, did not end cleanly. Text is that of the last
	// Keep, of whatever run; Since, how long ago the last WentBack was, 0: there
	// was none.
	Started InputKind = 1
	// Tick: time has passed; wanted whenever Deadline is reached.
	Tick InputKind = 2
	// PeerUp, PeerDied, PeerHealed, CommsUp: effects of that name of the
	// liveness core.
	PeerUp     InputKind = 3
	PeerDied   InputKind = 4
	PeerHealed InputKind = 5
	CommsUp    InputKind = 6
	// Message: the liveness core's Heard. Own says that a program of this node
	// made it.
	Message InputKind = 7
	// Order: an administrator wants Order, for the groups in Set. ID is echoed
	// in Answer. Force: see OrderTakeover.
	Order InputKind = 8
	// Done answers the Do of number ID. For Status, State is what was seen. For
	// Start and Stop, Failed says that the program failed or timed out, and Text
	// how.
	Done InputKind = 9
	// Poke: what Copies answers may have changed.
	Poke InputKind = 10
	// Lost: messages of the peer are lost for good, as an effect of the liveness
	// core says. What the peer holds may be among them.
	Lost InputKind = 11
	// Fenced answers the Fence of number ID: the peer is off; or Failed, and Text
	// says how.
	Fenced InputKind = 20
	// Kept answers the Keep or WentBack of number ID: it is durable; or Failed,
	// and Text says how.
	Kept InputKind = 21
	// Weighed answers the Weigh of number ID: there is room, or nobody knows; or
	// Failed, and Text says what is missing.
	Weighed InputKind = 22
)

// An OrderKind says what an administrator wants.
type OrderKind uint8

// The orders.
const (
	// OrderStandby gives the groups in Set to the peer.
	OrderStandby OrderKind = 1
	// OrderTakeover gets the groups in Set, from the peer if it is there. Force
	// vouches that a peer that was not heard since a crash runs nothing.
	OrderTakeover OrderKind = 2
	// OrderStop stops all groups and leaves; Stopped follows.
	OrderStop OrderKind = 3
	// OrderMaintenanceOn leaves all groups to operators: nothing is decided about
	// them until OrderMaintenanceOff, on either node.
	OrderMaintenanceOn  OrderKind = 4
	OrderMaintenanceOff OrderKind = 5
)

// A State is what was seen of a resource.
type State uint8

// The states. A question that could not be answered is Unknown: nothing starts on it, anywhere.
const (
	Unknown State = 0
	Running State = 1
	Stopped State = 2
)

// String is the state's word in status output.
func (s State) String() string {
	switch s {
	case Running:
		return "running"
	case Stopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind    InputKind
	Order   OrderKind
	Set     Set
	State   State
	Force   bool
	Crashed bool
	Failed  bool
	Own     bool
	ID      uint64
	Silent  time.Duration
	Since   time.Duration
	Text    string
	Message hbwire.Message
}

// An EffectKind says what the shell has to do.
type EffectKind uint8

// The effects, with the fields of Effect that each one uses.
const (
	// Do Action with resource Index of Group; answered by Done with the same ID.
	// There is one at a time, but for those with Watch: a look at what is to run,
	// of which Stopped says that it does not work as it should. A Stop with Within is
	// done the hard way if it takes too long: by then the lease is about to end.
	Do EffectKind = 1
	// Say: send Message through the liveness core.
	Say EffectKind = 2
	// Answer answers the Order ID: OK, or refused or failed; Text says why.
	Answer EffectKind = 3
	// Note: Text is a line for the log.
	Note EffectKind = 4
	// Held: all of Group is confirmed to run here (OK), or nothing of it.
	Held EffectKind = 5
	// Left: everything is stopped and the peer was told; heartbeats may end.
	Left EffectKind = 6
	// Fence: switch the peer off; answered by Fenced with the same ID.
	Fence EffectKind = 20
	// Decided: Text is a new decision, for whoever keeps a history.
	Decided EffectKind = 21
	// Keep: the next Started is to bring Text; answered by Kept with the same ID
	// when that is durable.
	Keep EffectKind = 22
	// Weigh: find out whether this node has room for groups: those with a 1 in Text,
	// which has a 0 or a 1 for each. Answered by Weighed with the same ID, or taken for
	// yes after some seconds.
	Weigh EffectKind = 23
	// WentBack: groups begin to go back to the peer; the next Started is to say
	// how long ago that was. Answered by Kept as Keep is.
	WentBack EffectKind = 24
)

// An Action is what to do with a resource.
type Action uint8

// The actions.
const (
	Status Action = 1 // look at it
	Start  Action = 2
	Stop   Action = 3
)

// String is the action's word as scripts know it.
func (a Action) String() string {
	switch a {
	case Status:
		return "status"
	case Start:
		return "start"
	default:
		return "stop"
	}
}

// Effect is one thing for the shell to do. Effects are carried out in the order in which they stand.
type Effect struct {
	Kind    EffectKind
	Action  Action
	OK      bool
	Watch   bool
	Group   int // index into Config.Groups
	Index   int // of the resource in its group
	ID      uint64
	Within  time.Duration // 0: as long as it takes
	Text    string
	Message hbwire.Message
}
