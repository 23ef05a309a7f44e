package machine

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
)

// Vouched tells failover whether the witness says that this node's data are the
// newest, and wishes for the lease.
func (m *Machine) Vouched(group int) (bool, string) {
	if m.leases.client == nil {
		return false, "this node has not started yet"
	}
	m.leases.wishes[group] = m.now + wishFor
	return m.isVouched(group)
}

// isVouched leaves out what the witness can't know of: a replica that goes on
// before it is told, with protocol A or in another engine.
func (m *Machine) isVouched(group int) (bool, string) {
	if m.leases.client == nil {
		return false, ""
	}
	for _, r := range m.roles[group] {
		if !m.leases.rows[r.resource].whole {
			return false, fmt.Sprintf("the witness does not know of each write to %s", m.cfg.Resources[r.resource].Name)
		}
	}
	return m.leases.client.Vouched(m.now, group)
}

// vouch takes an operator's word that the peer runs nothing.
func (m *Machine) vouch(in failover.Input) {
	if m.leases.client == nil || in.Kind != failover.Order || in.Order != failover.OrderTakeover || !in.Force {
		return
	}
	for g, group := range m.cfg.Failover.Groups {
		set := failover.Foreign
		if strings.EqualFold(group.Node, m.cfg.Failover.Node) {
			set = failover.Local
		}
		if in.Set&set != 0 && m.alive.Snapshot().Peer.State == liveness.Dead {
			m.leases.client.Force(m.now, g)
			m.leases.wishes[g] = m.now + wishFor
			m.out = append(m.out, Effect{Part: Failover, Failover: failover.Effect{
				Kind: failover.Note, Text: fmt.Sprintf("%s: an operator vouches that %s runs nothing", group.Key(), m.cfg.Failover.Peer),
			}})
		}
	}
}
