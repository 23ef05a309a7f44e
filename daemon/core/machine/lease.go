package machine

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/planted"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// With the policies freeze and witness a group runs on the node that has its
// lease (package witness). The machine says for which groups that is wanted,
// and what the lease means for a replica:
//
//   - A Primary that loses its peer lets its users wait, as with fencing
//     resource-and-stonith. It goes on alone when somebody who has a vote has
//     heard of that and given it the lease: then nobody takes over with old data.
//   - A Primary whose lease is running out lets its users wait. What runs is
//     stopped before the lease ends; what still waits then ends with an error.

// msgVote carries questions and answers between the two nodes. A real Heartbeat
// ignores it.
const (
	msgVote     = "pollux_vote"
	fieldAsk    = "ask"
	fieldAnswer = "answer"
)

// wishFor is how long a wish for a lease lasts; while a group waits for it,
// failover wishes anew every few seconds.
const wishFor = 12 * time.Second

// leases is what a machine keeps of the lease.
type leases struct {
	client  *witness.Client // nil before the start, and with the policy last-man
	effects []witness.Effect
	wishes  []time.Duration // by group: until when failover wishes to start it
	held    []bool          // by group: what failover was told last
	vouched []bool          // by group: the same
	must    []bool          // by group: failover was told to stop it
	rows    []leased        // by resource
	below   [][]int         // by group: its resources
	quiet   quiet
}

// quiet says that nothing about leases can change before some part is stepped that matters, or a time comes. A node with
// hundreds of groups must not look at all of them for each write.
type quiet struct {
	on    bool
	until time.Duration // then a lease ends, users must wait, a group must stop, or a wish is over
	due   time.Duration // what leaseDeadline says, without the client's own
}

// leased is a replica whose group has a lease.
type leased struct {
	group   int  // -1: none
	whole   bool // what its users were told as done is on both disks
	held    bool
	failing bool
	call    uint64        // of fence-peer, that waits for the lease; 0 is none
	since   time.Duration // when it was made
	primary bool          // by a Primary
	seen    facts         // when the leases were last watched
}

// setUpLeases finds which replicas a lease is about, before they are made.
func (m *Machine) setUpLeases() error {
	m.leases.rows = make([]leased, len(m.cfg.Resources))
	for i := range m.leases.rows {
		m.leases.rows[i].group = -1
	}
	if m.cfg.Witness.Policy == witness.LastMan {
		return nil
	}
	m.cfg.Witness.Node, m.cfg.Witness.Peer = m.cfg.Failover.Node, m.cfg.Failover.Peer
	m.cfg.Witness.Start = m.cfg.Liveness.Generation & (1<<31 - 1)
	for _, g := range m.cfg.Failover.Groups {
		m.cfg.Witness.Groups = append(m.cfg.Witness.Groups, g.Key())
	}
	m.leases.wishes = make([]time.Duration, len(m.cfg.Witness.Groups))
	m.leases.held = make([]bool, len(m.cfg.Witness.Groups))
	m.leases.vouched = make([]bool, len(m.cfg.Witness.Groups))
	m.leases.must = make([]bool, len(m.cfg.Witness.Groups))
	m.cfg.Resources = slices.Clone(m.cfg.Resources)
	for g, group := range m.cfg.Failover.Groups {
		for _, word := range group.Resources {
			name, ok := strings.CutPrefix(word.Text, "drbddisk::")
			i := m.find(name)
			if !ok || i < 0 || i < len(m.cfg.Foreign) && m.cfg.Foreign[i] {
				continue
			}
			m.leases.rows[i].group = g
			r := &m.cfg.Resources[i]
			if r.Protocol != drbdwire.ProtocolA { // which is told as done before the peer has it
				m.leases.rows[i].whole = true
				r.Fencing = replica.ResourceAndStonith
				r.Handlers = append(slices.Clone(r.Handlers), replica.HandlerFencePeer)
			}
		}
	}
	m.leases.below = make([][]int, len(m.cfg.Witness.Groups))
	for i, row := range m.leases.rows {
		if row.group >= 0 {
			m.leases.below[row.group] = append(m.leases.below[row.group], i)
		}
	}
	return m.cfg.Witness.Check()
}

// startLeases begins to ask for leases.
func (m *Machine) startLeases() {
	if m.cfg.Witness.Policy != witness.LastMan {
		m.leases.client = witness.NewClient(m.now, m.cfg.Witness)
	}
}

