package machine_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

func TestMachine(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "machine")
}

// sectors of the disks below: 16 MiB with internal metadata.
const sectors = 32768

// node is one of a pair: the machine, a disk and programs that do at once what
// they are told.
type node struct {
	name     string
	core     *machine.Machine
	pair     *pair
	peer     *node
	disk     []byte
	rows     map[replica.Buf][]byte
	conn     uint32
	dialling bool
	running  map[int]bool // resources of the group, by index
	dead     bool
	deaf     bool            // no heartbeat reaches it
	slow     bool            // its disk does not answer yet, and its device does not come
	held     []replica.Input // what they would have answered
	heard    []hbwire.Message
	follows  uint64 // the order to connect that is given as soon as the disk is attached; 0: none
	badDisk  bool   // it fails every write of users
	badMeta  int    // so many writes of metadata that it fails
	hangs    int    // index of a resource whose start does not end; 0: none
	ends     func() // ends it
	stops    int    // of resources of the group
	answers  map[uint64]replica.Effect
}

// pair is two nodes and the time; what happens next stands in a queue.
type pair struct {
	now   time.Duration
	queue []func()
	conns uint32
	nodes [2]*node
	cut   bool // no connection comes about
}

func newPair() *pair { return newPairOf(func(*machine.Config) {}) }

func newPairOf(change func(c *machine.Config)) *pair {
	GinkgoHelper()
	p := makePair(change)
	p.begin()
	return p
}

// begin brings both nodes up.
func (p *pair) begin() {
	for i, n := range p.nodes {
		n.attach()
		p.run()
		n.connect(uint64(2 + i))
		n.join()
	}
	p.pass(30 * time.Second)
}

// goesOnAlone lets milo2 die, and milo1 go on.
func (p *pair) goesOnAlone() {
	p.nodes[1].dead = true
	p.breakLink()
	p.nodes[0].write(7)
	p.pass(time.Second)
}

// makePair is two nodes that have yet to begin.
func makePair(change func(c *machine.Config)) *pair {
	GinkgoHelper()
	p := &pair{}
	names := [2]string{"milo1", "milo2"}
	for i, name := range names {
		c := config(name, names[1-i], byte(i+1))
		change(&c)
		core, err := machine.New(c)
		Expect(err).NotTo(HaveOccurred())
		p.nodes[i] = &node{
			name: name, core: core, pair: p, disk: syncedDisk(), rows: map[replica.Buf][]byte{}, running: map[int]bool{},
			answers: map[uint64]replica.Effect{},
		}
	}
	p.nodes[0].peer, p.nodes[1].peer = p.nodes[1], p.nodes[0]
	return p
}

// attachOrder is the number of the order to attach.
const attachOrder = 1

func (n *node) attach() {
	size := replica.Disk{DataSectors: sectors, MetaSectors: sectors}
	n.replica(replica.Input{Kind: replica.Order, Order: replica.OrderAttach, ID: attachOrder, Disk: size})
}

// restart forgets all but what is on the disk.
func (n *node) restart() {
	GinkgoHelper()
	n.restartWith(func(*machine.Config) {})
}

// restartWith is the same with other settings.
func (n *node) restartWith(change func(c *machine.Config)) {
	GinkgoHelper()
	c := config(n.name, n.peer.name, n.name[4]-'0')
	c.Liveness.Generation = 2
	change(&c)
	core, err := machine.New(c)
	Expect(err).NotTo(HaveOccurred())
	n.core, n.conn, n.dialling, n.rows = core, 0, false, map[replica.Buf][]byte{}
	n.running, n.dead = map[int]bool{}, false
}

// comesBack starts a node anew, up to the search for its peer.
func (n *node) comesBack() {
	GinkgoHelper()
	n.restart()
	n.attach()
	n.join()
	n.pair.run()
	n.connect(9)
}

// write is one of a user.
func (n *node) write(id uint64) {
	n.replica(replica.Input{Kind: replica.Request, ID: id, Op: replica.OpWrite, Sector: 8, Size: 4096, Buf: 1})
}

