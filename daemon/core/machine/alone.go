package machine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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
// the heartbeats: when it loses the connection, whenever its data become another
// generation, and when it is asked. A node asks that hears its peer for the
// first time, and says its own word again: what it was told before it started is
// forgotten, and what was said before one of them heard anything is not sent
// again. And a heartbeat that is heard after the connection broke shows that the
// Primary lived on. A Primary that died took its heartbeats with it: then the copy
// is as good as the last acknowledged write. One whose disk failed after it had
// gone on alone says so as well: its disk may be back, and nothing else has what
// its users were told is done. So does one that is Secondary since: it is not to
// be fenced off for an old copy.

// msgAlone is the type of the message that says so, or asks, without fields. A
// real Heartbeat ignores types that it does not know.
const msgAlone = "pollux_alone"

// The fields of that message.
const (
	fieldResource   = "resource"
	fieldGeneration = "generation"
	// fieldSince are the generations that it was before: who still has one of them has nothing of its own.
	fieldSince = "since"
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
	// lent: the connection to a Primary without a disk ended, and that has not started
	// since: what this copy alone has is of its users. If it goes on alone it has all
	// that these were told is done, or its disk would have been refused.
	lent bool
	// alone is the generation that the peer has said that it goes on alone with, and with
	// which the disk was not compared since; 0 is none.
	alone uint64
	// past are the generations that this one went on from; 0 is not known.
	past [3]uint64
	// left: this node was told to leave its peer, or gave that up, and has had its disk since.
	left bool
	// said is the generation that this node said so of; 0 is none.
	said uint64
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
	m.sayAlone(i)
	if planted.On(planted.NeverOutdated) {
		return
	}
	gone := now.Disk < drbdwire.Inconsistent
	if !gone && (w.alone == r.Generation() || m.isPast(i)) {
		w.alone = 0 // this copy has that: it may be said late, and both go on from there
	}
	told := w.alone != 0 && w.alone != r.Generation()
	switch {
	case gone && !w.lost, gone && !m.mayBeTold(i), r.Ordered():
		// Later: it would be refused. The disk that is let go now may be back before the peer.
	case w.lost && (told || m.livedOn(w.since)):
		m.outdate(i, true)
	case w.lent && told && now.Conn < drbdwire.WFReportParams:
		m.outdate(i, true)
	case told && w.mayBeOld():
		// A source that missed the end of its resync seems to have changes that its peer lacks.
		m.outdate(i, slices.Contains(w.past[:], r.Generation()))
	}
}

// isPast tells whether this copy has gone on from what the peer says that it goes on alone with: that is said late. But
// a generation that was begun here for the peer's users, or for those of a Primary that has just been lost, may be one
// that nobody was told of.
func (m *Machine) isPast(i int) bool {
	w, r := &m.watches[i], m.Resource(i)
	return !w.lost && !w.lent && r != nil && r.HasHad(w.alone)
}

// mayBeTold tells whether a disk that this node has lost can still be told that it is old.
func (m *Machine) mayBeTold(i int) bool {
	r := m.Resource(i)
	return r != nil && r.OwesLastWord()
}

// livedOn tells whether the peer was heard after it lost the connection.
func (m *Machine) livedOn(since time.Duration) bool {
	return m.alive != nil && m.alive.Snapshot().Peer.HeardAt > since+lastPackets
}

// mayBeOld tells whether a copy counts as good that was not compared with that of a
// Primary which goes on alone. A handshake that is under way compares them. A node
// that is StandAlone, and did not come to that with this disk, is being brought up, one
// order after the other: no order of this node's own comes between.
func (w *watch) mayBeOld() bool {
	s := w.state
	return s.Role == drbdwire.Secondary && s.Disk > drbdwire.Outdated &&
		(s.Conn > drbdwire.StandAlone || w.left) && s.Conn < drbdwire.WFReportParams
}

// outdate marks the copy of this node as old: whatever it is, with force, else
// unless it has changes that its peer lacks.
func (m *Machine) outdate(i int, force bool) {
	w := &m.watches[i]
	w.lost, w.lent, w.alone, w.past = false, false, 0, [3]uint64{}
	m.queue = append(m.queue, Input{Part: Replica, Resource: i, Replica: replica.Input{
		Kind: replica.Order, Order: replica.OrderOutdate, ID: ownOrder, Force: force,
	}})
}

