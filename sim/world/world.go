// Package world is two nodes on a virtual clock: the production cores, and
// models of everything around them. Disks keep, lose and tear sectors; links
// delay, lose and break; programs take time and fail; nodes crash, lose power
// and pause.
//
//	     guest (package workload)                     oracles (package oracle)
//	        | Submit, Complete                           | look at everything
//	+-------v--------------------------------------------v--------------------+
//	| World: one queue of events, one clock, one seed                         |
//	|   node a: machine.Machine - disk - tools      node b: the same          |
//	|        \________ TCP pair, datagrams: faults/link ________/             |
//	+-------------------------------------------------------------------------+
//
// World is the only scheduler. The same Config gives the same run, event by
// event; Hash tells whether two runs were the same.
package world

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/format/witnesswire"
	"github.com/optionc/pollux/faults/draw"
)

// Names are what the nodes are called in configurations, plans and traces.
var names = [2]string{"milo1", "milo2"}

// Name is what node n is called.
func Name(n int) string { return names[n] }

// Violation is a promise that was broken. It is an error, but in what is
// tested and not in the testing.
type Violation struct { //nolint:errname // the oracles' own word
	Promise string // which one, in the words of the design
	Text    string
	At      time.Duration
}

// Error says all of it in one line.
func (v *Violation) Error() string { return fmt.Sprintf("%v: %s: %s", v.At, v.Promise, v.Text) }

// A Watcher sees what happens, as it happens, and judges it.
type Watcher interface {
	// Stepped: the state of node n's replica is not what it was.
	Stepped(n int)
	// Exposed: users of node n may open its device from now on.
	Exposed(n int)
	// Arrived: node n was given a datagram.
	Arrived(n int, data []byte)
	// Answered: the witness's answer reached node n.
	Answered(n int, a witnesswire.Answer)
	// Down: node n lost its memory; power says that its disk lost its cache too.
	Down(n int, power bool)
	// Acting: a tool of node n begins to start or stop something.
	Acting(n int, tool Tool, start bool)
	// Doubled: a node has done something while the guest runs on both.
	Doubled()
}

// A Guest uses a device. It runs on a node while the world says so.
type Guest interface {
	Start(n int)
	Stop(n int)
	// Completed answers a Submit; row is what a good read found.
	Completed(n int, id uint64, failed bool, row []uint64)
}

// World is the state of everything.
type World struct {
	cfg       Config
	now       time.Duration
	queue     queue
	nodes     [2]*Node
	net       network
	third     third
	watcher   Watcher
	guest     Guest
	hash      uint64
	events    uint64
	happens   uint64 // number of the event that happens now
	crowd     int    // events at this very time
	trace     func(string)
	broken    *Violation
	seen      Coverage // nil: nobody counts
	tainted   []bool   // sectors that a disk has lied about; nil is none
	differing differing
	messages  bool // packets go into the trace
	listener  func(n int, word string)

	slab  Slab[uint64]
	spare struct {
		arrivals  pool[arrival]
		datagrams pool[datagram]
		answers   pool[answer]
		questions pool[question]
		requests  pool[diskRequest]
	}

	luck struct{ bytes, ill, disk, net, tool, timer, node, boot, handler, third, watch, shot *draw.Stream }
}

// New makes a world whose nodes are switched off. Trace, if not nil, gets a
// line about everything that happens.
func New(cfg Config, trace func(string)) (*World, error) {
	w := &World{cfg: cfg, trace: trace, hash: 14695981039346656037}
	for name, s := range map[string]**draw.Stream{
		"bytes": &w.luck.bytes, "ill": &w.luck.ill, "disk": &w.luck.disk, "net": &w.luck.net, "tool": &w.luck.tool,
		"timer": &w.luck.timer, "node": &w.luck.node, "boot": &w.luck.boot, "handler": &w.luck.handler, "witness": &w.luck.third,
		"watch": &w.luck.watch, "shot": &w.luck.shot,
	} {
		*s = draw.New(cfg.Seed, name)
	}
	w.net.init(w)
	for n := range w.nodes {
		disk, err := newDevice(cfg, n)
		if err != nil {
			return nil, fmt.Errorf("disk of %s: %w", Name(n), err)
		}
		node := &Node{id: n, w: w, disk: disk, tickAt: never}
		node.ring, node.disk.node = node.rings, node
		w.nodes[n] = node
	}
	w.compareAll()
	return w, nil
}

