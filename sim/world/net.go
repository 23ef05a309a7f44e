package world

import (
	"bytes"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/link"
)

// network is two links between the nodes: one carries the TCP pair, the other
// the heartbeats. Each has two directions, named after the node that sends.
type network struct {
	w       *World
	data    [2]link.Direction
	beats   [2]link.Direction
	conns   uint32
	all     []*conn  // with an end that is open
	spare   [][]byte // packets as bytes
	loose   [][]byte // what goes with a packet
	meeting bool     // an attempt to connect is under way
}

// conn is one TCP pair.
type conn struct {
	id    uint32
	ends  [2]end
	epoch [2]uint32
}

// end is one node's side of a TCP pair.
type end struct {
	up     bool // LinkUp was given
	closed bool // the shell has let go of it, or its node has died
	told   bool // LinkDown was given
	// last is when the last segment of each socket arrives at the other side.
	last [2]time.Duration
	held []segment          // sent while the way out was cut
	out  [2]drbdwire.Framer // what this end may send on each socket
	in   [2]inlet
	late bool // what arrives after the end is still handed up
}

// segment is one packet, or the end of a connection.
type segment struct {
	socket replica.Socket
	header drbdwire.Header
	data   []byte
	row    []uint64
	fin    bool
	// stream: data is a part of the stream, and there is no row. Packets are bytes.
	stream bool
	buffer []byte // that nobody needs when this part has been looked at
}

func (t *network) init(w *World) {
	t.w = w
	for n := range t.data {
		cfg := w.cfg.Net
		t.data[n] = link.Direction{Latency: cfg.Latency, Jitter: cfg.Jitter, Rate: cfg.Rate}
		t.beats[n] = link.Direction{
			Latency: cfg.Latency, Jitter: cfg.Jitter, Loss: cfg.Loss, Duplication: cfg.Duplication,
			Burst: cfg.Burst,
		}
	}
}

// meet connects two nodes that look for each other.
func (t *network) meet() {
	w := t.w
	if t.meeting || !w.nodes[0].dialling || !w.nodes[1].dialling {
		return
	}
	t.meeting = true
	longest := 3 * time.Second
	if w.luck.net.Below(2) == 0 {
		longest = 50 * time.Millisecond
	}
	w.After(w.luck.net.Between(2*w.cfg.Net.Latency, 2*w.cfg.Net.Latency+longest), func() {
		t.meeting = false
		a, b := w.nodes[0], w.nodes[1]
		if a.dialling && b.dialling && !t.data[0].IsCut() && !t.data[1].IsCut() && !a.paused && !b.paused {
			t.connect()
			return
		}
		if a.dialling && b.dialling {
			w.After(time.Second, t.meet)
		}
	})
}

func (t *network) connect() {
	t.conns++
	c := &conn{id: t.conns}
	for i := range c.ends {
		c.ends[i].open()
	}
	t.all = append(t.all, c)
	resolve := t.w.luck.net.Below(2)
	for i, n := range t.w.nodes {
		n.dialling, n.conn, c.epoch[i] = false, c, n.epoch
		up := t.w.luck.net.Between(0, t.w.cfg.Net.Latency)
		c.ends[1-i].last = [2]time.Duration{t.w.now + up, t.w.now + up}
		t.w.After(up, func() {
			if n.epoch == c.epoch[i] && !c.ends[i].closed {
				c.ends[i].up = true
				n.deliver(replica.Input{Kind: replica.LinkUp, Conn: c.id, Resolve: i == resolve})
			}
		})
	}
}

// send puts a packet of n's on its way.
func (t *network) send(n *Node, e *replica.Effect) {
	c := n.conn
	if c == nil || c.id != e.Conn || c.ends[n.id].closed {
		return
	}
	framer := &c.ends[n.id].out[e.Socket]
	header, fixed, bulk, err := framer.Cut(e.Data)
	if err != nil {
		t.w.Fail(wellFormed, "%s: %v", Name(n.id), err)
		return
	}
	size, _ := drbdwire.HeaderSize(e.Data)
	data := e.Data[size:]
	var row []uint64
	if e.Size > 0 {
		row = n.damaged(n.rows.get(e.Buf))
	}
	if int(fixed) != len(data) || int(bulk) != len(row)*sectorSize || bulk != e.Size {
		t.w.Fail(wellFormed, "%s sends %s with %d and %d bytes", Name(n.id), header.Command, len(data),
			len(row)*sectorSize)
		return
	}
	framer.Learn(header.Command, data)
	seg := segment{socket: e.Socket, header: header}
	if t.w.cfg.Bytes {
		t.pushBytes(c, n.id, seg, e.Data, row)
		return
	}
	seg.data, seg.row = t.copyOf(data), row
	t.push(c, n.id, seg)
}