func (m *Machine) stepLease(in witness.Input) {
	l := &m.leases
	if l.client == nil {
		return
	}
	l.quiet.on = false
	l.effects = l.client.Step(m.now, in, l.effects[:0])
	for _, e := range l.effects {
		field := fieldAsk
		switch e.Kind {
		case witness.AskWitness, witness.Note:
			m.out = append(m.out, Effect{Part: Lease, Lease: e})
			continue
		case witness.AnswerPeer:
			field = fieldAnswer
		case witness.AskPeer:
		}
		m.queue = append(m.queue, Input{Part: Liveness, Liveness: liveness.Input{
			Kind: liveness.Say, Message: hbwire.Message{
				hbwire.Text(hbwire.FieldType, msgVote), hbwire.Text(field, hex.EncodeToString(e.Data)),
			},
		}})
	}
}

// heardVote takes a question or an answer of the peer; the own ones come back
// as well.
func (m *Machine) heardVote(e liveness.Effect) bool {
	if e.Message.Text(hbwire.FieldType) != msgVote {
		return false
	}
	if e.Own {
		return true
	}
	in := witness.Input{Kind: witness.PeerAsks}
	text := e.Message.Text(fieldAsk)
	if text == "" {
		in.Kind, text = witness.PeerAnswered, e.Message.Text(fieldAnswer)
	}
	if data, err := hex.DecodeString(text); err == nil {
		in.Data = data
		m.queue = append(m.queue, Input{Part: Lease, Lease: in})
	}
	return true
}

// watchLeases tells each core what it must know of the others, about leases.
func (m *Machine) watchLeases() {
	l := &m.leases
	if l.client == nil || m.quiet() {
		return
	}
	l.quiet.on = true
	for g := range l.held {
		flags := m.flags(g)
		l.client.Say(m.now, g, flags)
		held, _ := l.client.Held(m.now, g)
		vouched, _ := m.isVouched(g)
		must, _, _ := m.MustStop(g)
		must = must && m.groups.Uses(g)
		if held != l.held[g] || vouched && !l.vouched[g] || must && !l.must[g] {
			m.poke()
		}
		if held != l.held[g] || must != l.must[g] || held != (flags&witnesswire.Want != 0) {
			l.quiet.on = false
		}
		l.held[g], l.vouched[g], l.must[g] = held, vouched, must
	}
	for i := range l.rows {
		if row := &l.rows[i]; row.group >= 0 {
			m.watchLeased(i, row)
			row.seen = m.factsOf(i)
		}
	}
	if l.quiet.on {
		l.quiet.until, l.quiet.due = m.nextOfLeases(), m.dueOfLeases()
	}
}

// quiet tells whether nothing about leases has changed since they were watched.
func (m *Machine) quiet() bool { return m.leases.quiet.on && m.now < m.leases.quiet.until }

// facts are what is to know of a replica to say what its group's lease is for.
type facts struct {
	state drbdwire.State
	ahead bool
}

func (m *Machine) factsOf(i int) (f facts) {
	f.state = m.resources[i].State()
	r := m.Resource(i)
	f.ahead = r != nil && f.state.Conn < drbdwire.Connected && r.Ahead()
	return f
}

// unquiet has the leases watched if a replica that was stepped is another one now.
func (m *Machine) unquiet(i int) {
	if row := &m.leases.rows[i]; row.group >= 0 && m.leases.quiet.on {
		m.leases.quiet.on = row.seen == m.factsOf(i)
	}
}

// nextOfLeases is the first time from now on at which something about a lease changes by itself.
func (m *Machine) nextOfLeases() time.Duration {
	l := &m.leases
	next := Never
	at := func(t time.Duration) {
		if t > m.now {
			next = min(next, t)
		}
	}
	for g := range l.held {
		at(l.wishes[g])
		at(l.client.Until(g))
		at(l.client.StopAt(g))
		at(l.client.FreezeAt(g))
	}
	for i := range l.rows {
		if row := &l.rows[i]; row.call != 0 {
			at(m.patience(row))
		}
	}
	return next
}

func (m *Machine) poke() {
	m.queue = append(m.queue, Input{Part: Failover, Failover: failover.Input{Kind: failover.Poke}})
}

// flags is what the node wants with a group, and knows of its data.
func (m *Machine) flags(g int) (flags witnesswire.Flags) {
	l := &m.leases
	if m.groups.Uses(g) || m.now < l.wishes[g] {
		flags |= witnesswire.Want
	}
	equal := true
	for _, i := range l.below[g] {
		s := m.resources[i].State()
		together := s.Conn == drbdwire.Connected || s.Conn == drbdwire.VerifyS || s.Conn == drbdwire.VerifyT
		same := together && s.Disk == drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate
		equal = equal && same
		if s.Conn >= drbdwire.Connected && !same {
			flags |= witnesswire.Apart
		}
		if s.Role == drbdwire.Primary {
			flags |= witnesswire.Want
		}
		if m.goesOn(i) || l.rows[i].call != 0 && s.Role != drbdwire.Primary {
			flags |= witnesswire.Alone
		}
	}
	if equal {
		flags |= witnesswire.Equal
	}
	return flags
}

