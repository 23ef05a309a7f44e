package failover_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

func TestFailover(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Failover")
}

// The first configuration: ha.cf has keepalive 5, deadtime 90; haresources has this line.
const firstLine = "milo1 drbddisk::r1 LVM::vg xenHA\n"

// world is two machines, the wire between them, and the time. The same seed gives the same run.
type world struct {
	now      time.Duration
	machines [2]*machine
	draw     *rand.Rand
	queue    []event
	count    uint64
	loss     float64 // of datagrams, 0 to 1
	delay    time.Duration
	cut      bool
	split    bool // the network was cut long enough, or a machine paused: both may run a group
	took     time.Duration
	log      []string // what was done, as "milo1 start LVM::vg"
	broken   []string // what must never be
}

type event struct {
	at   time.Duration
	turn uint64
	do   func()
}

// machine is one dom0: the two cores, and the resources that they bring up and down.
type machine struct {
	w          *world
	name, peer string
	groups     haconf.Resources
	failback   haconf.Failback
	live       *liveness.Core
	fail       *failover.Core
	generation uint64
	run        uint64 // number of the present run of the daemon; 0: off
	runs       uint64
	mute       bool // what it sends gets lost
	frozen     bool
	inbox      [][]byte // what the sockets hold while it is frozen
	pending    []func()

	uuid                          hbwire.UUID
	keepalive, deadtime, initdead time.Duration
	monitor                       failover.Monitor
	patience                      failover.Patience
	fence                         bool
	shots                         []uint64
	kept                          string        // the text of the last Keep
	wentBack                      time.Duration // when the last WentBack came; 0: none has
	full                          bool          // there is no room to keep it
	rooms                         []bool
	noRoom                        string   // why there is none for guests
	weighed                       []string // what was to be weighed
	dumb                          bool     // and was not answered

	running     map[string]bool
	slow        time.Duration // what an action takes longer here
	refuseStart map[string]bool
	refuseStop  map[string]bool
	unseen      map[string]bool // status gives no answer
	shy         map[string]int  // how many looks after a start say "stopped"
	mayStart    []bool
	mayGive     []bool
	answers     map[uint64]string
	notes       []string
	left        bool
}

func newWorld(seed uint64, lines string, failback haconf.Failback) *world {
	groups, err := haconf.ParseResources("haresources", []byte(lines), []string{"milo1", "milo2"})
	Expect(err).NotTo(HaveOccurred())
	w := &world{draw: rand.New(rand.NewPCG(seed, 2)), took: 200 * time.Millisecond, delay: 20 * time.Millisecond}
	for i, name := range []string{"milo1", "milo2"} {
		m := &machine{
			w: w, name: name, peer: []string{"milo2", "milo1"}[i], groups: groups, failback: failback,
			running: map[string]bool{}, refuseStart: map[string]bool{}, refuseStop: map[string]bool{},
			unseen: map[string]bool{}, answers: map[uint64]string{}, shy: map[string]int{}, uuid: hbwire.UUID{name[4]},
			keepalive: 5 * time.Second, deadtime: 90 * time.Second, initdead: 120 * time.Second,
		}
		for range groups {
			m.mayStart, m.mayGive = append(m.mayStart, true), append(m.mayGive, true)
		}
		w.machines[i] = m
	}
	return w
}

func (m *machine) MayStart(group int) (bool, string) { return m.mayStart[group], "it is Inconsistent" }

func (m *machine) MayGive(group int) (bool, string) {
	return m.mayGive[group], "it is being resynchronized"
}

func (m *machine) Used(int) bool { return false }

func (w *world) later(after time.Duration, do func()) {
	w.count++
	e := event{at: w.now + after, turn: w.count, do: do}
	i, _ := slices.BinarySearchFunc(w.queue, e, func(a, b event) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return int(a.turn) - int(b.turn)
	})
	w.queue = slices.Insert(w.queue, i, e)
}

// until lets time pass.
func (w *world) until(at time.Duration) {
	for steps := 0; ; steps++ {
		Expect(steps).To(BeNumerically("<", 2_000_000), "time stands still at %v", w.now)
		next, who := liveness.Never, (*machine)(nil)
		for _, m := range w.machines {
			if d := m.deadline(); d < next {
				next, who = d, m
			}
		}
		if len(w.queue) > 0 && w.queue[0].at <= next {
			next, who = w.queue[0].at, nil
		}
		if next > at {
			break
		}
		w.now = max(w.now, next)
		if who != nil {
			who.tick()
		} else {
			e := w.queue[0]
			w.queue = w.queue[1:]
			e.do()
		}
		w.check()
	}
	w.now = at
}

func (w *world) pass(d time.Duration) { w.until(w.now + d) }

// check looks for a group that runs on both machines.
func (w *world) check() {
	if w.split {
		return
	}
	for _, g := range w.machines[0].groups {
		if w.machines[0].holds(g) && w.machines[1].holds(g) {
			w.broken = append(w.broken, fmt.Sprintf("%v: %s runs on both", w.now, g.Key()))
		}
	}
}

