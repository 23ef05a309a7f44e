package machine

import (
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// takesCall keeps a call of fence-peer that the lease answers.
func (m *Machine) takesCall(i int, e *replica.Effect) bool {
	row := &m.leases.rows[i]
	if e.Kind != replica.Call || e.Text != replica.HandlerFencePeer || row.group < 0 || m.leases.client == nil {
		return false
	}
	m.leases.quiet.on = false
	row.call, row.since, row.primary = e.ID, m.now, m.resources[i].State().Role == drbdwire.Primary
	return true
}

// answerCall tells a replica what became of its peer.
func (m *Machine) answerCall(i int, row *leased) {
	l := &m.leases
	s := m.resources[i].State()
	switch {
	case row.call == 0:
	case row.primary && s.Role != drbdwire.Primary:
		row.call, l.quiet.on = 0, false
	case s.Conn >= drbdwire.Connected:
		m.fenced(i, row, notFenced, "the peer is back")
	case l.client.AloneSince(m.now, row.group, row.since), planted.On(planted.AloneUntold),
		planted.On(planted.TakeoverWithoutLease) && !row.primary:
		m.fencedByLease(i, row)
	case !row.primary && (l.client.Until(row.group) <= m.now || m.now >= m.patience(row)):
		m.fenced(i, row, notFenced, "this node does not have the lease: "+l.client.Why(row.group))
	}
}

// patience is until when a promotion waits for the lease.
func (m *Machine) patience(row *leased) time.Duration { return row.since + m.cfg.Witness.Lease }

// Exit statuses of fence-peer. Source: DRBD 8.4 states, section 7.
const (
	notFenced    = 1
	peerOutdated = 4
	fencedOff    = 7
)

// fencedByLease says that the peer can't go on. About its data the lease says
// nothing, but the witness may.
func (m *Machine) fencedByLease(i int, row *leased) {
	vouched, _ := m.isVouched(row.group)
	if vouched && m.resources[i].State().Disk == drbdwire.Consistent {
		m.fenced(i, row, peerOutdated, "this node has the lease, and the witness says that nobody has newer data")
		return
	}
	m.fenced(i, row, fencedOff, "this node has the lease, and the other one can't get it")
}

func (m *Machine) fenced(i int, row *leased, exit int, text string) {
	m.queue = append(m.queue, Input{Part: Replica, Resource: i, Replica: replica.Input{
		Kind: replica.Called, ID: row.call, Exit: exit, Text: text,
	}})
	row.call, m.leases.quiet.on = 0, false
}
