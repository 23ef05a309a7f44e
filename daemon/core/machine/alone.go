package machine

import (
	"slices"
	"strconv"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// A Primary that loses the connection goes on alone, and its peer's copy is
// old from then on. The peer must know: should the Primary die later, it must
// not take over with old data. Two things tell it. The Primary says so over
// the heartbeats. And a heartbeat that is heard after the connection broke
// shows that the Primary lived on. A Primary that died took its heartbeats
// with it: then the copy is as good as the last acknowledged write.

// msgAlone is the type of the message that says so. A real Heartbeat ignores
// types that it does not know.
const msgAlone = "pollux_alone"

// The fields of that message.
const (
	fieldResource   = "resource"
	fieldGeneration = "generation"
)

// lastPackets is how long the last heartbeat of a dying node may come after
// the end of its connection.
const lastPackets = time.Second

// watch is what a machine remembers of a replica between two inputs.
type watch struct {
	state   drbdwire.State
	stirred bool // it is in Machine.stirred
	// lost: the connection to a Primary ended at since, and this copy still
	// counts as UpToDate.
	lost  bool
	since time.Duration
	// alone is the generation that the peer went on alone with; 0 is none.
	alone uint64
}

// mayHaveGoneOn tells whether the peer was Primary when the connection broke,
// lives as far as is known, and has not yet been heard or missed for long
// enough to tell whether it went on alone.
func (m *Machine) mayHaveGoneOn(i int) bool {
	return !planted.On(planted.HastyTakeover) && m.watches[i].lost && m.peerLives()
}

// peerLives tells whether the peer is not known to be dead.
func (m *Machine) peerLives() bool {
	return m.alive != nil && m.alive.Snapshot().Peer.State != liveness.Dead
}

// stir has a replica looked at that may have changed.
func (m *Machine) stir(i int) {
	if w := &m.watches[i]; !w.stirred {
		w.stirred = true
		m.stirred = append(m.stirred, i)
	}
}

// watchReplicas looks at the replicas that were stepped, and at those that wait
// for a heartbeat. Nothing else changes one: a node may have hundreds, and is
// stepped several times for each write.
func (m *Machine) watchReplicas() {
	slices.Sort(m.stirred)
	left := m.stirred[:0]
	for _, i := range m.stirred {
		m.watchReplica(i)
		if m.watches[i].stirred = m.watches[i].lost; m.watches[i].lost {
			left = append(left, i)
		}
	}
	m.stirred = left
}

// watchReplica compares a replica with what it was after the last input.
func (m *Machine) watchReplica(i int) {
	w, r := &m.watches[i], m.resources[i]
	old, now := w.state, r.State()
	if old != now {
		w.state = now
		m.replicaChanged(i, old, now)
	}
	if !w.lost || planted.On(planted.NeverOutdated) {
		return
	}
	alone := w.alone != 0 && w.alone != r.Generation()
	if alone || m.alive != nil && m.alive.Snapshot().Peer.HeardAt > w.since+lastPackets {
		w.lost = false
		m.queue = append(m.queue, Input{Part: Replica, Resource: i, Replica: replica.Input{
			Kind: replica.Order, Order: replica.OrderOutdate, ID: ownOrder, Force: true,
		}})
	}
}

func (m *Machine) replicaChanged(i int, old, now drbdwire.State) {
	w := &m.watches[i]
	was, is := old.Conn >= drbdwire.Connected, now.Conn >= drbdwire.Connected
	switch {
	case is:
		w.lost = false
	case was && now.Role == drbdwire.Secondary && old.Peer == drbdwire.Primary && old.PeerDisk >= drbdwire.Inconsistent:
		w.lost, w.since = true, m.now
	case was && now.Role == drbdwire.Primary && m.alive != nil:
		m.sayAlone(i)
	}
	if m.task.due != Never && m.task.resource == i {
		m.tryRole() // what it waited for may be over
	}
	if m.groups != nil {
		m.queue = append(m.queue, Input{Part: Failover, Failover: failover.Input{Kind: failover.Poke}})
	}
}

func (m *Machine) sayAlone(i int) {
	m.queue = append(m.queue, Input{Part: Liveness, Liveness: liveness.Input{
		Kind: liveness.Say, Message: hbwire.Message{
			hbwire.Text(hbwire.FieldType, msgAlone),
			hbwire.Text(fieldResource, m.cfg.Resources[i].Name),
			hbwire.Text(fieldGeneration, strconv.FormatUint(m.resources[i].Generation(), 16)),
		},
	}})
}

// heardAlone takes the message that the peer's Primary goes on alone.
func (m *Machine) heardAlone(msg hbwire.Message) bool {
	if msg.Text(hbwire.FieldType) != msgAlone {
		return false
	}
	generation, err := msg.Hex(fieldGeneration)
	if i := m.find(msg.Text(fieldResource)); i >= 0 && err == nil {
		m.watches[i].alone = generation
	}
	return true
}