// watchLeased lets the users of a replica wait or go on, and answers it what
// became of its peer.
func (m *Machine) watchLeased(i int, row *leased) {
	l := &m.leases
	s := m.resources[i].State()
	failed := row.failing
	// A stop that is given up, as the lease is back, leaves a device that has users again.
	row.failing = failed && s.Role == drbdwire.Primary && m.groups.Stops(row.group)
	hold := s.Role == drbdwire.Primary && (row.failing || !l.client.Safe(m.leaseClock(), row.group))
	if hold != row.held || failed != row.failing {
		row.held, l.quiet.on = hold, false
		why := "the lease was renewed"
		switch {
		case hold:
			why = "the lease is running out: " + l.client.Why(row.group)
		case s.Role != drbdwire.Primary:
			why = "nothing uses it any more"
		}
		m.queue = append(m.queue, holdInput(i, hold, row.failing, why))
	}
	m.answerCall(i, row)
}

func holdInput(i int, on, failing bool, why string) Input {
	return Input{Part: Replica, Resource: i, Replica: replica.Input{
		Kind: replica.Hold, Force: on, Failed: failing, Text: why,
	}}
}

// failUsers ends what waits on a replica below a group, when all that could be
// saved is stopped and the device is about to be.
func (m *Machine) failUsers(e failover.Effect) {
	word := m.cfg.Failover.Groups[e.Group].Resources[e.Index]
	if m.leases.client == nil || e.Action != failover.Stop || word.Script != "LVM" && word.Script != "drbddisk" {
		return
	}
	for i := range m.leases.rows {
		row := &m.leases.rows[i]
		s := m.resources[i].State()
		if row.group != e.Group || row.failing || s.Role != drbdwire.Primary || !s.Suspended && !s.SuspFencing {
			continue
		}
		row.failing, row.held, m.leases.quiet.on = true, true, false
		m.queue = append(m.queue, holdInput(i, true, true, "its users are stopped, and the lease is not there"))
	}
}

// leaseClock is what the end of a lease is compared with: now, whatever input
// says that it is now.
func (m *Machine) leaseClock() time.Duration {
	if planted.On(planted.WakesUnfrozen) {
		return min(m.now, m.leases.client.Deadline())
	}
	return m.now
}

// wakeUp comes before anything else that a node does: it may have been paused,
// and its lease may be over.
func (m *Machine) wakeUp() {
	if m.leases.client == nil || m.quiet() || planted.On(planted.WakesUnfrozen) {
		return
	}
	for i := range m.leases.rows {
		row := &m.leases.rows[i]
		if row.group < 0 || row.held || m.resources[i].State().Role != drbdwire.Primary ||
			m.leases.client.Safe(m.now, row.group) {
			continue
		}
		row.held, m.leases.quiet.on = true, false
		m.stepReplica(i, holdInput(i, true, false, "the lease is running out: "+m.leases.client.Why(row.group)).Replica)
	}
}

// leaseDeadline is when something about a lease has to be done.
func (m *Machine) leaseDeadline() time.Duration {
	l := &m.leases
	if l.client == nil {
		return Never
	}
	if m.quiet() {
		return min(l.client.Deadline(), l.quiet.due)
	}
	return min(l.client.Deadline(), m.dueOfLeases())
}

func (m *Machine) dueOfLeases() time.Duration {
	l := &m.leases
	next := Never
	for g := range l.held {
		if l.wishes[g] > m.now {
			next = min(next, l.wishes[g])
		}
		if l.held[g] && l.client.Until(g) > m.now {
			next = min(next, l.client.Until(g))
		}
		if at := l.client.StopAt(g); at > m.now && m.groups.Uses(g) {
			next = min(next, at)
		}
	}
	for i := range l.rows {
		row := &l.rows[i]
		if row.group >= 0 && !row.held && m.resources[i].State().Role == drbdwire.Primary {
			next = min(next, l.client.FreezeAt(row.group))
		}
		if row.call != 0 && !row.primary {
			next = min(next, m.patience(row))
		}
	}
	return next
}

// MayRun tells failover whether this node has the lease of a group, and wishes
// for it.
func (m *Machine) MayRun(group int) (bool, string) {
	l := &m.leases
	if l.client == nil {
		return false, "this node has not started yet"
	}
	l.wishes[group] = m.now + wishFor
	held, why := l.client.Held(m.now, group)
	if must, _, soon := m.MustStop(group); held && must {
		return false, soon // it would be stopped again at once
	}
	return held, why
}

// MustStop tells failover whether the lease of a group is about to end, and when.
func (m *Machine) MustStop(group int) (must bool, left time.Duration, why string) {
	l := &m.leases
	if l.client == nil || m.now < l.client.StopAt(group) {
		return false, 0, ""
	}
	return true, l.client.EndsAt(group) - m.now, l.client.Why(group)
}
