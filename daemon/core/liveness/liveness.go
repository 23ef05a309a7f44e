// Package liveness decides when the other node counts as dead, from nothing but heartbeats heard and time passed, and
// carries messages to it reliably. What to do about a death is for package failover.
//
// Core does no I/O. Step takes one Input, changes state, and appends the Effects that the shell must carry out in
// order. It speaks with Heartbeat 3.0.6, with 1.2, and with itself.
//
//	             status            warntime
//	+---------+  ------>  +-----+  ------->  +------+
//	| Unheard |           |  Up |            | Late |
//	+---------+           +-----+  <-------  +------+
//	     |                 ^            status   |
//	     | initdead        | status: PeerUp if it has restarted,
//	     |                 |         else PeerHealed
//	     |              +------+                 |
//	     +------------> | Dead | <---------------+ deadtime, as the peer itself asks for in dt
//	                    +------+
//
// Of this node the peer sees three states: init in the first packet, up from then on, and active once CommsUp has been
// given. A pause of this node (a tick later than Deadline by more than a keepalive) is no silence of the peer: nobody
// is judged before the sockets have been emptied and two more keepalives have passed. Source: Heartbeat wire,
// sections 3 to 7.
package liveness

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Never is the Deadline of a core that waits for nothing.
const Never = time.Duration(math.MaxInt64)

// A State is how a node stands, in the words of the wire.
type State uint8

// The states. Source: Heartbeat wire, section 6.
const (
	Unheard State = 0 // of the peer: not heard since this node started
	Init    State = 1 // just started
	Up      State = 2 // runs, but has not yet heard all nodes
	Active  State = 3 // full member
	Dead    State = 4 // of the peer: silent for its deadtime
)

// String is the state's word, as cl_status prints it.
func (s State) String() string {
	switch s {
	case Init, Unheard:
		return "init"
	case Up:
		return "up"
	case Active:
		return "active"
	default:
		return "dead"
	}
}

// Core is one node's view of the other. Make one with New.
type Core struct {
	cfg     Config
	delays  random
	trigger uint64 // the peer's messages with this last decimal digit are acknowledged

	now  time.Duration
	out  []Effect
	unix uint64
	load string

	state     State
	startedAt time.Duration
	nextBeat  time.Duration
	raisedDT  bool // the advertised deadtime has the addition of a node that just started
	comms     bool
	askNodes  time.Duration // when to ask for the node list again
	nodesCame bool

	sent    history
	reports uint64 // of what this node holds, so far
	peer    peer
	links   []link
	drops   [dropReasons]uint64

	// What is sent and heard, each in the memory of the last one.
	draft    hbwire.Draft
	fields   hbwire.Message
	envelope hbwire.Envelope

	wanted    time.Duration // Deadline as it was after the last Step
	judgeFrom time.Duration // nobody is dead before
	mustDrain bool
	drainAt   time.Duration // when to ask for Drain again
}

// New makes a core that waits for Start. It fails if the configuration cannot work.
func New(cfg Config) (*Core, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("set up heartbeats of %s: %w", cfg.Node, err)
	}
	acks := stream(cfg.Seed, "acks")
	c := &Core{cfg: cfg, delays: stream(cfg.Seed, "delays"), trigger: acks.below(10), wanted: Never, unix: 1}
	c.peer.deadtime = cfg.Deadtime
	for _, node := range []string{cfg.Node, cfg.Peer} {
		for i, medium := range cfg.Media {
			if slices.Contains(cfg.Media[:i], medium) {
				continue // media on one interface share its link
			}
			c.links = append(c.links, link{node: node, medium: medium})
		}
	}
	return c, nil
}

// Step applies one input and appends to out what must be done about it, in order.
func (c *Core) Step(now time.Duration, in Input, out []Effect) []Effect {
	if in.Kind != Start && c.state == Unheard || in.Kind == Start && c.state != Unheard {
		return out
	}
	c.now, c.out = now, out
	if in.Unix != 0 {
		c.unix = in.Unix
	}
	if in.Load != "" {
		c.load = in.Load
	}
	c.noticePause()
	switch in.Kind {
	case Start:
		c.start()
	case Tick:
		c.mustDrain = c.mustDrain && !in.Drained
	case Datagram:
		c.receive(in.Data, in.Medium)
	case Say:
		c.say(in.Message, in.Loop)
	default:
		panic(fmt.Sprintf("liveness: input %d has no case in Step", in.Kind))
	}
	c.drain()
	c.join()
	c.judge() // by deadtime now, if that join ended the time of initdead
	c.join()  // if that death was the last thing it waited for
	c.keepBeating()
	c.askForMissing()
	c.tellLost()
	c.watchLinks()
	c.wanted = c.deadline()
	out, c.out = c.out, nil
	return out
}

// Deadline is when the next Tick is wanted, on the clock of Step.
func (c *Core) Deadline() time.Duration { return c.wanted }

func (c *Core) deadline() time.Duration {
	at := min(c.nextBeat, c.joinDeadline(), c.judgeDeadline(), c.linkDeadline())
	if c.raisedDT {
		at = min(at, c.startedAt+raisedFor)
	}
	if c.peer.present() {
		at = min(at, c.peer.numbers.deadline())
		if c.peer.lost > 0 {
			at = min(at, c.peer.tellAt)
		}
	}
	return at
}

func (c *Core) emit(e Effect) { c.out = append(c.out, e) }

func (c *Core) notef(format string, args ...any) {
	c.emit(Effect{Kind: Note, Text: fmt.Sprintf(format, args...)})
}

// start says hello three times, as Heartbeat does: the peer learns of the restart from any of them.
func (c *Core) start() {
	c.startedAt, c.judgeFrom = c.now, c.now
	c.raisedDT = true
	c.state = Init
	c.beat()
	c.state = Up
	c.beat()
	c.beat()
	c.nextBeat = c.now + c.cfg.Keepalive
}

// raisedBy and raisedFor are the addition to the advertised deadtime while this node starts, and how long it stands.
// Source: Heartbeat wire, section 6.
const (
	raisedBy  = 2 * time.Second
	raisedFor = 5 * time.Second
)

// keepBeating sends the status that is due. After a pause it sends one, not all those that were missed.
func (c *Core) keepBeating() {
	due := false
	if c.raisedDT && c.now >= c.startedAt+raisedFor {
		c.raisedDT, due = false, true
	}
	if c.now >= c.nextBeat {
		c.nextBeat += c.cfg.Keepalive
		if c.nextBeat <= c.now {
			c.nextBeat = c.now + c.cfg.Keepalive
		}
		due = true
	}
	if due {
		c.beat()
	}
}

func (c *Core) beat() {
	d := c.write(hbwire.MsgStatus).Text(hbwire.FieldStatus, c.state.String())
	if !c.peer.old {
		deadtime := c.cfg.Deadtime
		if c.raisedDT {
			deadtime += raisedBy
		}
		d.Hex(hbwire.FieldDeadtime, uint64(deadtime/time.Millisecond)).Text(hbwire.FieldProtocol, "1")
	}
	c.send()
}
