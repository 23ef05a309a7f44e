package world

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Node is one machine: the production core, and what a shell and a dom0 keep
// around it.
type Node struct {
	id   int
	w    *World
	disk *device
	core *machine.Machine
	out  []machine.Effect
	rows rows
	// content is what a digest is made of, during a call.
	content []byte
	state   drbdwire.State

	alive      bool
	crashed    bool // its last run did not end well
	powered    bool // off is silent; a dead process is not
	epoch      uint32
	generation uint64
	booted     time.Duration
	clock      time.Duration // what the node's clock said then

	tickAt  time.Duration // when the tick is given that was asked for
	ticks   uint64        // number of that event; 0 is none
	ring    func()
	paused  bool
	waking  bool            // it goes on, and has done nothing since
	slept   time.Duration   // what its clock said when its machine stopped; never is that it goes on
	wall    time.Duration   // until then its wall clock is wrong
	resumed time.Duration   // when it was last
	backlog []machine.Input // what came meanwhile

	received int // bytes of packets, where packets are bytes
	dialling bool
	conn     *conn
	damages  bool // the next block that it sends

	exposed bool
	shown   uint64 // size of the device, sectors
	vg      bool
	guest   bool
	open    map[uint64]request // of users, unanswered
	cut     []request          // writes that were open when the node went down
	orders  uint64
	answers map[uint64]func(code int, text string)
	working bool          // a tool is at work
	crowded time.Duration // until then there is no memory for the guest
	// comeback is how long the daemon stays away after a stop in order.
	comeback time.Duration
	kept     string // on its disk, by failover.Keep
	visitor  visitor
	held     []func()      // what it does when it no longer stands still
	noFence  time.Duration // until then it can do nothing about its peer
	// wentBack, on its disk too, is when groups began to go back last, by failover.WentBack; 0: never.
	wentBack time.Duration
}

// request is what a user asked of the device.
type request struct {
	write  bool
	sector uint64
	size   uint32
}

// Alive tells whether the node's daemon runs.
func (n *Node) Alive() bool { return n.alive }

// Crashed tells whether its last run did not end well.
func (n *Node) Crashed() bool { return n.crashed }

// Paused tells whether the daemon stands still.
func (n *Node) Paused() bool { return n.paused }

// Core is the node's machine, to be asked; nil before the first boot.
func (n *Node) Core() *machine.Machine { return n.core }

// State is the state of its replica; that of a dead node is its last.
func (n *Node) State() drbdwire.State { return n.state }

// IsExposed tells whether users may open its device.
func (n *Node) IsExposed() bool { return n.exposed }

// RunsGuest tells whether the guest runs here in truth.
func (n *Node) RunsGuest() bool { return n.guest }

// HasVG tells whether the volume group is active here in truth.
func (n *Node) HasVG() bool { return n.vg }

// Data is what a reader of its disk would see, sector by sector.
func (n *Node) Data() []uint64 { return n.disk.data.Seen() }

// Rows is how many payloads its core holds.
func (n *Node) Rows() int { return n.rows.held }

