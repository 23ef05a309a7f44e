package backing

import (
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// support remembers what the kernel or the disk refused once and for all, so
// that it is not asked again for each operation.
type support struct {
	durable   atomic.Bool // RWF_DSYNC
	zeroRange atomic.Bool
	punchHole atomic.Bool
}

// unsupported tells "never" from "failed this time".
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// readAll goes on after short reads, as the kernel may give.
func (d *Disk) readAll(offset int64, into []byte) error {
	for len(into) > 0 {
		n, err := d.file.pread(into, offset)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF // the file became shorter under us
		default:
			into, offset = into[n:], offset+int64(n)
		}
	}
	return nil
}

// writeAll goes on after short writes.
func (d *Disk) writeAll(offset int64, from []byte, fua bool) error {
	durable := fua && !d.refused.durable.Load()
	for len(from) > 0 {
		n, err := d.writeSome(offset, from, durable)
		switch {
		case errors.Is(err, unix.EINTR):
		case durable && unsupported(err):
			d.refused.durable.Store(true)
			durable = false // what went before was durable already
		case err != nil:
			return err
		case n == 0:
			return io.ErrShortWrite
		default:
			from, offset = from[n:], offset+int64(n)
		}
	}
	if fua && !durable {
		return d.file.datasync()
	}
	return nil
}

func (d *Disk) writeSome(offset int64, from []byte, durable bool) (int, error) {
	if durable {
		return d.file.pwriteDurable(from, offset)
	}
	return d.file.pwrite(from, offset)
}

// zeroAll leaves it to the kernel, which has commands of the disk for it, or
// writes zeros itself.
func (d *Disk) zeroAll(offset, size int64, fua bool) error {
	return d.clear(offset, size, fua, d.file.zeroRange, &d.refused.zeroRange)
}

// trimAll punches a hole, which is the one way of discarding after which the
// kernel promises zeros; BLKDISCARD promises nothing.
func (d *Disk) trimAll(offset, size int64, fua bool) error {
	return d.clear(offset, size, fua, d.file.punchHole, &d.refused.punchHole)
}

func (d *Disk) clear(
	offset, size int64, fua bool, byKernel func(offset, size int64) error, refused *atomic.Bool,
) error {
	if size == 0 {
		return nil // fallocate calls it an error
	}
	for !refused.Load() {
		err := byKernel(offset, size)
		switch {
		case errors.Is(err, unix.EINTR):
		case unsupported(err):
			refused.Store(true)
		case err != nil:
			return err
		case fua:
			return d.file.datasync()
		default:
			return nil
		}
	}
	for size > 0 {
		n := min(size, int64(len(d.zeros)))
		if err := d.writeAll(offset, d.zeros[:n], fua); err != nil {
			return err
		}
		offset, size = offset+n, size-n
	}
	return nil
}
