package world

import (
	"errors"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/faults/disk"
)

const sectorSize = disk.SectorSize

type block = [sectorSize]byte

// device is the disk below a replica: data as version numbers, metadata as
// bytes, one cache for both.
type device struct {
	node  *Node
	base  int64  // byte where the metadata area of the smallest disk begins
	size  uint64 // sectors, metadata included
	last  uint64 // size, when the metadata was last seen at the end
	data  *disk.Disk[uint64]
	meta  *disk.Disk[block]
	under []*diskRequest // under way, in the order of submission
	slow  time.Duration  // until then everything takes slowness times as long
	hung  time.Duration  // until then nothing completes
	bad   time.Duration  // until then some requests fail
	ill   illness
}

// slowness is how much longer a slow disk takes.
const slowness = 40

// diskRequest is one request under way.
type diskRequest struct {
	write   bool
	sector  int
	size    int      // sectors of data, of reads too
	row     []uint64 // data to write
	blocks  []block  // metadata to write
	durable bool
	// flush: what was complete at submission becomes durable first.
	flush     bool
	dataStamp uint64
	metaStamp uint64
	cancelled bool
	onMeta    bool

	// What the core asked for, and when: it gets the answer.
	kind   replica.EffectKind
	id     uint64
	offset int64
	bytes  uint32
	epoch  uint32

	device *device
	end    func()
}

// Garbage is what the sectors of a fresh disk hold: the two differ.
func Garbage(node int) uint64 { return uint64(node+1) << 60 }

func newDevice(cfg Config, node int) (*device, error) {
	layout, err := drbdmeta.Internal(cfg.Sectors, 1, 8)
	if err != nil {
		return nil, err
	}
	most, err := drbdmeta.Internal(cfg.Sectors+cfg.Growth, 1, 8)
	if err != nil {
		return nil, err
	}
	blank := uint64(0)
	if cfg.Fresh {
		blank = Garbage(node)
	}
	d := &device{
		base: layout.Bitmap, size: cfg.Sectors, last: cfg.Sectors, data: disk.New(int(most.DataSectors), blank),
		meta: disk.New(int(cfg.Sectors+cfg.Growth-uint64(layout.Bitmap)/sectorSize), block{}),
	}
	added := make([]uint64, most.DataSectors-layout.DataSectors)
	for i := range added {
		added[i] = Garbage(node)
	}
	if err := d.data.Write(int(layout.DataSectors), added, true); err != nil {
		return nil, err
	}
	alExtents := uint32(cfg.Machine.Resources[0].ALExtents)
	for _, p := range drbdmeta.Create(layout, alExtents, uint64(node+1)) {
		if err := d.format(p.Offset, p.Bytes()); err != nil {
			return nil, err
		}
	}
	if cfg.Fresh {
		return d, nil
	}
	super := drbdmeta.Superblock{
		Size: layout.DataSectors, UUIDs: drbdmeta.UUIDs{Current: 0xA000}, DeviceUUID: uint64(node + 1),
		Flags: drbdmeta.MDConsistent | drbdmeta.MDWasUpToDate | drbdmeta.MDALClean, Clean: true, ALExtents: alExtents,
	}.At(layout)
	return d, d.format(layout.Superblock, super.Append(nil))
}

func (d *device) format(offset int64, data []byte) error {
	return d.meta.Write(d.metaSector(offset), appendBlocks(nil, data), true)
}

func (d *device) metaSector(offset int64) int { return int((offset - d.base) / sectorSize) }

func appendBlocks(dst []block, data []byte) []block {
	for ; len(data) >= sectorSize; data = data[sectorSize:] {
		dst = append(dst, block(data[:sectorSize]))
	}
	return dst
}

// metadata reads bytes of the metadata area as they are now.
func (d *device) metadata(offset, size int64) []byte {
	out := make([]byte, 0, size)
	seen := d.meta.Seen()
	for s := d.metaSector(offset); int64(len(out)) < size; s++ {
		out = append(out, seen[s][:]...)
	}
	return out
}

// submit starts a request; then runs when it has completed.
func (d *device) submit(q *diskRequest, longest time.Duration) {
	w := d.node.w
	q.dataStamp, q.metaStamp = d.data.Stamp(), d.meta.Stamp()
	d.under = append(d.under, q)
	took := w.luck.disk.Between(longest/8, longest)
	if w.now < d.slow {
		took *= slowness
	}
	w.queue.push(max(w.now+took, d.hung), q.end)
}

func (d *device) complete(q *diskRequest) {
	if q.cancelled {
		d.release(q)
		return
	}
	if w := d.node.w; w.now < d.hung {
		w.queue.push(d.hung, q.end)
		return
	}
	defer d.release(q)
	for i, o := range d.under {
		if o == q {
			d.under = append(d.under[:i], d.under[i+1:]...)
			break
		}
	}
	if d.node.w.now < d.bad && d.node.w.luck.disk.Below(4) == 0 || d.isIll(q) {
		d.tear(q)
		d.answer(q, true)
		return
	}
	d.apply(q)
	d.answer(q, false)
}