func (t *network) push(c *conn, from int, seg segment) {
	e := &c.ends[from]
	size := 80 + len(seg.data) + len(seg.row)*sectorSize
	at, ok := t.data[from].Stream(t.w.now, e.last[seg.socket], size, t.w.luck.net)
	if !ok {
		e.held = append(e.held, seg)
		return
	}
	e.last[seg.socket] = at
	switch {
	case !t.w.messages:
	case seg.fin:
		t.w.Tracef("%s > %s closes, arrives %.6f", Name(from), Name(1-from), at.Seconds())
	case !isRoutine(seg.header.Command):
		t.w.Tracef("%s > %s %s, arrives %.6f", Name(from), Name(1-from), seg.header.Command, at.Seconds())
	}
	t.travel(at, c, 1-from, seg)
}

// isRoutine tells whether packets of a command are many and say little.
func isRoutine(c drbdwire.Command) bool {
	switch c {
	case drbdwire.CmdFeatures, drbdwire.CmdAuthChallenge, drbdwire.CmdAuthResponse, drbdwire.CmdProtocol,
		drbdwire.CmdUUIDs, drbdwire.CmdSizes, drbdwire.CmdState, drbdwire.CmdSyncUUID, drbdwire.CmdSyncParam89,
		drbdwire.CmdStateChgReq, drbdwire.CmdStateChgReply, drbdwire.CmdConnStChgReq, drbdwire.CmdConnStChgReply,
		drbdwire.CmdBitmap, drbdwire.CmdCompressedBitmap, drbdwire.CmdNegAck, drbdwire.CmdNegDReply,
		drbdwire.CmdNegRSDReply, drbdwire.CmdRSCancel, drbdwire.CmdRetryWrite:
		return false
	default:
		return true
	}
}

// arrive hands a segment to the node that it is for, whose kernel answers with
// a reset if it does not know the connection.
func (t *network) arrive(c *conn, to int, seg segment) {
	n, e := t.w.nodes[to], &c.ends[to]
	known := n.alive && n.epoch == c.epoch[to]
	switch {
	case !n.powered:
	case known && !e.closed && seg.fin:
		t.endOf(c, to, "closed by the peer")
	case known && e.closed && e.late && !seg.fin && t.w.cfg.Linger > 0:
		late := seg                       // of its own: seg stays off the heap
		late.data = bytes.Clone(seg.data) // else it would be used again meanwhile
		t.w.After(t.w.cfg.Linger, func() {
			if n.epoch == c.epoch[to] {
				n.hand(c, late)
			}
		})
	case known && e.hears() && seg.stream:
		t.receive(c, to, seg)
	case known && e.hears() && !seg.fin:
		n.hand(c, seg)
	case !seg.fin && !c.ends[1-to].closed:
		t.reset(c, 1-to)
	}
}

// hears tells whether what arrives at an end is handed up.
func (e *end) hears() bool { return !e.closed || e.late }

// hand gives the core a packet.
func (n *Node) hand(c *conn, seg segment) {
	in := replica.Input{
		Kind: replica.Packet, Conn: c.id, Socket: seg.socket, Command: seg.header.Command, Volume: seg.header.Volume,
		Data: seg.data, Size: uint32(len(seg.row) * sectorSize),
	}
	if seg.row != nil {
		in.Buf = n.rows.add(seg.row)
	}
	if n.w.listener != nil {
		n.w.tell(n.id, seg.header.Command.String())
	}
	n.deliver(in)
}

// reset tells an end that the other is gone, if the way is open.
func (t *network) reset(c *conn, to int) {
	if t.data[1-to].IsCut() {
		return
	}
	t.w.After(t.w.luck.net.Between(t.w.cfg.Net.Latency/2, t.w.cfg.Net.Latency+time.Millisecond), func() {
		t.endOf(c, to, "reset by the peer")
	})
}

