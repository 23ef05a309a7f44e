package machine

import (
	"fmt"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// heldByGroup refuses an operator's demotion of a resource that a group uses, be it that nothing has opened the device
// yet: the group's next step would not find it. A detach and a disconnect go through, since users go on with the disk
// that is left; where none is, the replica refuses.
func (m *Machine) heldByGroup(resource int, in replica.Input) bool {
	if m.groups == nil || in.Kind != replica.Order || in.Order != replica.OrderSecondary || in.ID&ownOrder != 0 {
		return false
	}
	for g := range m.roles {
		for _, r := range m.roles[g] {
			if r.resource != resource {
				continue
			}
			if use := m.groups.Needs(g, r.index); use != "" {
				m.out = append(m.out, Effect{Part: Replica, Resource: resource, Replica: replica.Effect{
					Kind: replica.Answer, ID: in.ID, Code: drbdwire.DeviceInUse,
					Text: fmt.Sprintf("%s: \"pollux standby\" gives it to the peer, in order", use),
				}})
				return true
			}
		}
	}
	return false
}
