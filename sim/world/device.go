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
	then      func(failed bool)
	cancelled bool
	onMeta    bool
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
	return d.meta.Write(d.metaSector(offset), toBlocks(data), true)
}

func (d *device) metaSector(offset int64) int { return int((offset - d.base) / sectorSize) }

func toBlocks(data []byte) []block {
	blocks := make([]block, len(data)/sectorSize)
	for i := range blocks {
		copy(blocks[i][:], data[i*sectorSize:])
	}
	return blocks
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
	w.queue.push(max(w.now+took, d.hung), func() { d.complete(q) })
}

func (d *device) complete(q *diskRequest) {
	if q.cancelled {
		return
	}
	if w := d.node.w; w.now < d.hung {
		w.queue.push(d.hung, func() { d.complete(q) })
		return
	}
	for i, o := range d.under {
		if o == q {
			d.under = append(d.under[:i], d.under[i+1:]...)
			break
		}
	}
	if d.node.w.now < d.bad && d.node.w.luck.disk.Below(4) == 0 || d.isIll(q) {
		d.tear(q)
		q.then(true)
		return
	}
	d.apply(q)
	q.then(false)
}

// tear lets some sectors of a write have happened, and no more than that.
func (d *device) tear(q *diskRequest) {
	if !q.write {
		return
	}
	for i := range max(len(q.row), len(q.blocks)) {
		switch {
		case d.node.w.luck.disk.Below(2) == 0:
		case q.onMeta:
			_ = d.writeMeta(q.sector+i, q.blocks[i:i+1], false)
		default:
			_ = d.writeData(q.sector+i, q.row[i:i+1], false)
		}
	}
}

// apply lets a request have happened.
func (d *device) apply(q *diskRequest) {
	if q.flush {
		d.data.Flush(q.dataStamp)
		d.meta.Flush(q.metaStamp)
	}
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
	for _, size := range [...]uint64{d.size, d.last} {
		l, err := drbdmeta.Internal(size, 1, 8)
		if err != nil {
			continue
		}
		if s, err := drbdmeta.DecodeSuperblock(d.metadata(l.Superblock, drbdmeta.BlockSize)); err == nil {
			return s.Layout(l.Superblock)
		}
	}
	d.node.w.Fail("8: a node finds its metadata again", "%s has none", Name(d.node.id))
	return drbdmeta.Layout{}
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
func (d *device) carryOut(e replica.Effect) {
	n, times := d.node, d.node.w.cfg.Disk
	epoch := n.epoch
	answer := func(in replica.Input) {
		if n.epoch == epoch {
			n.deliver(in)
		}
	}
	first, count := int(e.Sector), int(e.Size)/sectorSize
	switch e.Kind {
	case replica.Read:
		d.submit(&diskRequest{sector: first, size: count, then: func(failed bool) {
			row := make([]uint64, count)
			err := d.data.Read(first, row)
			if failed || errors.Is(err, disk.ErrMedium) {
				answer(replica.Input{Kind: replica.DiskDone, ID: e.ID, Failed: true})
				return
			}
			if err != nil {
				n.w.Fail(promiseInside, "%v", err)
			}
			answer(replica.Input{Kind: replica.DiskDone, ID: e.ID, Buf: n.rows.add(row)})
		}}, times.Read)
	case replica.Write, replica.Zero, replica.Trim:
		row := n.rows.live[e.Buf]
		longest := times.Write
		if e.Kind != replica.Write {
			row = make([]uint64, count)
		}
		if len(row) != count {
			n.w.Fail("12: payloads fit their requests", "a write of %d sectors with %d of payload", count, len(row))
			return
		}
		if e.FUA {
			longest += times.Sync
		}
		d.submit(&diskRequest{write: true, sector: first, size: count, row: row, durable: e.FUA, then: func(failed bool) {
			answer(replica.Input{Kind: replica.DiskDone, ID: e.ID, Failed: failed})
		}}, longest)
	case replica.Flush:
		d.submit(&diskRequest{flush: true, then: func(failed bool) {
			answer(replica.Input{Kind: replica.DiskDone, Op: replica.OpFlush, ID: e.ID, Failed: failed})
		}}, times.Sync)
	case replica.MetaRead:
		d.submit(&diskRequest{onMeta: true, then: func(failed bool) {
			data := d.metadata(e.Offset, int64(e.Size))
			answer(replica.Input{Kind: replica.MetaDone, ID: e.ID, Data: data, Failed: failed})
		}}, times.Read)
	case replica.MetaWrite:
		d.submit(&diskRequest{
			write: true, onMeta: true, sector: d.metaSector(e.Offset), blocks: toBlocks(e.Data),
			durable: e.FUA, flush: e.FUA, then: func(failed bool) {
				answer(replica.Input{Kind: replica.MetaDone, ID: e.ID, Failed: failed})
			},
		}, times.Write+times.Sync)
	default:
		panic(fmt.Sprintf("world: effect %d is not for the disk", e.Kind))
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
