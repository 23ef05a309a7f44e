package machine

import (
	"fmt"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// role is a step of a group that is not a program's but a replica's:
// drbddisk::NAME.
type role struct{ index, resource int }

// How often a promotion is tried, and how long to wait between: what is in
// transition settles. The original drbddisk script does the same.
const (
	roleTries = 6
	rolePause = time.Second
	// openPause is how soon a device that is about to come is looked for again.
	openPause = 100 * time.Millisecond
)

// task is the one step with a replica that is under way.
type task struct {
	id       uint64 // the failover core's
	order    uint64 // the replica's
	resource int
	action   failover.Action
	tries    int
	due      time.Duration // when it is tried again
}

func (m *Machine) isRole(e failover.Effect) bool {
	return m.roleOf(e.Group, e.Index) >= 0
}

// findRoles makes the roles of all groups.
func (m *Machine) findRoles() error {
	numbers := make(map[string]int, len(m.cfg.Resources))
	for i, c := range m.cfg.Resources {
		numbers[c.Name] = i
	}
	m.roles = make([][]role, len(m.cfg.Failover.Groups))
	for g, group := range m.cfg.Failover.Groups {
		for i, word := range group.Resources {
			name, ok := strings.CutPrefix(word.Text, "drbddisk::")
			if !ok {
				continue
			}
			at, ok := numbers[name]
			if !ok {
				return fmt.Errorf("%s names a resource that drbd.conf does not have", word.Text)
			}
			m.roles[g] = append(m.roles[g], role{index: i, resource: at})
		}
	}
	return nil
}

func (m *Machine) roleOf(group, index int) int {
	for _, r := range m.roles[group] {
		if r.index == index {
			return r.resource
		}
	}
	return -1
}

// startRole carries a step out with a replica: what a program would report is
// read off its state. A look at what runs may come while a task is under way.
func (m *Machine) startRole(e failover.Effect) {
	if e.Watch {
		m.roleDone(m.sawRole(e.ID, m.roleOf(e.Group, e.Index)))
		return
	}
	m.task = task{id: e.ID, resource: m.roleOf(e.Group, e.Index), action: e.Action}
	m.tryRole()
}

func (m *Machine) tryRole() {
	if m.task.action == failover.Status {
		m.seeRole()
		return
	}
	if m.task.action == failover.Start && m.mayHaveGoneOn(m.task.resource) {
		m.task.due = m.now + rolePause
		return
	}
	m.orders++
	m.task.order, m.task.due = ownOrder|m.orders, Never
	m.task.tries++
	kind := replica.OrderPrimary
	if m.task.action == failover.Stop {
		kind = replica.OrderSecondary
	}
	m.order(m.task.resource, kind, m.task.order)
}

// seeRole says what the role is. An administrator's promotion ends when users may open the device: what stands above it
// would not find it before.
func (m *Machine) seeRole() {
	r := m.resources[m.task.resource]
	if r.Opening() {
		m.task.due = m.now + openPause
		return
	}
	done := m.sawRole(m.task.id, m.task.resource)
	m.task = task{due: Never}
	m.roleDone(done)
}

// sawRole is the answer to a look.
func (m *Machine) sawRole(id uint64, resource int) failover.Input {
	done := failover.Input{Kind: failover.Done, ID: id, State: failover.Stopped}
	if m.resources[resource].State().Role == drbdwire.Primary {
		done.State = failover.Running
	}
	return done
}

func (m *Machine) order(resource int, kind replica.OrderKind, id uint64) {
	m.queue = append(m.queue, Input{
		Part: Replica, Resource: resource,
		Replica: replica.Input{Kind: replica.Order, Order: kind, ID: id},
	})
}

// roleAnswered takes a replica's answer to an order of the machine's.
func (m *Machine) roleAnswered(e replica.Effect) {
	if m.task.id == 0 || e.ID != m.task.order {
		return
	}
	transient := e.Code == drbdwire.InTransientState || e.Code == drbdwire.ConcurrentStChg ||
		e.Code == drbdwire.TwoPrimaries
	if transient && m.task.tries < roleTries {
		m.task.due = m.now + rolePause
		m.out = append(m.out, Effect{Part: Failover, Failover: failover.Effect{
			Kind: failover.Note,
			Text: fmt.Sprintf("resource %s: not yet: %s", m.cfg.Resources[m.task.resource].Name, e.Text),
		}})
		return
	}
	done := failover.Input{Kind: failover.Done, ID: m.task.id, Failed: e.Code < drbdwire.Success, Text: e.Text}
	m.task = task{due: Never}
	m.roleDone(done)
}

func (m *Machine) roleDone(done failover.Input) {
	m.queue = append(m.queue, Input{Part: Failover, Failover: done})
}

// MayStart tells whether the data below a group may be used on this node.
func (m *Machine) MayStart(group int) (bool, string) {
	for _, r := range m.roles[group] {
		if m.mayHaveGoneOn(r.resource) {
			return false, fmt.Sprintf("resource %s: the connection broke a moment ago, and the peer may have gone on alone",
				m.cfg.Resources[r.resource].Name)
		}
		code, why := m.resources[r.resource].MayPromote(false)
		s := m.resources[r.resource].State()
		unclear := s.Disk == drbdwire.Attaching || s.Disk == drbdwire.Negotiating || s.Conn == drbdwire.WFReportParams
		if s.Role == drbdwire.Secondary && unclear {
			return false, fmt.Sprintf("resource %s: %s", m.cfg.Resources[r.resource].Name, why)
		}
		unsure := s.Disk == drbdwire.Consistent
		if vouched, _ := m.isVouched(group); unsure && code == drbdwire.NoUpToDateDisk && vouched {
			code = drbdwire.PrimaryNOP // a promotion asks the lease about the peer
		}
		if code == drbdwire.PrimaryNOP && unsure && m.peerLives() {
			return false, fmt.Sprintf("resource %s: this copy may be old, and the peer lives: it is heard before it is fenced off",
				m.cfg.Resources[r.resource].Name)
		}
		if m.wouldLoseIt(r.resource) {
			return false, fmt.Sprintf("resource %s: the good copy is that of the peer, which would have to be switched off",
				m.cfg.Resources[r.resource].Name)
		}
		if code == drbdwire.NoUpToDateDisk {
			return false, fmt.Sprintf("resource %s: %s", m.cfg.Resources[r.resource].Name, why)
		}
	}
	return true, ""
}

// wouldLoseIt tells whether a resource could be used here only with the disk of
// a peer that counts as dead, and would be switched off before.
func (m *Machine) wouldLoseIt(resource int) bool {
	s := m.resources[resource].State()
	return m.cfg.Failover.Fence && !m.peerLives() && s.Disk != drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate
}

// Used tells whether the peer is Primary of what a group stands on, and this node
// is not.
func (m *Machine) Used(group int) bool {
	for _, r := range m.roles[group] {
		if s := m.resources[r.resource].State(); s.Role == drbdwire.Secondary && s.Peer == drbdwire.Primary {
			return true
		}
	}
	return false
}

// MayGive tells whether the peer could go on with the data below a group.
func (m *Machine) MayGive(group int) (bool, string) {
	for _, r := range m.roles[group] {
		s := m.resources[r.resource].State()
		if planted.On(planted.BlindFailback) {
			continue
		}
		together := s.Conn == drbdwire.Connected || s.Conn == drbdwire.VerifyS || s.Conn == drbdwire.VerifyT
		if !together || s.PeerDisk != drbdwire.UpToDate {
			return false, fmt.Sprintf("resource %s: the peer's copy is %s, the connection %s",
				m.cfg.Resources[r.resource].Name, s.PeerDisk, s.Conn)
		}
	}
	return true, ""
}