// tear lets some sectors of a write have happened, and no more than that. What it
// was to flush first is on the medium before any of them.
func (d *device) tear(q *diskRequest) {
	if !q.write {
		return
	}
	for i := range max(len(q.row), len(q.blocks)) {
		if d.node.w.luck.disk.Below(2) == 0 {
			continue
		}
		d.flushFor(q)
		if q.onMeta {
			_ = d.writeMeta(q.sector+i, q.blocks[i:i+1], false)
		} else {
			_ = d.writeData(q.sector+i, q.row[i:i+1], false)
		}
	}
}

// flushFor does the flush of a request, if it has one: before anything that it writes.
func (d *device) flushFor(q *diskRequest) {
	if q.flush {
		d.data.Flush(q.dataStamp)
		d.meta.Flush(q.metaStamp)
	}
}

// apply lets a request have happened.
func (d *device) apply(q *diskRequest) {
	d.flushFor(q)
	if !q.write {
		return
	}
	var err error
	switch {
	case q.onMeta:
		err = d.writeMeta(q.sector, q.blocks, q.durable)
	case d.lies(q):
	default:
		err = d.writeData(q.sector, q.row, q.durable)
	}
	if err != nil {
		d.node.w.Fail(promiseInside, "%v", err)
	}
}

// writeMeta writes metadata, over what data there was: a disk that has grown
// has its data where the metadata once was.
func (d *device) writeMeta(sector int, blocks []block, durable bool) error {
	at := sector + int(d.base/sectorSize)
	if over := min(len(blocks), d.data.Sectors()-at); over > 0 {
		row := make([]uint64, over)
		for i := range row {
			row[i] = Garbage(d.node.id)
		}
		if err := d.data.Write(at, row, durable); err != nil {
			return err
		}
		d.node.w.compare(at, over)
	}
	return d.meta.Write(sector, blocks, durable)
}

// writeData writes data, over what metadata there was.
func (d *device) writeData(sector int, row []uint64, durable bool) error {
	begin := max(sector, int(d.base/sectorSize))
	if over := sector + len(row) - begin; over > 0 {
		if err := d.meta.Write(begin-int(d.base/sectorSize), make([]block, over), durable); err != nil {
			return err
		}
	}
	if err := d.data.Write(sector, row, durable); err != nil {
		return err
	}
	d.node.w.compare(sector, len(row))
	return nil
}

// layout is where the metadata is: at the end, or where that was.
func (d *device) layout() drbdmeta.Layout {
	super, at, found := d.superblock()
	if !found {
		d.node.w.Fail("8: a node finds its metadata again", "%s has none", Name(d.node.id))
		return drbdmeta.Layout{}
	}
	return super.Layout(at)
}

// superblock reads its superblock, and tells where that is.
func (d *device) superblock() (super drbdmeta.Superblock, at int64, found bool) {
	for _, size := range [...]uint64{d.size, d.last} {
		l, err := drbdmeta.Internal(size, 1, 8)
		if err != nil {
			continue
		}
		if s, err := drbdmeta.DecodeSuperblock(d.metadata(l.Superblock, drbdmeta.BlockSize)); err == nil {
			return s, l.Superblock, true
		}
	}
	return drbdmeta.Superblock{}, 0, false
}

// isWhole tells whether its metadata calls its data consistent.
func (d *device) isWhole() bool {
	super, _, found := d.superblock()
	return found && super.Flags&drbdmeta.MDConsistent != 0
}

// promiseInside is broken by requests beyond the end of the disk.
const promiseInside = "12: stays inside its disk"

// settle lets everything under way reach the disk, in any order: the process
// that asked has died, the disk has not.
func (d *device) settle() {
	luck := d.node.w.luck.disk
	for len(d.under) > 0 {
		i := luck.Below(len(d.under))
		q := d.under[i]
		d.under = append(d.under[:i], d.under[i+1:]...)
		q.cancelled = true
		d.apply(q)
	}
}

// powerLoss tears what is under way at its sectors and drops what the cache
// holds; keep of a million sector writes survive.
func (d *device) powerLoss(keep int) {
	luck := d.node.w.luck.disk
	for _, q := range d.under {
		q.cancelled = true
		d.tear(q)
	}
	d.under = nil
	survives := func() bool { return luck.Chance(keep) }
	d.data.PowerLoss(survives)
	d.meta.PowerLoss(survives)
	d.node.w.compareAll()
}

