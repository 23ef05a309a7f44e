// Package machine is one node: the replicas of its resources, the liveness of
// its peer and the failover of its groups, glued by plain calls and typed
// questions. Each core can be stepped alone; here they hear of each other.
//
//	datagrams --> liveness --(peer died, messages)--> failover --(start, stop)--> programs
//	                 ^                                   |  ^
//	                 |  (the peer went on alone)  promote|  |may its data be used?
//	                 |                                   v  |
//	packets, disk -------------------------------> replica of each resource
//
// Machine does no I/O. Step takes one Input and appends the Effects that the
// shell must carry out in order; Recycle says that it has. The same inputs
// always give the same effects: a recording of the inputs is a recording of
// the node.
package machine

import (
	"fmt"
	"slices"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/foreign"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Never is a deadline that does not come.
const Never = replica.Never

// Config is what a node is configured to do.
type Config struct {
	Resources []replica.Config
	// ResyncAfter has the index of the resource whose resync goes before that of
	// each, or -1; it may be shorter than Resources.
	ResyncAfter []int
	// Foreign are the resources that another engine replicates, by index; it may
	// be shorter than Resources.
	Foreign []bool
	// Cluster is false on a node that only replicates; the two that follow do
	// not count then.
	Cluster  bool
	Liveness liveness.Config
	Failover failover.Config
	// Witness says what a node does that has lost its peer. Names, groups and
	// Start are filled in from the others.
	Witness witness.Config
	// Files are told to the peer, so that it can compare.
	Files Files
}

// A Part is one of the cores that a machine is made of.
type Part uint8

// The parts. An input for All is a tick.
const (
	All      Part = 0
	Replica  Part = 1
	Liveness Part = 2
	Failover Part = 3
	Lease    Part = 4
)

// Input is one thing that happened to one part; Resource is the index of a
// replica in Config.Resources.
type Input struct {
	Part     Part
	Resource int
	Replica  replica.Input
	Liveness liveness.Input
	Failover failover.Input
	Lease    witness.Input
}

// Effect is one thing for the shell to do for one part.
type Effect struct {
	Part     Part
	Resource int
	Replica  replica.Effect
	Liveness liveness.Effect
	Failover failover.Effect
	Lease    witness.Effect
}

// ownOrder sets the numbers of the machine's orders to its replicas apart from
// those of administrators.
const ownOrder = 1 << 63

// An engine is the core of one resource: replica.Resource, or foreign.Resource
// for one that is replicated elsewhere.
type engine interface {
	Step(now time.Duration, in replica.Input, out []replica.Effect) []replica.Effect
	Recycle()
	Deadline() time.Duration
	State() drbdwire.State
	Generation() uint64
	MayPromote(force bool) (drbdwire.Code, string)
	Opening() bool
	Ordered() bool
	LostOnlyCopy() bool
	Status() replica.Status
}

// Machine is the state of one node.
type Machine struct {
	cfg       Config
	now       time.Duration
	out       []Effect
	resources []engine
	watches   []watch
	due       []time.Duration // by resource: its Deadline
	stepped   []int           // resources since the last Recycle, some more than once
	stirred   []int           // resources that watchReplica has yet to look at
	chained   bool            // resyncs of some wait for others
	restless  bool            // a replica was stepped since depend has looked
	alive     *liveness.Core
	groups    *failover.Core
	// What alive and groups gave as their Deadline after their last Step: nothing
	// else changes it.
	aliveDue, groupsDue time.Duration

	roles     [][]role // by group of Config.Failover.Groups
	task      task
	orders    uint64
	peerFiles Files
	leases    leases

	queue    []Input // what the parts have to tell each other
	replicas []replica.Effect
	beats    []liveness.Effect
	steps    []failover.Effect
}

// New makes a node. It fails on a configuration that would make it misjudge
// its peer, or that names a resource in haresources that there is not.
func New(cfg Config) (*Machine, error) {
	m := &Machine{
		cfg: cfg, watches: make([]watch, len(cfg.Resources)), task: task{due: Never},
		chained: slices.ContainsFunc(cfg.ResyncAfter, func(i int) bool { return i >= 0 }),
	}
	if err := m.setUpLeases(); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	for i, c := range m.cfg.Resources {
		var r engine
		if i < len(cfg.Foreign) && cfg.Foreign[i] {
			r = foreign.New(c)
		} else {
			r = replica.New(c)
		}
		m.resources, m.due = append(m.resources, r), append(m.due, r.Deadline())
		m.stir(i)
	}
	if !cfg.Cluster {
		return m, nil
	}
	var err error
	if m.alive, err = liveness.New(cfg.Liveness); err != nil {
		return nil, fmt.Errorf("liveness: %w", err)
	}
	if m.groups, err = failover.New(cfg.Failover, m); err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	if cfg.Witness.Policy != witness.LastMan {
		m.groups.Lease(m)
	}
	m.aliveDue, m.groupsDue = m.alive.Deadline(), m.groups.Deadline()
	if err := m.findRoles(); err != nil {
		return nil, fmt.Errorf("haresources: %w", err)
	}
	return m, nil
}

func (m *Machine) find(resource string) int {
	for i, c := range m.cfg.Resources {
		if c.Name == resource {
			return i
		}
	}
	return -1
}

// Recycle gives the memory of the last effects back: they have been carried
// out.
func (m *Machine) Recycle() {
	for _, i := range m.stepped {
		m.resources[i].Recycle()
	}
	m.stepped = m.stepped[:0]
}

// Step applies one input and appends what must be done about it to out.
func (m *Machine) Step(now time.Duration, in Input, out []Effect) []Effect {
	m.now, m.out = now, out
	m.wakeUp()
	if in.Part == All {
		m.tick()
	} else {
		m.take(&in)
	}
	for m.settle(); len(m.queue) > 0; m.settle() {
		next := m.queue[0]
		m.queue = append(m.queue[:0], m.queue[1:]...)
		m.take(&next)
	}
	out, m.out = m.out, nil
	return out
}

// settle looks at what the last input changed that other parts must know.
func (m *Machine) settle() {
	m.depend()
	m.watchReplicas()
	m.watchLeases()
}

func (m *Machine) take(in *Input) {
	switch in.Part {
	case Replica:
		if !m.heldByGroup(in.Resource, in.Replica) {
			m.stepReplica(in.Resource, in.Replica)
		}
	case Liveness:
		m.stepLiveness(in.Liveness)
	case Failover:
		m.stepFailover(in.Failover)
	case Lease:
		m.stepLease(in.Lease)
	case All:
	}
}

// tick steps every part whose time has come.
func (m *Machine) tick() {
	for i := range m.resources {
		if m.due[i] <= m.now {
			m.stepReplica(i, replica.Input{Kind: replica.Tick})
		}
	}
	if m.alive == nil {
		return
	}
	if m.aliveDue <= m.now {
		m.stepLiveness(liveness.Input{Kind: liveness.Tick})
	}
	if m.groupsDue <= m.now {
		m.stepFailover(failover.Input{Kind: failover.Tick})
	}
	if m.task.due <= m.now {
		m.tryRole()
	}
	if c := m.leases.client; c != nil && c.Deadline() <= m.now {
		m.stepLease(witness.Input{Kind: witness.Tick})
	}
}

// Deadline is the time at which a tick is wanted.
func (m *Machine) Deadline() time.Duration {
	next := Never
	for _, due := range m.due {
		next = min(next, due)
	}
	if m.alive != nil {
		next = min(next, m.aliveDue, m.groupsDue, m.task.due, m.leaseDeadline())
	}
	return next
}

func (m *Machine) stepReplica(i int, in replica.Input) {
	m.replicas = m.resources[i].Step(m.now, in, m.replicas[:0])
	m.due[i], m.stepped, m.restless = m.resources[i].Deadline(), append(m.stepped, i), true
	m.stir(i)
	m.unquiet(i)
	for at := range m.replicas {
		e := &m.replicas[at]
		if e.Kind == replica.Answer && e.ID&ownOrder != 0 {
			m.roleAnswered(*e)
			continue
		}
		if m.takesCall(i, e) {
			continue
		}
		m.out = append(m.out, Effect{Part: Replica, Resource: i})
		m.out[len(m.out)-1].Replica = *e // not through a copy of all the rest
	}
}

func (m *Machine) stepLiveness(in liveness.Input) {
	m.beats = m.alive.Step(m.now, in, m.beats[:0])
	m.aliveDue = m.alive.Deadline()
	for _, e := range m.beats {
		told := failover.Input{Silent: e.Silent}
		switch e.Kind {
		case liveness.Heard:
			if m.heardFiles(e) || m.heardForShell(e) || m.heardVote(e) || m.heardAlone(e) {
				continue
			}
			told.Kind, told.Message, told.Own = failover.Message, e.Message, e.Own
		case liveness.PeerUp:
			told.Kind = failover.PeerUp
			m.peerStarted()
			m.sayFiles()
			m.askAlone()
		case liveness.PeerDied:
			told.Kind = failover.PeerDied
			m.peerFiles = Files{} // what comes back may have others
		case liveness.PeerHealed:
			told.Kind = failover.PeerHealed
			m.askAlone() // what was said meanwhile is lost
		case liveness.CommsUp:
			told.Kind = failover.CommsUp
			m.sayFiles() // the peer may have missed the first
		default: // for the shell alone
		}
		if e.Lost {
			told.Kind = failover.Lost
			m.askAlone()
		}
		if told.Kind != 0 {
			m.queue = append(m.queue, Input{Part: Failover, Failover: told})
		}
		if e.Kind != liveness.Heard {
			m.out = append(m.out, Effect{Part: Liveness, Liveness: e})
		}
	}
}

func (m *Machine) stepFailover(in failover.Input) {
	if in.Kind == failover.Started {
		m.startLeases()
	}
	m.leases.quiet.on = false
	m.vouch(in)
	m.steps = m.groups.Step(m.now, in, m.steps[:0])
	m.groupsDue = m.groups.Deadline()
	for _, e := range m.steps {
		if e.Kind == failover.Do {
			m.failUsers(e)
		}
		switch {
		case e.Kind == failover.Say:
			m.queue = append(m.queue, Input{
				Part: Liveness, Liveness: liveness.Input{Kind: liveness.Say, Message: e.Message},
			})
		case e.Kind == failover.Do && m.isRole(e):
			m.startRole(e)
		default:
			m.out = append(m.out, Effect{Part: Failover, Failover: e})
		}
	}
}

// Status is what can be said about a node at one moment.
type Status struct {
	Resources []replica.Status
	Cluster   bool
	Liveness  liveness.Snapshot
	Failover  failover.Snapshot
	PeerFiles Files             // what the peer said of its files
	Lease     *witness.Snapshot // nil: there are no leases
}

// Status describes the node as it is now.
func (m *Machine) Status() Status {
	s := Status{Cluster: m.cfg.Cluster}
	for _, r := range m.resources {
		s.Resources = append(s.Resources, r.Status())
	}
	if m.cfg.Cluster {
		s.Liveness, s.Failover, s.PeerFiles = m.alive.Snapshot(), m.groups.Snapshot(), m.peerFiles
	}
	if m.leases.client != nil {
		lease := m.leases.client.Snapshot(m.now)
		s.Lease = &lease
	}
	return s
}

// Resource is the replica of that index, to be asked and not to be stepped; nil
// if another engine replicates it.
func (m *Machine) Resource(i int) *replica.Resource {
	r, _ := m.resources[i].(*replica.Resource)
	return r
}

// State is that of the resource of that index, whoever replicates it.
func (m *Machine) State(i int) drbdwire.State { return m.resources[i].State() }