func (n *node) connect(id uint64) {
	n.replica(replica.Input{Kind: replica.Order, Order: replica.OrderConnect, ID: id})
}

// hurry lets what was slow answer.
func (n *node) hurry() {
	n.slow = false
	for _, in := range n.held {
		n.replica(in)
	}
}

// join begins to take part in the cluster.
func (n *node) join() {
	n.step(machine.Input{Part: machine.Liveness, Liveness: liveness.Input{Kind: liveness.Start, Unix: 1_700_000_000}})
	n.step(machine.Input{Part: machine.Failover, Failover: failover.Input{Kind: failover.Started}})
}

func config(name, peer string, number byte) machine.Config {
	groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1 LVM::vg xenHA\n"),
		[]string{"milo1", "milo2"})
	Expect(err).NotTo(HaveOccurred())
	return machine.Config{
		Resources: []replica.Config{{
			Name: "r1", Protocol: drbdwire.ProtocolC, ALExtents: 257, PingInt: 10 * time.Second,
			PingTimeout: 500 * time.Millisecond, MaxEpochSize: 2048, Seed: uint64(number),
		}},
		Cluster: true,
		Liveness: liveness.Config{
			Node: name, Peer: peer, UUID: hbwire.UUID{number}, Generation: 1, Keepalive: 5 * time.Second,
			Deadtime: 90 * time.Second, Keys: hbwire.Keys{Keys: [16]hbwire.Key{{Method: hbwire.CRC}}},
			Encoding: hbwire.Netstring, Media: []string{"eth1"},
		},
		Failover: failover.Config{Node: name, Peer: peer, Groups: groups},
	}
}