// holds says whether anything of a group runs on the machine.
func (m *machine) holds(g haconf.Group) bool {
	return slices.ContainsFunc(g.Resources, func(r haconf.Resource) bool { return m.running[r.Text] })
}

func (m *machine) runsAll(g haconf.Group) bool {
	return !slices.ContainsFunc(g.Resources, func(r haconf.Resource) bool { return !m.running[r.Text] })
}

func (m *machine) deadline() time.Duration {
	if m.run == 0 || m.frozen {
		return liveness.Never
	}
	return min(m.live.Deadline(), m.fail.Deadline())
}

func (m *machine) boot(crashed bool) {
	var err error
	m.generation++
	m.runs++
	m.run, m.left, m.frozen = m.runs, false, false
	m.live, err = liveness.New(liveness.Config{
		Node: m.name, Peer: m.peer, UUID: m.uuid, Generation: m.generation, Seed: m.generation,
		Keepalive: m.keepalive, Deadtime: m.deadtime, Initdead: m.initdead,
		Keys: hbwire.Keys{Current: 1, Keys: [16]hbwire.Key{1: {Method: hbwire.CRC}}},
	})
	Expect(err).NotTo(HaveOccurred())
	m.fail, err = failover.New(failover.Config{
		Node: m.name, Peer: m.peer, Failback: m.failback, Groups: m.groups, Monitor: m.monitor, Fence: m.fence,
		Patience: m.patience, Rooms: m.rooms,
	}, m)
	Expect(err).NotTo(HaveOccurred())
	started := failover.Input{Kind: failover.Started, Crashed: crashed, Text: m.kept}
	if m.wentBack != 0 {
		started.Since = m.w.now - m.wentBack
	}
	m.decide(started)
	m.listen(liveness.Input{Kind: liveness.Start, Unix: 1_700_000_000})
}

// crash takes the machine's power away.
func (m *machine) crash() {
	m.run, m.frozen, m.inbox, m.pending = 0, false, nil, nil
	clear(m.running)
}

// restart kills the daemon alone; its resources run on, and it is back before it is missed.
func (m *machine) restart(after time.Duration) {
	m.run = 0
	m.w.later(after, func() {
		if m.run == 0 {
			m.boot(true)
		}
	})
}

func (m *machine) tick() {
	if m.live.Deadline() <= m.w.now {
		m.listen(liveness.Input{Kind: liveness.Tick})
	}
	if m.run != 0 && m.fail.Deadline() <= m.w.now {
		m.decide(failover.Input{Kind: failover.Tick})
		Expect(m.fail.Deadline()).To(BeNumerically(">", m.w.now), "a tick must move the deadline: %+v", m.fail.Snapshot())
	}
}

func (m *machine) listen(in liveness.Input) {
	in.Unix = uint64(1_700_000_000 + m.w.now/time.Second)
	for _, e := range m.live.Step(m.w.now, in, nil) {
		switch e.Kind {
		case liveness.Transmit:
			m.transmit(e.Data)
		case liveness.Heard:
			m.decide(failover.Input{Kind: failover.Message, Message: e.Message, Own: e.Own})
		case liveness.PeerUp:
			m.decide(failover.Input{Kind: failover.PeerUp})
		case liveness.PeerDied:
			m.decide(failover.Input{Kind: failover.PeerDied, Silent: e.Silent})
		case liveness.PeerHealed:
			m.decide(failover.Input{Kind: failover.PeerHealed})
		case liveness.CommsUp:
			m.decide(failover.Input{Kind: failover.CommsUp})
		case liveness.Drain:
			m.drain()
		case liveness.Note:
			if e.Lost {
				m.decide(failover.Input{Kind: failover.Lost})
			}
		default:
		}
	}
}

func (m *machine) drain() {
	held := m.inbox
	m.inbox = nil
	for _, data := range held {
		m.listen(liveness.Input{Kind: liveness.Datagram, Data: data})
	}
	m.listen(liveness.Input{Kind: liveness.Tick, Drained: true})
}

func (m *machine) other() *machine {
	if m.w.machines[0] == m {
		return m.w.machines[1]
	}
	return m.w.machines[0]
}

func (m *machine) transmit(data []byte) {
	to := m.other()
	if m.w.cut || m.mute || m.w.draw.Float64() < m.w.loss {
		return
	}
	m.w.later(m.w.delay+time.Duration(m.w.draw.Int64N(int64(m.w.delay)+1)), func() {
		switch {
		case to.run == 0:
		case to.frozen:
			to.inbox = append(to.inbox, data)
		default:
			to.listen(liveness.Input{Kind: liveness.Datagram, Data: data})
		}
	})
}

