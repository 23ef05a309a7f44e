package backing

import (
	"unsafe"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
)

// smallMemory is what the copies of metadata under way take before they go to
// the heap: 64 activity log transactions of 4 KiB would be a lot already.
const smallMemory = buffer.MaxSize

// ReadMeta fills into, of any alignment in memory, from byte offset of the
// disk. Offset and length are multiples of 512, whatever the logical block.
func (d *Disk) ReadMeta(offset int64, into []byte, done func(error)) {
	d.add(operation{
		op: replica.OpRead, meta: true, offset: offset, size: int64(len(into)), data: into, done: done,
	})
}

// WriteMeta puts a copy of from, of any alignment in memory, at byte offset of
// the disk; from may change once WriteMeta returned. Offset and length are
// multiples of 512, whatever the logical block.
//
// With fua, every operation whose callback came before, and then this one, is
// on stable storage before done.
func (d *Disk) WriteMeta(offset int64, from []byte, fua bool, done func(error)) {
	o := operation{
		op: replica.OpWrite, meta: true, fua: fua, offset: offset, size: int64(len(from)), done: done,
	}
	o.data, o.bounce = d.aligned(len(from))
	copy(o.data, from)
	d.add(o)
}

// aligned is memory that O_DIRECT accepts. It comes from a pool of metadata's
// own: payloads may fill theirs and wait for this very write. It never waits,
// since the disk may hang and the caller is the core.
func (d *Disk) aligned(n int) ([]byte, replica.Buf) {
	if n > 0 && n <= buffer.MaxSize {
		if b := d.small.TryGet(n); b != 0 {
			return d.small.Bytes(b), b
		}
	}
	b := make([]byte, n+buffer.MinSize)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (buffer.MinSize - 1)
	return b[skip : skip+n : skip+n], 0
}

func (d *Disk) readMeta(o *operation) error {
	start, end := d.blocks(o)
	b, bounce := d.aligned(int(end - start))
	if bounce != 0 {
		defer d.small.Release(bounce)
	}
	if err := d.readAll(start, b); err != nil {
		return err
	}
	copy(o.data, b[o.offset-start:])
	return nil
}

func (d *Disk) writeMeta(o *operation) error {
	if o.fua {
		if err := d.file.datasync(); err != nil {
			return err
		}
	}
	start, end := d.blocks(o)
	if end-start == o.size {
		return d.writeAll(o.offset, o.data, o.fua)
	}
	d.ragged.Lock() // two writes of parts of one block must not undo each other
	defer d.ragged.Unlock()
	b, bounce := d.aligned(int(end - start))
	if bounce != 0 {
		defer d.small.Release(bounce)
	}
	if err := d.readAll(start, b); err != nil {
		return err
	}
	copy(b[o.offset-start:], o.data)
	return d.writeAll(start, b, o.fua)
}

// blocks is the range of o in bytes, widened to whole logical blocks.
func (d *Disk) blocks(o *operation) (start, end int64) {
	unit := int64(d.logical)
	start = o.offset - o.offset%unit
	end = o.offset + o.size
	return start, end + (unit-end%unit)%unit
}