// syncedDisk is a disk as two nodes leave it after a clean end.
func syncedDisk() []byte {
	disk := make([]byte, sectors*512)
	l, err := drbdmeta.Internal(sectors, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	for _, piece := range drbdmeta.Create(l, 257, 1) {
		copy(disk[piece.Offset:], piece.Bytes())
	}
	super := drbdmeta.Superblock{
		Size: l.DataSectors, UUIDs: drbdmeta.UUIDs{Current: 0xA000}, Clean: true, ALExtents: 257,
		Flags: drbdmeta.MDConsistent | drbdmeta.MDWasUpToDate | drbdmeta.MDALClean,
	}.At(l)
	copy(disk[l.Superblock:], super.Append(nil))
	return disk
}

func (n *node) replica(in replica.Input) { n.step(machine.Input{Part: machine.Replica, Replica: in}) }

func (n *node) step(in machine.Input) {
	if n.dead {
		return
	}
	for _, e := range n.core.Step(n.pair.now, in, nil) {
		switch e.Part {
		case machine.Replica:
			n.doReplica(e.Replica)
		case machine.Liveness:
			if e.Liveness.Kind == liveness.Heard {
				n.heard = append(n.heard, e.Liveness.Message)
			}
			if data := e.Liveness.Data; e.Liveness.Kind == liveness.Transmit {
				n.pair.later(func() {
					if n.peer.deaf {
						return
					}
					n.peer.step(machine.Input{Part: machine.Liveness, Liveness: liveness.Input{
						Kind: liveness.Datagram, Medium: "eth1", Data: data,
					}})
				})
			}
		case machine.Failover:
			if e.Failover.Kind == failover.Do {
				n.doTool(e.Failover)
			}
		case machine.Lease, machine.All:
		}
	}
	n.core.Recycle()
}

func (n *node) doTool(e failover.Effect) {
	if n.hangs != 0 && e.Index == n.hangs && e.Action == failover.Start {
		n.ends = func() {
			n.hangs = 0
			n.doTool(e)
		}
		return
	}
	done := failover.Input{Kind: failover.Done, ID: e.ID, State: failover.Stopped}
	if e.Action == failover.Stop {
		n.stops++
	}
	if e.Action != failover.Status {
		n.running[e.Index] = e.Action == failover.Start
	}
	if n.running[e.Index] {
		done.State = failover.Running
	}
	n.pair.later(func() { n.step(machine.Input{Part: machine.Failover, Failover: done}) })
}

func (n *node) doReplica(e replica.Effect) {
	answer := func(in replica.Input) { n.pair.later(func() { n.replica(in) }) }
	slowly := func(in replica.Input) {
		if n.slow {
			n.held = append(n.held, in)
			return
		}
		answer(in)
	}
	switch e.Kind {
	case replica.Dial:
		n.dialling = true
		n.pair.meet()
	case replica.Hangup:
		n.dialling = false
		if e.Conn != 0 && e.Conn == n.conn {
			n.pair.breakLink()
		}
	case replica.Send:
		n.transmit(e)
	case replica.Write:
		answer(replica.Input{Kind: replica.DiskDone, ID: e.ID, Failed: n.badDisk})
	case replica.MetaRead:
		data := slices.Clone(n.disk[e.Offset : e.Offset+int64(e.Size)])
		slowly(replica.Input{Kind: replica.MetaDone, ID: e.ID, Data: data})
	case replica.MetaWrite:
		if n.badMeta > 0 {
			n.badMeta--
			answer(replica.Input{Kind: replica.MetaDone, ID: e.ID, Failed: true})
			return
		}
		copy(n.disk[e.Offset:], e.Data)
		answer(replica.Input{Kind: replica.MetaDone, ID: e.ID})
	case replica.Expose, replica.Withdraw:
		slowly(replica.Input{Kind: replica.DeviceDone})
	case replica.Answer:
		n.answers[e.ID] = e
		if e.ID == attachOrder && n.follows != 0 {
			n.pair.later(func() { n.connect(n.follows) })
		}
	case replica.Broken:
		Fail(n.name + ": " + e.Text)
	default:
	}
}

func (n *node) transmit(e replica.Effect) {
	header, _, err := drbdwire.DecodeHeader(e.Data)
	Expect(err).NotTo(HaveOccurred())
	size, err := drbdwire.HeaderSize(e.Data)
	Expect(err).NotTo(HaveOccurred())
	conn, data := n.conn, slices.Clone(e.Data[size:])
	n.pair.later(func() {
		if n.peer.conn == conn {
			n.peer.replica(replica.Input{
				Kind: replica.Packet, Conn: conn, Socket: e.Socket, Command: header.Command, Data: data,
			})
		}
	})
}

func (p *pair) later(do func()) { p.queue = append(p.queue, do) }

func (p *pair) meet() {
	a, b := p.nodes[0], p.nodes[1]
	if p.cut || b == nil || !a.dialling || !b.dialling {
		return
	}
	p.conns++
	for i, n := range p.nodes {
		n.dialling, n.conn = false, p.conns
		in := replica.Input{Kind: replica.LinkUp, Conn: p.conns, Resolve: i == 1}
		p.later(func() { n.replica(in) })
	}
}

// breakLink ends the connection, and no other comes about.
func (p *pair) breakLink() {
	p.cut = true
	for _, n := range p.nodes {
		if conn := n.conn; conn != 0 {
			n.conn = 0
			p.later(func() {
				n.replica(replica.Input{Kind: replica.LinkDown, Conn: conn, Text: "connection reset"})
			})
		}
	}
	p.run()
}

// mend lets the nodes connect again.
func (p *pair) mend() {
	p.cut = false
	p.meet()
	p.run()
}

func (p *pair) run() {
	for len(p.queue) > 0 {
		next := p.queue[0]
		p.queue = p.queue[1:]
		next()
	}
}

// pass lets time pass, and everything happen in it.
func (p *pair) pass(d time.Duration) {
	until := p.now + d
	for p.run(); ; p.run() {
		next := until + 1
		for _, n := range p.nodes {
			if !n.dead {
				next = min(next, n.core.Deadline())
			}
		}
		if next > until {
			p.now = until
			return
		}
		p.now = max(p.now+1, next)
		for _, n := range p.nodes {
			n.step(machine.Input{Part: machine.All})
		}
	}
}