// carryOut does what the core asks of the disk.
func (d *device) carryOut(e *replica.Effect) {
	n, times := d.node, d.node.w.cfg.Disk
	first, count := int(e.Sector), int(e.Size)/sectorSize
	q := d.request(e)
	longest := times.Write
	switch e.Kind {
	case replica.Read:
		q.sector, q.size = first, count
		longest = times.Read
	case replica.Write, replica.Zero, replica.Trim:
		row := n.rows.get(e.Buf)
		if e.Kind != replica.Write {
			row = n.w.Row(count)
		}
		if len(row) != count {
			n.w.Fail("12: payloads fit their requests", "a write of %d sectors with %d of payload", count, len(row))
			return
		}
		if e.FUA {
			longest += times.Sync
		}
		q.write, q.sector, q.size, q.row, q.durable = true, first, count, row, e.FUA
	case replica.Flush:
		q.flush = true
		longest = times.Sync
	case replica.MetaRead:
		q.onMeta = true
		longest = times.Read
	case replica.MetaWrite:
		q.write, q.onMeta, q.sector = true, true, d.metaSector(e.Offset)
		q.blocks = appendBlocks(q.blocks, e.Data)
		q.durable, q.flush = e.FUA, e.FUA
		longest += times.Sync
	default:
		panic(fmt.Sprintf("world: effect %d is not for the disk", e.Kind))
	}
	d.submit(q, longest)
}

// request is a new request for what the core asks.
func (d *device) request(e *replica.Effect) *diskRequest {
	q := d.node.w.spare.requests.take()
	if q == nil {
		q = &diskRequest{}
		q.end = func() { q.device.complete(q) }
	}
	q.device, q.kind, q.id, q.offset, q.bytes, q.epoch = d, e.Kind, e.ID, e.Offset, e.Size, d.node.epoch
	return q
}

// release gives back a request that is in no queue any more.
func (d *device) release(q *diskRequest) {
	*q = diskRequest{blocks: q.blocks[:0], end: q.end}
	d.node.w.spare.requests.give(q)
}

// answer tells the core what became of a request, if it is still there.
func (d *device) answer(q *diskRequest, failed bool) {
	n := d.node
	in := replica.Input{Kind: replica.DiskDone, ID: q.id, Failed: failed}
	switch q.kind {
	case replica.Read:
		row := n.w.Row(q.size)
		err := d.data.Read(q.sector, row)
		switch {
		case failed || errors.Is(err, disk.ErrMedium):
			in.Failed = true
		case err != nil:
			n.w.Fail(promiseInside, "%v", err)
		}
		if !in.Failed {
			in.Buf = n.rows.add(row)
		}
	case replica.Flush:
		in.Op = replica.OpFlush
	case replica.MetaRead:
		in.Kind, in.Data = replica.MetaDone, d.metadata(q.offset, int64(q.bytes))
	case replica.MetaWrite:
		in.Kind = replica.MetaDone
	default: // a write
	}
	if n.epoch == q.epoch {
		n.deliver(in)
	}
}

// Busy calls mark for every range of the data that a user is writing, or that
// is being written to either disk: there the two may differ for a moment.
func (w *World) Busy(mark func(sector uint64, size uint32)) {
	for _, n := range w.nodes {
		for _, q := range n.open {
			if q.write {
				mark(q.sector, q.size)
			}
		}
		for _, q := range n.disk.under {
			if q.write && !q.onMeta {
				mark(uint64(q.sector), uint32(len(q.row)*sectorSize))
			}
		}
	}
}

// Layout is where the metadata of node n lies.
func (n *Node) Layout() drbdmeta.Layout { return n.disk.layout() }

// Enlarge lets the disk grow by what the configuration allows.
func (n *Node) Enlarge() {
	n.w.Tracef("the disk of %s grows", Name(n.id))
	n.disk.size = n.w.cfg.Sectors + n.w.cfg.Growth
}

// DeviceSize is the size in sectors of the device as users see it.
func (n *Node) DeviceSize() uint64 { return n.shown }

// Size is the size in sectors that the replica has, or the superblock of one
// that is down.
func (n *Node) Size() uint64 {
	if n.alive {
		if size := n.core.Resource(0).Size(); size != 0 {
			return size
		}
	}
	l := n.disk.layout()
	super, err := drbdmeta.DecodeSuperblock(n.disk.metadata(l.Superblock, drbdmeta.BlockSize))
	if err != nil {
		return 0
	}
	return super.Size
}

// Metadata reads what the metadata area of node n holds now.
func (n *Node) Metadata(offset, size int64) []byte { return n.disk.metadata(offset, size) }

// Rot changes the block of a sector, on the medium.
func (n *Node) Rot(sector uint64) {
	n.w.Tracef("a block of the disk of %s rots", Name(n.id))
	row := [8]uint64{}
	for i := range row {
		row[i] = ^Garbage(n.id)
	}
	if err := n.disk.writeData(int(sector), row[:], true); err != nil {
		n.w.Fail(promiseInside, "%v", err)
	}
}

// SlowDisk makes everything on the disk take long, for a while.
func (n *Node) SlowDisk(d time.Duration) { n.disk.slow = n.w.now + d }

// HangDisk lets nothing complete on the disk, for a while.
func (n *Node) HangDisk(d time.Duration) { n.disk.hung = n.w.now + d }

// FailDisk makes the disk fail one request in four, for a while.
func (n *Node) FailDisk(d time.Duration) { n.disk.bad = n.w.now + d }
