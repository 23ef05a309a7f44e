package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/backing"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/kernel"
	"github.com/optionc/pollux/daemon/driver/peerlink"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// device is everything outside the core of one resource: the disk below, the
// device above, the link to the peer.
type device struct {
	node  *Node
	index int
	conf  config.Resource
	link  *peerlink.Peer
	front export.Frontend
	// kernel is front if that makes block devices.
	kernel *kernel.Device
	// foreign is the engine, if it is not pollux: then link, data and meta are
	// nil for good.
	foreign *kernelEngine
	// adjusted is what drbd.conf said when it was last read again; nil before.
	adjusted atomic.Pointer[drbdconf.Resource]
	// upgraded: the program was replaced while this node was Primary.
	upgraded bool
	metaRead []byte // see metaBuffer; only the loop uses it

	showing  sync.Mutex    // held while users are shown the device, or it is taken from them
	shown    bool          // with showing
	sectors  atomic.Uint64 // size of the device, as the core last said
	handlers handlers

	operations operations
	// What has to leave when the machine has been stepped; needs the turn.
	isCorked bool
	outboxes []export.Outbox

	mu       sync.Mutex
	data     *backing.Disk // nil while detached
	meta     *backing.Disk // data itself if the metadata is internal
	requests map[uint64]*export.Request
	next     uint64
	refused  string        // why the disk could not be opened; "" if it could
	released chan struct{} // closed when the disk is; nil before the first
	down     bool          // by order, until it is brought up again
}

func newDevice(n *Node, index int, seed uint64) (*device, error) {
	conf := n.site.Resources[index]
	d := &device{node: n, index: index, conf: conf, requests: map[uint64]*export.Request{}}
	if conf.Conf.Engine == drbdconf.EngineKernel {
		return d, d.useKernel()
	}
	local, err := addrPort(conf.Own.Address)
	if err != nil {
		return nil, err
	}
	peer, err := addrPort(conf.Peer.Address)
	if err != nil {
		return nil, err
	}
	options := conf.Conf.Net
	d.link, err = peerlink.New(peerlink.Config{
		Local: local, Peer: peer, ConnectInt: options.ConnectInt, PingTimeout: options.PingTimeout,
		SocketCheck: options.SocketCheckTimeout, SendTimeout: options.Timeout * time.Duration(options.KOCount),
		SendBuffer: int(options.SndbufSize), ReceiveBuffer: int(options.RcvbufSize),
		Rand: rand.New(rand.NewPCG(seed, uint64(index))), Pool: n.pool,
		Log: func(text string) { n.log.Info(text, "resource", conf.Conf.Name) },
	}, d)
	if err != nil {
		return nil, err
	}
	d.makeFront()
	d.makeHandlers()
	return d, nil
}

// socketOf is where the device of a resource is exported.
func (o Options) socketOf(resource string) string { return filepath.Join(o.RunDir, resource+".nbd") }

func addrPort(a drbdconf.Address) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(a.IP)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %s: %w", a, err)
	}
	return netip.AddrPortFrom(ip, a.Port), nil
}

// put hands the core an input that loop may take.
func (d *device) put(in replica.Input) {
	d.node.inbox.put(machine.Input{Part: machine.Replica, Resource: d.index, Replica: in})
}

// add hands the core an input, for who takes the turn afterwards.
func (d *device) add(in replica.Input) {
	d.node.inbox.add(machine.Input{Part: machine.Replica, Resource: d.index, Replica: in})
}

// up is what drbdadm up does: use the disk, look for the peer. A promotion that was
// waiting for the disk may come between.
func (d *device) up() {
	if d.foreign != nil {
		d.foreign.follow()
		return
	}
	a := d.node.order(d.index, replica.OrderAttach, false)
	if a.OK {
		a = d.node.patientOrder(d.node.ctx, d.index, replica.OrderConnect)
	}
	if !a.OK {
		d.tell("not up: " + a.Text)
	}
}

// open opens the disk below, and keeps the reason if it can't: the core never
// hears of it.
func (d *device) open() (replica.Disk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	disk, err := d.openBoth()
	d.refused = ""
	if err != nil {
		d.refused = err.Error()
	}
	return disk, err
}

