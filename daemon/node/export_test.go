package node

import (
	"context"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/xen"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// Silence is silence.
func Silence(deadtime time.Duration) time.Duration { return silence(deadtime) }

// Identity is identity, for tests.
type Identity struct{ id *identity }

// Identify is identify.
func Identify(dir string) (Identity, error) { return IdentifyBeside(dir, "") }

// IdentifyBeside is identify with the directory of a Heartbeat.
func IdentifyBeside(dir, heartbeat string) (Identity, error) {
	id, err := identify(dir, heartbeat)
	return Identity{id}, err
}

// Is says who the node is.
func (i Identity) Is() config.Identity { return i.id.Identity }

// Crashed says whether the last run left no sign of a clean end.
func (i Identity) Crashed() bool { return i.id.crashed }

// Claim makes it known that the node runs.
func (i Identity) Claim() error { return i.id.claim() }

// Remember keeps what is known of the nodes.
func (i Identity) Remember(node, peer string, uuid [16]byte) error {
	return i.id.remember(node, peer, uuid)
}

// Keep is keep.
func (i Identity) Keep(number uint64, text string) error { return i.id.keep(number, text) }

// KeepFailback is keepFailback.
func (i Identity) KeepFailback(at time.Time) error { return i.id.keepFailback(at) }

// SinceFailback is sinceFailback.
func (i Identity) SinceFailback(now time.Time) time.Duration { return i.id.sinceFailback(now) }

// Kept is kept.
func (i Identity) Kept() string { return i.id.kept }

// EndCleanly removes the sign of a running daemon.
func (i Identity) EndCleanly() error { return i.id.endCleanly() }

// Die lets the lock go, as the end of a process does.
func (i Identity) Die() error { return i.id.lock.Close() }

// Happens gives the machine of a node an input.
func (n *Node) Happens(in machine.Input) { n.inbox.put(in) }

// Crowded is how many inputs an inbox takes from the network.
const Crowded = crowded

// Inbox is inbox, for tests.
type Inbox struct{ b *inbox }

// NewInbox is newInbox.
func NewInbox() Inbox { return Inbox{newInbox()} }

// Put is put.
func (i Inbox) Put(in machine.Input) { i.b.put(in) }

// Offer is offer.
func (i Inbox) Offer(in machine.Input) bool { return i.b.offer(in) }

// AddSlowly is addSlowly.
func (i Inbox) AddSlowly(ctx context.Context, in machine.Input) bool { return i.b.addSlowly(ctx, in) }

// Take is take, for an empty slice.
func (i Inbox) Take() []machine.Input { return i.b.take(batch{}).inputs }

// NoGuestsIn is noGuestsIn.
var NoGuestsIn = noGuestsIn

// Noted is what a note about a disk says of its size, in sectors, and
// WhereItWas what metadata is there.
var (
	Noted      = recall
	WhereItWas = whereItWas
)

// ScriptEnv is what scripts of haresources find in their environment.
func ScriptEnv(site *config.Site) []string { return finder(site, Options{}, xen.Guests{}).Env }

// Late is late.
var Late = late

// Overdue is overdue.
var Overdue = overdue

// RoomFor is roomFor.
var RoomFor = roomFor

// Rooms is rooms, for tests.
type Rooms struct{ r *rooms }

// NewRooms is newRooms.
func NewRooms(say func(m hbwire.Message), look func(groups string) string) Rooms {
	return Rooms{newRooms(say, look)}
}

// Ask is ask.
func (r Rooms) Ask(ctx context.Context, groups string) (missing string, known bool) {
	return r.r.ask(ctx, groups)
}

// Hear is hear.
func (r Rooms) Hear(m hbwire.Message, later func(func())) { r.r.hear(m, later) }