// Boot starts the daemon. Crashed says that its last run did not end well.
func (n *Node) Boot(crashed bool) {
	if n.alive {
		return
	}
	w := n.w
	n.epoch++
	n.generation++
	n.crashed = crashed
	n.alive, n.powered, n.booted = true, true, w.now
	n.clock = w.luck.boot.Between(time.Second, time.Hour)
	n.dialling, n.conn, n.tickAt, n.ticks = false, nil, never, 0
	n.backlog, n.paused, n.exposed, n.vg, n.guest, n.working = nil, false, false, false, false, false
	n.open, n.answers, n.cut = map[uint64]request{}, map[uint64]func(int, string){}, nil
	n.held = nil
	n.rows.reset()
	core, err := machine.New(n.config())
	if err != nil {
		w.Fail("the configuration works", "%v", err)
		n.alive = false
		return
	}
	n.core, n.state = core, core.Resource(0).State()
	w.Tracef("%s boots", Name(n.id))
	w.mix(1, uint64(n.id))
	if w.cfg.Witness.Store && w.cfg.Machine.Witness.Policy == witness.ByWitness {
		n.beginVisits()
	}
	n.Attach(func(code int, text string) {
		if code < int(drbdwire.Success) && n.disk.bad == 0 && n.disk.hung == 0 && n.disk.slow == 0 &&
			n.disk.ill == (illness{}) {
			w.Fail("a disk that was in use can be attached", "%s: %s", Name(n.id), text)
			return
		}
		n.Order(replica.OrderConnect, false, func(int, string) {
			n.give(&machine.Input{Part: machine.Liveness, Liveness: liveness.Input{Kind: liveness.Start, Unix: n.unix()}})
			n.give(&machine.Input{Part: machine.Failover, Failover: failover.Input{
				Kind: failover.Started, Crashed: crashed, Text: n.kept, Since: n.sinceWentBack(),
			}})
		})
	})
}

// sinceWentBack is how long ago groups began to go back last, as this node's disk has it.
func (n *Node) sinceWentBack() time.Duration {
	if n.wentBack == 0 {
		return 0
	}
	return n.w.Now() - n.wentBack
}

func (n *Node) config() machine.Config {
	cfg, luck := n.w.cfg.Machine, n.w.luck.boot
	r := cfg.Resources[0]
	r.Seed = luck.Uint64()
	cfg.Resources = []replica.Config{r}
	cfg.Liveness.Seed, cfg.Liveness.Generation = luck.Uint64(), n.generation
	cfg.Liveness.Node, cfg.Liveness.Peer = Name(n.id), Name(1-n.id)
	cfg.Liveness.UUID[0] = byte(n.id + 1)
	cfg.Failover.Node, cfg.Failover.Peer = Name(n.id), Name(1-n.id)
	return cfg
}

// Submit is a request of a user of the device.
func (n *Node) Submit(id uint64, op replica.Op, sector uint64, size uint32, row []uint64, fua bool) {
	in := replica.Input{Kind: replica.Request, ID: id, Op: op, Sector: sector, Size: size, FUA: fua}
	if op == replica.OpWrite {
		in.Buf = n.rows.add(row)
	}
	q := request{op != replica.OpRead && op != replica.OpFlush, sector, size}
	n.open[id] = q
	if q.write {
		n.w.tell(n.id, "write")
	}
	n.deliver(in)
}

// deliver gives the replica an input, now or after the pause.
func (n *Node) deliver(in replica.Input) {
	n.give(&machine.Input{Part: machine.Replica, Replica: in})
}

// give gives the core an input, now or after the pause.
func (n *Node) give(in *machine.Input) {
	switch {
	case !n.alive:
	case n.paused:
		n.backlog = append(n.backlog, *in)
	default:
		n.step(in)
	}
}

// step gives the core one input and carries out what it wants.
func (n *Node) step(in *machine.Input) {
	w := n.w
	n.waking = false
	w.mix(uint64(n.id), uint64(in.Part), uint64(in.Replica.Kind), in.Replica.ID, uint64(in.Replica.Command))
	defer func() {
		if r := recover(); r != nil {
			w.Tracef("%s", debug.Stack())
			w.Fail("12: no input makes it crash", "%s: %v", Name(n.id), r)
			n.alive = false
		}
	}()
	n.cover(in)
	n.out = n.core.Step(n.local(), *in, n.out[:0])
	n.coverMoves()
	for i := range n.out {
		n.perform(&n.out[i])
	}
	n.core.Recycle()
	n.arm()
	if s := n.core.Resource(0).State(); s != n.state {
		n.state = s
		w.watcher.Stepped(n.id)
	}
	if n.guest && w.nodes[1-n.id].guest {
		w.watcher.Doubled()
	}
}