// openBoth opens the disks for data and metadata, or one for both.
func (d *device) openBoth() (replica.Disk, error) {
	if d.data != nil {
		return replica.Disk{}, errors.New("a disk is attached, or was not let go yet")
	}
	if err := Below(d.conf).Held(""); err != nil {
		return replica.Disk{}, err
	}
	// The core looks where its own metadata must be, and would miss another
	// format's, which lie elsewhere.
	if _, err := Metadata(d.conf); err != nil {
		return replica.Disk{}, err
	}
	data, err := backing.Open(d.conf.Volume.Disk, backing.Options{})
	if err != nil {
		return replica.Disk{}, err
	}
	meta := data
	if d.conf.Volume.Meta.Kind != drbdconf.MetaInternal {
		if meta, err = backing.Open(d.conf.Volume.Meta.Device, backing.Options{}); err != nil {
			return replica.Disk{}, errors.Join(err, data.Close())
		}
	}
	for _, note := range data.Notes() {
		d.node.log.Warn(note, "resource", d.conf.Conf.Name)
	}
	d.data, d.meta, d.released = data, meta, make(chan struct{})
	return replica.Disk{DataSectors: data.Sectors(), MetaSectors: meta.Sectors(), LastSectors: recall(d.node.options.lastKnownDir(), d.conf.Volume)}, nil
}

// why gives the last reason that open had, if any.
func (d *device) why() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused
}

func (d *device) disks() (data, meta *backing.Disk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.data, d.meta
}

// letGo closes the disk below; what is under way on it ends first.
func (d *device) letGo() {
	d.mu.Lock()
	data, meta, released := d.data, d.meta, d.released
	d.data, d.meta = nil, nil
	d.mu.Unlock()
	if data == nil {
		return
	}
	err := data.Close()
	if meta != data {
		err = errors.Join(err, meta.Close())
	}
	if err != nil {
		d.node.log.Warn("close the disk", "resource", d.conf.Conf.Name, "error", err)
	}
	close(released)
}

// close ends everything, whoever still uses it.
func (d *device) close() {
	if d.link != nil {
		d.link.Close()
	}
	if err := d.front.Close(); err != nil {
		d.node.log.Warn("close the device", "resource", d.conf.Conf.Name, "error", err)
	}
	d.letGo()
}

// request takes a request of the device's users; takeTurn follows.
func (d *device) request(r *export.Request) {
	d.mu.Lock()
	d.next++
	id := d.next
	d.requests[id] = r
	d.mu.Unlock()
	d.add(replica.Input{
		Kind: replica.Request, Op: r.Op, ID: id, Sector: r.Sector, Size: r.Size, FUA: r.FUA, Buf: r.Buf,
	})
}

func (d *device) complete(e *replica.Effect) {
	d.mu.Lock()
	r := d.requests[e.ID]
	delete(d.requests, e.ID)
	d.mu.Unlock()
	var err error
	if e.Failed {
		err = unix.EIO
	}
	outbox := r.Answer(e.Buf, err)
	if !slices.Contains(d.outboxes, outbox) {
		d.outboxes = append(d.outboxes, outbox)
	}
	d.cork()
}

// cork makes sure that uncork follows.
func (d *device) cork() {
	if !d.isCorked {
		d.isCorked = true
		d.node.corked = append(d.node.corked, d)
	}
}

// uncork lets leave what waits in the device's own queues.
func (d *device) uncork() {
	d.isCorked = false
	d.link.Flush()
	for i, o := range d.outboxes {
		o.Flush()
		d.outboxes[i] = nil
	}
	d.outboxes = d.outboxes[:0]
}

// LinkUp, LinkDown, Packet, Paused, BadPacket and Sent hear the link.
func (d *device) LinkUp(conn uint32, resolve bool) {
	d.put(replica.Input{Kind: replica.LinkUp, Conn: conn, Resolve: resolve})
}

// LinkDown hears the end of a link.
func (d *device) LinkDown(conn uint32, err error) {
	d.put(replica.Input{Kind: replica.LinkDown, Conn: conn, Text: err.Error()})
}

// Packet hears a packet of the peer's. A peer that sends faster than this node
// works has to wait.
func (d *device) Packet(
	conn uint32, socket replica.Socket, h drbdwire.Header, data []byte, buf replica.Buf, size uint32,
) {
	in := replica.Input{
		Kind: replica.Packet, Conn: conn, Socket: socket, Command: h.Command, Volume: h.Volume,
		Data: data, Buf: buf, Size: size,
	}
	ok := d.node.inbox.addSlowly(d.node.ctx, machine.Input{Part: machine.Replica, Resource: d.index, Replica: in})
	if !ok && buf != 0 {
		d.node.pool.Release(buf)
	}
}

// Paused hears that no packet follows for now.
func (d *device) Paused() { d.node.takeTurn() }

// BadPacket hears that the peer sent what is no packet.
func (d *device) BadPacket(conn uint32, socket replica.Socket, err error) {
	d.put(replica.Input{Kind: replica.BadPacket, Conn: conn, Socket: socket, Text: err.Error()})
}

// Sent hears that all is sent; the core has no use for that.
func (d *device) Sent(uint32) {}
