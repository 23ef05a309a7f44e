package machine

import (
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// depend lets the resyncs of this node wait for those that resync-after puts
// before them.
func (m *Machine) depend() {
	if !m.chained || !m.restless {
		return
	}
	m.restless = false
	for i, r := range m.resources {
		if wait := m.mustWait(i); wait != r.State().AfterPause {
			m.stepReplica(i, replica.Input{Kind: replica.Depend, Force: wait})
		}
	}
}

// mustWait tells whether a resource that is before this one, or before that,
// copies or verifies, or is kept from it. Source: DRBD 8.4 states, section 11.1.
func (m *Machine) mustWait(i int) bool {
	for range m.resources { // a chain is no longer than that
		if i = m.before(i); i < 0 {
			return false
		}
		s := m.resources[i].State()
		if s.Conn >= drbdwire.SyncSource && s.Conn <= drbdwire.PausedSyncT || s.UserPause || s.PeerPause || s.AfterPause {
			return true
		}
	}
	return false
}

func (m *Machine) before(i int) int {
	if i >= len(m.cfg.ResyncAfter) {
		return -1
	}
	return m.cfg.ResyncAfter[i]
}
