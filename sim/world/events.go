package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
)

// What happens again and again is an object that is used again, too, and knows
// its function: so the queue needs no memory for it.

// pool has objects that nobody uses.
type pool[T any] struct{ free []*T }

// take is one of them; nil is none.
func (p *pool[T]) take() *T {
	last := len(p.free) - 1
	if last < 0 {
		return nil
	}
	x := p.free[last]
	p.free = p.free[:last]
	return x
}

func (p *pool[T]) give(x *T) { p.free = append(p.free, x) }

// rings is the time of a tick that the core wanted once; it may have planned
// another since.
func (n *Node) rings() {
	if n.w.happens == n.ticks {
		n.tickAt = never
		n.tick()
	}
}

// arrival is a segment on its way.
type arrival struct {
	net  *network
	conn *conn
	to   int
	seg  segment
	land func()
}

// travel lets a segment arrive.
func (t *network) travel(at time.Duration, c *conn, to int, seg segment) {
	a := t.w.spare.arrivals.take()
	if a == nil {
		a = &arrival{net: t}
		a.land = a.lands
	}
	a.conn, a.to, a.seg = c, to, seg
	t.w.queue.push(at, a.land)
}

func (a *arrival) lands() {
	t, c, to, seg := a.net, a.conn, a.to, a.seg
	a.conn, a.seg = nil, segment{}
	t.w.spare.arrivals.give(a)
	waits := t.w.nodes[to].paused
	t.arrive(c, to, seg)
	if !seg.stream && !waits && !t.w.nodes[to].paused { // else the node has it still to look at
		t.drop(seg.data)
	}
}

// datagram is a heartbeat on its way.
type datagram struct {
	net  *network
	to   int
	data []byte
	land func()
}

// fly lets a datagram arrive.
func (t *network) fly(at time.Duration, to int, data []byte) {
	d := t.w.spare.datagrams.take()
	if d == nil {
		d = &datagram{net: t}
		d.land = d.lands
	}
	d.to, d.data = to, data
	t.w.queue.push(at, d.land)
}

func (d *datagram) lands() {
	w, to, data := d.net.w, d.net.w.nodes[d.to], d.data
	d.data = nil
	w.spare.datagrams.give(d)
	if !to.alive {
		return
	}
	if !to.paused {
		w.watcher.Arrived(to.id, data)
	}
	to.give(&machine.Input{Part: machine.Liveness, Liveness: liveness.Input{
		Kind: liveness.Datagram, Medium: "eth1", Data: data, Unix: to.unix(),
	}})
}

// copyOf is a copy of what goes with a packet.
func (t *network) copyOf(data []byte) []byte {
	last := len(t.loose) - 1
	if last < 0 {
		return append(make([]byte, 0, 64), data...)
	}
	b := t.loose[last]
	t.loose = t.loose[:last]
	return append(b[:0], data...)
}

// drop gives the memory of such a copy back.
func (t *network) drop(data []byte) {
	if data != nil {
		t.loose = append(t.loose, data)
	}
}

// answer is what a user of the device is about to be told.
type answer struct {
	node   *Node
	id     uint64
	failed bool
	row    []uint64
	epoch  uint32
	tell   func()
}

// reply tells a user what became of its request.
func (n *Node) reply(after time.Duration, e *replica.Effect) {
	a := n.w.spare.answers.take()
	if a == nil {
		a = &answer{}
		a.tell = a.tells
	}
	a.node, a.id, a.failed, a.row, a.epoch = n, e.ID, e.Failed, n.rows.get(e.Buf), n.epoch
	n.w.After(after, a.tell)
}

func (a *answer) tells() {
	n, id, failed, row, epoch := a.node, a.id, a.failed, a.row, a.epoch
	a.row = nil
	n.w.spare.answers.give(a)
	if n.epoch == epoch {
		n.w.guest.Completed(n.id, id, failed, row)
	}
}