// endOf closes an end and tells its node.
func (t *network) endOf(c *conn, at int, why string) {
	n, e := t.w.nodes[at], &c.ends[at]
	e.closed, e.held = true, nil
	t.forget()
	if e.told || !n.alive || n.epoch != c.epoch[at] {
		return
	}
	e.told = true
	if n.conn == c {
		n.conn = nil
	}
	if !e.up {
		n.dialling = true // the core never heard of it
		t.meet()
		return
	}
	n.deliver(replica.Input{Kind: replica.LinkDown, Conn: c.id, Text: why})
}

func (t *network) forget() {
	kept := t.all[:0]
	for _, c := range t.all {
		if !c.ends[0].closed || !c.ends[1].closed {
			kept = append(kept, c)
		}
	}
	t.all = kept
}

// hangup is the shell's end of dialling, or of a connection.
func (t *network) hangup(n *Node, id uint32) {
	c := n.conn
	if id == 0 {
		n.dialling = false
		return
	}
	if c == nil || c.id != id || c.ends[n.id].closed {
		return
	}
	t.leave(c, n)
	n.soon(func() { t.endOf(c, n.id, "closed here") })
}

// leave closes an end in order, or with a reset that overtakes what was sent.
func (t *network) leave(c *conn, n *Node) {
	e := &c.ends[n.id]
	e.closed = true
	e.late = t.w.luck.net.Below(4) == 0
	if t.w.luck.net.Below(3) == 0 {
		t.reset(c, 1-n.id)
		return
	}
	t.push(c, n.id, segment{socket: replica.DataSocket, fin: true})
}

// Damage changes the next block that node n sends, where no checksum of the
// network notices it.
func (n *Node) Damage() { n.damages = true }

// damaged is what arrives of a block.
func (n *Node) damaged(row []uint64) []uint64 {
	if !n.damages || len(row) == 0 {
		return row
	}
	n.w.Tracef("a block that %s sends is damaged", Name(n.id))
	n.damages = false
	row = append([]uint64(nil), row...)
	row[n.w.luck.net.Below(len(row))] ^= 1 << 59
	return row
}

// powerLost forgets what a node had not got rid of: nobody sends it again.
func (t *network) powerLost(n *Node) {
	for _, c := range t.all {
		c.ends[n.id].held = nil
	}
}

// processDied closes what a dead daemon had open.
func (t *network) processDied(n *Node) {
	if c := n.conn; c != nil && !c.ends[n.id].closed {
		t.leave(c, n)
	}
	n.conn = nil
}

// Break ends the TCP pair that stands, for both or for one of them alone.
func (w *World) Break() {
	for i, n := range w.nodes {
		c := n.conn
		if c == nil || c.ends[i].closed || i == 1 && w.luck.net.Below(4) == 0 {
			continue
		}
		c.ends[i].late = w.luck.net.Below(2) == 0
		w.After(w.luck.net.Between(0, 2*w.cfg.Net.Latency), func() {
			if !c.ends[i].closed {
				w.net.endOf(c, i, "connection reset")
			}
		})
	}
}

// CutData lets nothing pass that node n sends on the link of the TCP pair.
func (w *World) CutData(n int) { w.net.data[n].Cut() }

// HealData ends a CutData: what was held back arrives.
func (w *World) HealData(n int) {
	w.net.data[n].Heal(w.now)
	for _, c := range append([]*conn(nil), w.net.all...) {
		held := c.ends[n].held
		c.ends[n].held = nil
		for _, seg := range held {
			w.net.push(c, n, seg)
		}
	}
	w.net.meet()
}

// StallData delays all that node n sends on the link of the TCP pair.
func (w *World) StallData(n int, d time.Duration) { w.net.data[n].Stall(w.now + d) }

// CutBeats loses the heartbeats of node n.
func (w *World) CutBeats(n int) { w.net.beats[n].Cut() }

// HealBeats ends a CutBeats.
func (w *World) HealBeats(n int) { w.net.beats[n].Heal(w.now) }

// transmit sends a datagram of n's.
func (t *network) transmit(n *Node, data []byte) {
	w := t.w
	var arrivals [2]time.Duration
	for _, at := range t.beats[n.id].Datagram(w.now, len(data), w.luck.net, arrivals[:0]) {
		t.fly(at, 1-n.id, data)
	}
}
