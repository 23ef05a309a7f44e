// Package workload is the guest: clients that write, read, flush and trim the
// replicated device of the node that runs them, and tell the oracle of each
// request and answer.
package workload

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/world"
)

// Load says how busy a guest is.
type Load struct {
	Clients int
	// Think is the longest time between an answer and the next request.
	Think time.Duration
	// Spots are the places of the device that most requests go to.
	Spots int
	// Of a million requests, so many are reads, flushes, trims and zero-outs;
	// the others are writes.
	Reads, Flushes, Trims, Zeros int
}

// Unused is how many sectors at the end of the device no guest asks for.
const Unused = 256

// Guest runs on the nodes that the world says: on one, if all goes well.
type Guest struct {
	w      *world.World
	o      *oracle.Oracle
	load   Load
	luck   *draw.Stream
	places []uint64
	size   uint64 // of the device, sectors

	runs     [2]run
	requests map[uint64]*request
	spare    []*request // that nobody needs
	thinking []*thought
	order    []uint64 // of the requests, oldest first
	last     uint64   // request
	version  uint64
	quiet    bool
	latest   int // node that it started on last
	disk     int // node whose disk it used last
}

// run is the guest's life on one node.
type run struct {
	number  int
	running bool
}

// request is one that has no answer yet.
type request struct {
	node, run, client int
	write             *oracle.Write
	read              *oracle.Read
	at                time.Duration
}

// thought is a client that thinks before its next request. It is used again.
type thought struct {
	guest             *Guest
	node, run, client int
	end               func()
}

func (t *thought) ends() {
	g, n, run, client := t.guest, t.node, t.run, t.client
	g.thinking = append(g.thinking, t)
	if r := g.runs[n]; r.running && r.number == run && !g.quiet {
		g.ask(n, run, client)
	}
}

// New makes a guest for the devices of w.
func New(w *world.World, o *oracle.Oracle, load Load) *Guest {
	g := &Guest{w: w, o: o, load: load, luck: draw.New(w.Config().Seed, "load"), requests: map[uint64]*request{}}
	g.size = w.Node(0).Layout().DataSectors
	for range load.Spots {
		g.places = append(g.places, g.anywhere())
	}
	return g
}

func (g *Guest) anywhere() uint64 { return g.luck.Uint64() % (g.size - 512) / 8 * 8 }

// Start runs the guest on node n.
func (g *Guest) Start(n int) {
	r := &g.runs[n]
	r.running, g.latest = true, n
	r.number++
	g.uses(n)
	for client := range g.load.Clients {
		g.later(n, r.number, client)
	}
}

// Stop ends the guest on node n. What it had under way may have happened or
// not.
func (g *Guest) Stop(n int) {
	g.runs[n].running = false
	kept := g.order[:0]
	for _, id := range g.order {
		q := g.requests[id]
		if q.node != n {
			kept = append(kept, id)
			continue
		}
		delete(g.requests, id)
		g.give(q)
	}
	g.order = kept
}

// give ends a request without an answer that anybody believes.
func (g *Guest) give(q *request) {
	if q.write != nil {
		g.o.Lost(q.write)
	}
	if q.read != nil {
		g.o.Forget(q.read)
	}
}

// LastRun is the node where the guest started last.
func (g *Guest) LastRun() int { return g.latest }

// uses notes whose disk serves the guest on node n: none does if that has no good one,
// and has parted from its peer.
func (g *Guest) uses(n int) {
	switch s := g.w.Node(n).State(); {
	case s.Disk == drbdwire.UpToDate:
		g.disk = n
	case s.Conn >= drbdwire.Connected:
		g.disk = 1 - n
	}
}

// LastDisk is the node whose disk the guest used last: that of a Primary without a good
// one of its own is the peer's.
func (g *Guest) LastDisk() int { return g.disk }

// Quiet sends no more requests.
func (g *Guest) Quiet() { g.quiet = true }

// Idle tells whether every request has its answer.
func (g *Guest) Idle() bool { return len(g.requests) == 0 }

// Oldest is when the oldest request without an answer was sent.
func (g *Guest) Oldest() (at time.Duration, ok bool) {
	if len(g.order) == 0 {
		return 0, false
	}
	return g.requests[g.order[0]].at, true
}

// Completed takes an answer.
func (g *Guest) Completed(n int, id uint64, failed bool, row []uint64) {
	q := g.requests[id]
	if q == nil {
		return // of a guest that is gone
	}
	delete(g.requests, id)
	for i := range g.order {
		if g.order[i] == id {
			g.order = append(g.order[:i], g.order[i+1:]...)
			break
		}
	}
	switch {
	case failed && q.write == nil && q.read == nil:
		g.o.FlushRefused(n)
		g.give(q)
	case failed:
		g.o.Refused(n)
		g.give(q)
	case q.write != nil:
		g.uses(n)
		g.o.Wrote(q.write)
	case q.read != nil:
		g.o.Saw(q.read, row)
	}
	g.later(n, q.run, q.client)
	g.spare = append(g.spare, q)
}

// later lets a client think, and then send its next request.
func (g *Guest) later(n, run, client int) {
	var t *thought
	if last := len(g.thinking) - 1; last >= 0 {
		t, g.thinking = g.thinking[last], g.thinking[:last]
	} else {
		t = &thought{guest: g}
		t.end = t.ends
	}
	t.node, t.run, t.client = n, run, client
	g.w.After(g.luck.Between(0, g.load.Think), t.end)
}

func (g *Guest) ask(n, run, client int) {
	g.last++
	id := g.last
	var q *request
	if last := len(g.spare) - 1; last >= 0 {
		q, g.spare = g.spare[last], g.spare[:last]
	} else {
		q = new(request)
	}
	*q = request{node: n, run: run, client: client, at: g.w.Now()}
	g.size = g.w.Node(n).DeviceSize()
	sector, sectors := g.place()
	op, row := replica.OpWrite, []uint64(nil)
	switch fate := g.luck.Below(1_000_000); {
	case fate < g.load.Reads:
		op = replica.OpRead
		q.read = g.o.Reads(n, sector, sectors)
	case fate < g.load.Reads+g.load.Flushes:
		op, sector, sectors = replica.OpFlush, 0, 0
	case fate < g.load.Reads+g.load.Flushes+g.load.Trims:
		op = replica.OpTrim
		q.write = g.o.Writes(n, sector, sectors, 0)
	case fate < g.load.Reads+g.load.Flushes+g.load.Trims+g.load.Zeros:
		op = replica.OpZero
		q.write = g.o.Writes(n, sector, sectors, 0)
	default:
		g.version++
		row = g.w.Row(sectors)
		for i := range row {
			row[i] = g.version
		}
		q.write = g.o.Writes(n, sector, sectors, g.version)
	}
	g.requests[id] = q
	g.order = append(g.order, id)
	g.w.Node(n).Submit(id, op, sector, uint32(sectors)*512, row, g.luck.Below(8) == 0)
}

// place draws a range: mostly whole blocks around a few spots, sometimes parts
// of blocks, sometimes anywhere.
func (g *Guest) place() (sector uint64, sectors int) {
	at := g.places[g.luck.Below(len(g.places))]
	if g.luck.Below(10) == 0 {
		at = g.anywhere()
	}
	sectors = 8 << g.luck.Below(4)
	if g.luck.Below(8) == 0 {
		at += uint64(g.luck.Below(8))
		sectors = 1 + g.luck.Below(20)
	}
	return min(at, g.size-uint64(sectors)), sectors
}
