// Package backing is the disk below a resource: a block device, or a file that
// stands for one. It goes past the page cache, so that what was acknowledged as
// durable is, and so that the daemon never waits for memory that only its own
// writes could free.
//
// Every operation is submitted and reports by a callback. Operations are
// independent of each other: the kernel may carry them out in any order, and
// two that overlap have no defined outcome. Who needs an order waits for the
// callback of the first before submitting the second.
package backing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
)

// SectorSize is the unit of all sector numbers, in bytes.
const SectorSize = 512

// ErrClosed is reported by operations that are submitted after Close.
var ErrClosed = errors.New("the disk is closed")

// Options changes how a Disk works. The zero value is right for production.
type Options struct {
	// Workers is how many operations may be in the kernel at once; 0 is 32,
	// where NVMe disks stop gaining.
	Workers int
}

// Disk is an open disk that no other daemon can open. All methods may be
// called from any goroutine, callbacks included; only Close must not be called
// from a callback.
//
// A callback runs once, on a goroutine of the Disk, never inside the call that
// submitted the operation. It should be short: it keeps a worker busy.
type Disk struct {
	path      string
	file      file
	bytes     atomic.Int64
	logical   int
	physical  int
	direct    bool
	discards  bool
	notes     []string
	queue     queue
	small     *buffer.Pool // for metadata, apart from the payloads: see submitMeta
	zeros     []byte
	closeOnce sync.Once
	closeErr  error
	refused   support
	ragged    sync.Mutex // held while part of a block is replaced
}

// Path is the name that the disk was opened by.
func (d *Disk) Path() string { return d.path }

// Sectors is the size of the disk, as last measured.
func (d *Disk) Sectors() uint64 { return uint64(d.bytes.Load()) / SectorSize }

// Measure finds out whether the disk has grown or shrunk since it was opened,
// and returns its size in sectors.
func (d *Disk) Measure() (uint64, error) {
	size, err := d.file.size()
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", d.path, err)
	}
	d.bytes.Store(size - size%SectorSize)
	return d.Sectors(), nil
}

// LogicalBlock is the smallest unit of a data operation in bytes, 512 or 4096:
// offsets and sizes must be multiples of it.
func (d *Disk) LogicalBlock() int { return d.logical }

// PhysicalBlock is the smallest unit in bytes that the disk writes without
// reading first.
func (d *Disk) PhysicalBlock() int { return d.physical }

// Direct says whether the disk goes past the page cache.
func (d *Disk) Direct() bool { return d.direct }

// Discards says whether Trim frees space. Where it does not, Trim is as slow
// as writing, and users are better not told that they may trim.
func (d *Disk) Discards() bool { return d.discards }

// Notes has a sentence for each thing that this disk cannot do as wished, for
// the log.
func (d *Disk) Notes() []string { return d.notes }

// Read fills into from the disk.
func (d *Disk) Read(sector uint64, into []byte, done func(error)) {
	d.submit(operation{op: replica.OpRead, data: into, done: done}, sector, len(into))
}

// Write puts from on the disk. With fua it is on stable storage before done.
// The caller leaves from alone until then.
func (d *Disk) Write(sector uint64, from []byte, fua bool, done func(error)) {
	d.submit(operation{op: replica.OpWrite, data: from, fua: fua, done: done}, sector, len(from))
}

// Zero makes size bytes read as zeros and keeps their space allocated.
func (d *Disk) Zero(sector uint64, size uint32, fua bool, done func(error)) {
	d.submit(operation{op: replica.OpZero, fua: fua, done: done}, sector, int(size))
}

// Trim makes size bytes read as zeros and frees their space if Discards.
func (d *Disk) Trim(sector uint64, size uint32, fua bool, done func(error)) {
	d.submit(operation{op: replica.OpTrim, fua: fua, done: done}, sector, int(size))
}

// Flush brings every operation whose callback came before it to stable
// storage.
func (d *Disk) Flush(done func(error)) {
	d.submit(operation{op: replica.OpFlush, done: done}, 0, 0)
}

// Close waits for what was submitted, and lets others open the disk.
func (d *Disk) Close() error {
	d.closeOnce.Do(func() {
		d.queue.close()
		d.small.Close()
		d.closeErr = errors.Join(d.file.close(), unix.Munmap(d.zeros))
	})
	return d.closeErr
}

func (d *Disk) submit(o operation, sector uint64, size int) {
	o.size = int64(size)
	if sector > d.Sectors() { // so that the offset cannot overflow
		sector = d.Sectors() + 1
	}
	o.offset = int64(sector) * SectorSize
	d.add(o)
}

func (d *Disk) add(o operation) {
	if d.queue.add(o) {
		return
	}
	if o.bounce != 0 {
		d.small.Release(o.bounce)
	}
	go o.done(ErrClosed)
}

// run carries out one operation on a worker.
func (d *Disk) run(o *operation) error {
	err := d.checkRange(o)
	if err == nil {
		err = d.perform(o)
	}
	if o.bounce != 0 {
		d.small.Release(o.bounce)
	}
	if err == nil {
		return nil
	}
	if o.op == replica.OpFlush {
		return fmt.Errorf("flush of %s: %w", d.path, err)
	}
	return fmt.Errorf("%s of %d bytes at byte %d of %s: %w", o.name(), o.size, o.offset, d.path, err)
}

func (d *Disk) perform(o *operation) error {
	switch {
	case o.meta && o.op == replica.OpRead:
		return d.readMeta(o)
	case o.meta:
		return d.writeMeta(o)
	}
	switch o.op {
	case replica.OpRead:
		return d.readAll(o.offset, o.data)
	case replica.OpWrite:
		return d.writeAll(o.offset, o.data, o.fua)
	case replica.OpZero:
		return d.zeroAll(o.offset, o.size, o.fua)
	case replica.OpTrim:
		return d.trimAll(o.offset, o.size, o.fua)
	case replica.OpFlush:
		return d.file.datasync()
	}
	panic(fmt.Sprintf("backing: operation %d has no case in perform", o.op))
}

// checkRange keeps a file from growing, and says more than the kernel's EINVAL.
func (d *Disk) checkRange(o *operation) error {
	if end := d.bytes.Load(); o.offset < 0 || o.offset > end || o.size > end-o.offset {
		return fmt.Errorf("the disk ends at byte %d", end)
	}
	unit := int64(d.logical)
	if o.meta {
		unit = SectorSize
	}
	if o.offset%unit != 0 || o.size%unit != 0 {
		return fmt.Errorf("want multiples of %d bytes", unit)
	}
	return nil
}