// isCompared tells whether a handshake has compared the disk of this node. Without one it
// has still to be told, when it is back, what the peer went on alone with.
func isCompared(s drbdwire.State) bool {
	return s.Conn >= drbdwire.Connected && s.Disk >= drbdwire.Inconsistent
}

func (m *Machine) replicaChanged(i int, old, now drbdwire.State) {
	w := &m.watches[i]
	was, is := old.Conn >= drbdwire.Connected, now.Conn >= drbdwire.Connected
	w.left = now.Conn == drbdwire.StandAlone && now.Disk >= drbdwire.Inconsistent &&
		(w.left || old.Conn > drbdwire.StandAlone)
	if isCompared(now) && !isCompared(old) {
		w.alone = 0
	}
	switch {
	case is && !was:
		w.lost, w.lent, w.said = false, false, 0
	case was && !is && now.Role == drbdwire.Secondary && old.Peer == drbdwire.Primary:
		w.lent = old.PeerDisk < drbdwire.Inconsistent
		// With half a copy it can't go on alone.
		w.lost, w.since = !w.lent && now.PeerDisk != drbdwire.Inconsistent, m.now
	case now.Role == drbdwire.Primary:
		w.lent = false // it has users of its own
	}
	if m.task.due != Never && m.task.resource == i {
		m.tryRole() // what it waited for may be over
	}
	if m.groups != nil {
		m.queue = append(m.queue, Input{Part: Failover, Failover: failover.Input{Kind: failover.Poke}})
	}
}

// peerStarted forgets what the peer was before it started.
func (m *Machine) peerStarted() {
	for i := range m.watches {
		m.watches[i].lent = false
	}
}

// sayAlone tells the peer once of each generation that this node goes on alone with.
func (m *Machine) sayAlone(i int) {
	w, r := &m.watches[i], m.resources[i]
	if !m.goesOn(i) || m.alive == nil || w.said == r.Generation() {
		return
	}
	w.said = r.Generation()
	message := hbwire.Message{
		hbwire.Text(hbwire.FieldType, msgAlone),
		hbwire.Text(fieldResource, m.cfg.Resources[i].Name),
		hbwire.Text(fieldGeneration, strconv.FormatUint(w.said, 16)),
	}
	if r := m.Resource(i); r != nil {
		past := r.Past()
		message = append(message, hbwire.Text(fieldSince, fmt.Sprintf("%x,%x,%x", past[0], past[1], past[2])))
	}
	m.queue = append(m.queue, Input{Part: Liveness, Liveness: liveness.Input{Kind: liveness.Say, Message: message}})
}

// goesOn tells whether a node without its peer has data that its users go on with,
// or have gone on with.
func (m *Machine) goesOn(i int) bool {
	s, r := m.resources[i].State(), m.Resource(i)
	return s.Conn < drbdwire.Connected && (s.Role == drbdwire.Primary && s.Disk == drbdwire.UpToDate ||
		m.resources[i].LostOnlyCopy() || r != nil && r.Ahead())
}

// askAlone asks the peer what it goes on alone with, when what it has said may be lost, and
// what it has asked as well: so the own word is said again.
func (m *Machine) askAlone() {
	m.sayAgain()
	m.queue = append(m.queue, Input{Part: Liveness, Liveness: liveness.Input{
		Kind: liveness.Say, Message: hbwire.Message{hbwire.Text(hbwire.FieldType, msgAlone)},
	}})
}

// sayAgain has what this node goes on alone with told once more.
func (m *Machine) sayAgain() {
	for i := range m.watches {
		m.watches[i].said = 0
		m.stir(i)
	}
}

// heardAlone takes the peer's messages; the own ones come back as well.
func (m *Machine) heardAlone(e liveness.Effect) bool {
	if e.Message.Text(hbwire.FieldType) != msgAlone {
		return false
	}
	name := e.Message.Text(fieldResource)
	generation, err := e.Message.Hex(fieldGeneration)
	switch i := m.find(name); {
	case e.Own:
	case name == "":
		m.sayAgain()
	case i >= 0 && err == nil:
		w := &m.watches[i]
		w.alone, w.past = generation, [3]uint64{}
		for i, text := range strings.SplitN(e.Message.Text(fieldSince), ",", len(w.past)) {
			w.past[i], _ = strconv.ParseUint(text, 16, 64) // 0 if it says nothing
		}
		m.stir(i)
	}
	return true
}