// Attend sets who watches, and who uses the device.
func (w *World) Attend(watcher Watcher, guest Guest) { w.watcher, w.guest = watcher, guest }

// Listen has f told, for node n, of each "write" of a user and its "ack", of each
// packet that arrives, by its name, and of each "look" at a store that it begins to
// decide a question with.
func (w *World) Listen(f func(n int, word string)) { w.listener = f }

func (w *World) tell(n int, word string) {
	if w.listener != nil {
		w.listener(n, word)
	}
}

// Now is the time since the start.
func (w *World) Now() time.Duration { return w.now }

// Node is one of the two.
func (w *World) Node(n int) *Node { return w.nodes[n] }

// Hash is the same for two runs in which the same happened.
func (w *World) Hash() uint64 { return w.hash }

// Events is how much has happened.
func (w *World) Events() uint64 { return w.events }

// Config is what the world was made from.
func (w *World) Config() Config { return w.cfg }

// After lets something happen a while from now.
func (w *World) After(d time.Duration, do func()) { w.queue.push(w.now+d, do) }

// Row is a payload of so many sectors, all zeros.
func (w *World) Row(sectors int) []uint64 { return w.slab.Cut(sectors) }

// standstill is more events than can happen at one instant.
const standstill = 100_000

// Run lets everything happen until that time, or until a promise is broken.
func (w *World) Run(until time.Duration) *Violation {
	for w.broken == nil {
		e, do, ok := w.queue.pop(until)
		if !ok {
			break
		}
		if e.at > w.now {
			w.crowd = 0
		}
		if w.crowd++; w.crowd > standstill {
			w.Fail("12: no input makes it hang", "%d events, and no time passes", w.crowd)
		}
		w.now, w.happens = e.at, e.seq
		w.events++
		do()
	}
	if w.broken == nil {
		w.now = until
	}
	return w.broken
}

// Fail notes that a promise was broken; the first time counts.
func (w *World) Fail(promise, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Violation{Promise: promise, Text: fmt.Sprintf(format, args...), At: w.now}
		w.Tracef("BROKEN %s: %s", promise, w.broken.Text)
	}
}

// Tracef adds a line to the trace.
func (w *World) Tracef(format string, args ...any) {
	if w.trace != nil {
		w.trace(fmt.Sprintf("%12.6f ", w.now.Seconds()) + fmt.Sprintf(format, args...))
	}
}

// Tracing tells whether anybody reads the trace.
func (w *World) Tracing() bool { return w.trace != nil }

// Calm ends everything that goes wrong by chance, and everything that hangs.
func (w *World) Calm() {
	late := w.cfg.Tools.Latency
	w.cfg.Tools = ToolLuck{Latency: late}
	w.cfg.Handlers = HandlerLuck{Latency: min(w.cfg.Handlers.Latency, 2*time.Second), Shoots: w.cfg.Handlers.Shoots}
	w.cfg.Net.Loss, w.cfg.Late = 0, 0
	for _, n := range w.nodes {
		n.damages = false
	}
	w.cfg.Witness.Loss, w.cfg.Witness.Stray, w.cfg.Witness.Twice = 0, 0, 0
	for n, node := range w.nodes {
		node.noFence = w.now
		w.net.beats[n].Loss = 0
		node.disk.slow, node.disk.hung = w.now, w.now
		node.disk.bad = min(node.disk.bad, w.now)
		node.disk.wellAgain()
		if node.paused {
			node.resume()
		}
	}
}

// mix adds something that happened to the hash.
func (w *World) mix(values ...uint64) {
	h := w.hash ^ uint64(w.now)
	for _, v := range values {
		h = (h ^ v) * 1099511628211
		h ^= h >> 29
	}
	w.hash = h
}