func (m *machine) decide(in failover.Input) {
	for _, e := range m.fail.Step(m.w.now, in, nil) {
		switch e.Kind {
		case failover.Say:
			m.listen(liveness.Input{Kind: liveness.Say, Message: e.Message})
		case failover.Do:
			m.do(e)
		case failover.Answer:
			m.answers[e.ID] = fmt.Sprintf("%v %s", e.OK, e.Text)
		case failover.Note:
			m.notes = append(m.notes, e.Text)
		case failover.Held:
			if g := m.groups[e.Group]; e.OK != m.runsAll(g) || e.OK != m.holds(g) {
				m.w.broken = append(m.w.broken, fmt.Sprintf("%v: %s: held is %v of %s", m.w.now, m.name, e.OK, g.Key()))
			}
		case failover.Fence:
			m.shots = append(m.shots, e.ID)
		case failover.Keep, failover.WentBack:
			m.keep(e)
		case failover.Weigh:
			m.weigh(e)
		case failover.Left:
			m.left = true
			m.w.later(0, func() { m.run = 0 })
		default:
		}
	}
}

// keep writes down what the next run is to know.
func (m *machine) keep(e failover.Effect) {
	run, failed := m.run, m.full
	switch {
	case failed:
	case e.Kind == failover.WentBack:
		m.wentBack = m.w.now
	default:
		m.kept = e.Text
	}
	m.w.later(m.w.took, func() {
		if m.run == run {
			m.decide(failover.Input{Kind: failover.Kept, ID: e.ID, Failed: failed, Text: "no space left on device"})
		}
	})
}

// weigh looks for room.
func (m *machine) weigh(e failover.Effect) {
	m.weighed = append(m.weighed, e.Text)
	run := m.run
	m.w.later(m.w.took, func() {
		if m.run == run && !m.dumb {
			m.decide(failover.Input{Kind: failover.Weighed, ID: e.ID, Failed: m.noRoom != "", Text: m.noRoom})
		}
	})
}

// do carries an action out: its effect is there at once for the other machine's eyes, the answer comes later.
func (m *machine) do(e failover.Effect) {
	name, run := m.groups[e.Group].Resources[e.Index].Text, m.run
	done := failover.Input{Kind: failover.Done, ID: e.ID}
	act := func() {
		switch e.Action {
		case failover.Start:
			done.Failed = m.refuseStart[name]
			m.running[name] = m.running[name] || !done.Failed
		case failover.Stop:
			done.Failed = m.refuseStop[name]
			m.running[name] = m.running[name] && done.Failed
		case failover.Status:
			done.State = failover.Stopped
			if m.running[name] {
				done.State = failover.Running
			}
			if m.running[name] && m.shy[name] > 0 {
				m.shy[name]--
				done.State = failover.Stopped
			}
			if m.unseen[name] {
				done.State = failover.Unknown
			}
		}
		if done.Failed {
			done.Text = "exit status 1"
		}
	}
	m.checkOrder(e)
	if e.Action != failover.Status {
		m.w.log = append(m.w.log, fmt.Sprintf("%s %v %s", m.name, e.Action, name))
	}
	if e.Action == failover.Start {
		act()
	}
	m.w.later(m.w.took+m.slow, func() {
		finish := func() {
			if e.Action != failover.Start {
				act()
			}
			m.decide(done)
		}
		switch {
		case m.run != run:
		case m.frozen:
			m.pending = append(m.pending, finish)
		default:
			finish()
		}
	})
}

// checkOrder: a start needs all that is left of it, a stop nothing that is right of it.
func (m *machine) checkOrder(e failover.Effect) {
	for i, r := range m.groups[e.Group].Resources {
		if e.Action == failover.Start && i < e.Index && !m.running[r.Text] ||
			e.Action == failover.Stop && i > e.Index && m.running[r.Text] {
			m.w.broken = append(m.w.broken, fmt.Sprintf("%v: %s: %v of resource %d while %s is not right", m.w.now, m.name,
				e.Action, e.Index, r.Text))
		}
	}
}

// thaw ends a pause: the shell's tick comes before what the sockets hold.
func (m *machine) thaw() {
	m.frozen = false
	m.tick()
	for _, finish := range m.pending {
		finish()
	}
	m.pending = nil
	m.drain()
}

func (m *machine) order(id uint64, kind failover.OrderKind, set failover.Set, force bool) {
	m.decide(failover.Input{Kind: failover.Order, ID: id, Order: kind, Set: set, Force: force})
}

func (m *machine) group(i int) failover.GroupSnapshot { return m.fail.Snapshot().Groups[i] }

// done returns what was done since the last call.
func (w *world) done() []string {
	log := w.log
	w.log = nil
	return log
}

// script spells a list of actions on one machine: "milo1 start a b c".
func script(lines ...string) (actions []string) {
	for _, line := range lines {
		words := strings.Fields(line)
		for _, resource := range words[2:] {
			actions = append(actions, words[0]+" "+words[1]+" "+resource)
		}
	}
	return actions
}

const (
	startOrder = " start drbddisk::r1 LVM::vg xenHA"
	stopOrder  = " stop xenHA LVM::vg drbddisk::r1"
)

// started is both machines after they have settled, the group on milo1.
func started() (w *world, milo1, milo2 *machine) {
	w = newWorld(1, firstLine, haconf.FailbackOn)
	milo1, milo2 = w.machines[0], w.machines[1]
	milo1.boot(false)
	milo2.boot(false)
	w.until(60 * time.Second)
	Expect(milo1.group(0).State).To(Equal("running"))
	Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	return w, milo1, milo2
}