// arm plans the tick that the core wants. A tick that was planned earlier than
// wanted is planned again when it comes.
func (n *Node) arm() {
	want := n.core.Deadline()
	if want == machine.Never {
		return
	}
	want = max(n.when(want), n.w.now)
	if n.tickAt <= want {
		return
	}
	luck := n.w.luck.timer
	late := luck.Between(0, 2*time.Millisecond)
	if luck.Chance(n.w.cfg.Late) {
		late = luck.Between(0, 300*time.Millisecond)
	}
	n.tickAt = want + late
	n.ticks = n.w.queue.push(n.tickAt, n.ring)
}

func (n *Node) tick() {
	switch {
	case !n.alive || n.paused:
	case n.core.Deadline() > n.local():
		n.arm()
	default:
		n.step(&machine.Input{Part: machine.All})
	}
}

// Crash ends the daemon as a kill does, and with it the users of its device:
// what is under way on the disk ends there.
func (n *Node) Crash() {
	if n.alive {
		n.w.Tracef("%s crashes", Name(n.id))
		n.down(false)
		n.disk.settle()
		n.w.net.processDied(n)
		n.w.watcher.Down(n.id, false)
	}
}

// PowerLoss ends everything on the node, and what its disk has not on the
// medium.
func (n *Node) PowerLoss() {
	if n.powered {
		n.w.Tracef("%s loses power", Name(n.id))
		n.down(true)
		n.disk.powerLoss(n.w.cfg.Keep)
		n.w.net.powerLost(n)
		n.conn = nil
		n.w.watcher.Down(n.id, true)
	}
}

func (n *Node) down(power bool) {
	n.w.mix(2, uint64(n.id))
	n.epoch++
	n.ticks = 0
	n.alive, n.powered = false, !power
	n.stopGuest()
	n.exposed, n.vg, n.paused, n.dialling, n.backlog = false, false, false, false, nil
	for _, q := range n.open {
		if q.write {
			n.cut = append(n.cut, q)
		}
	}
	n.open = map[uint64]request{}
}

// Pause stops the daemon for a while. What comes meanwhile is delivered
// afterwards, before or after the timers that have run out.
func (n *Node) Pause(d time.Duration) {
	if !n.alive || n.paused {
		return
	}
	n.w.Tracef("%s pauses for %v", Name(n.id), d)
	n.paused, n.slept = true, never
	epoch := n.epoch
	n.w.After(d, func() {
		if n.epoch == epoch && n.paused {
			n.resume()
		}
	})
}

func (n *Node) resume() {
	n.w.Tracef("%s goes on", Name(n.id))
	n.paused, n.waking, n.resumed = false, true, n.w.now
	if n.slept != never {
		n.clock -= n.local() - n.slept
	}
	if n.w.luck.node.Below(2) == 0 && n.core.Deadline() <= n.local() {
		n.step(&machine.Input{Part: machine.All})
	}
	waiting := n.backlog
	n.backlog = nil
	for i := range waiting {
		n.give(&waiting[i])
	}
	held := n.held
	n.held = nil
	for _, do := range held {
		n.whenAwake(0, do)
	}
	n.tickAt = never
	n.arm()
}

// drain gives the liveness core the datagrams that wait, and says that there
// are no more.
func (n *Node) drain() {
	epoch := n.epoch
	n.w.After(0, func() {
		if n.epoch != epoch || !n.alive || n.paused {
			return
		}
		n.step(&machine.Input{Part: machine.Liveness, Liveness: liveness.Input{
			Kind: liveness.Tick, Drained: true, Unix: n.unix(),
		}})
	})
}

func (n *Node) String() string {
	if !n.alive {
		return Name(n.id) + " is down"
	}
	s := n.state
	return fmt.Sprintf("%s %s/%s %s %s/%s vg=%t guest=%t", Name(n.id), s.Role, s.Peer, s.Conn, s.Disk, s.PeerDisk,
		n.vg, n.guest)
}
