package backing

import (
	"fmt"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is what Disk wants of the kernel, one system call each. Tests put one
// in its place that fails.
type file interface {
	pread(into []byte, offset int64) (int, error)
	pwrite(from []byte, offset int64) (int, error)
	// pwriteDurable is pwrite that returns when the bytes are on stable storage.
	pwriteDurable(from []byte, offset int64) (int, error)
	datasync() error
	// zeroRange keeps the space allocated, punchHole frees it.
	zeroRange(offset, size int64) error
	punchHole(offset, size int64) error
	// size is in bytes, of a device or a file.
	size() (int64, error)
	close() error
}

// descriptor is the file that the kernel knows by a number.
type descriptor int

func (fd descriptor) pread(into []byte, offset int64) (int, error) {
	return unix.Pread(int(fd), into, offset)
}

func (fd descriptor) pwrite(from []byte, offset int64) (int, error) {
	return unix.Pwrite(int(fd), from, offset)
}

// pwriteDurable makes the call by hand, since unix.Pwritev2 allocates.
func (fd descriptor) pwriteDurable(from []byte, offset int64) (int, error) {
	vector := unix.Iovec{Base: unsafe.SliceData(from)}
	vector.SetLen(len(from))
	high := uintptr(uint64(offset) >> (bits.UintSize - 1) >> 1) // zero unless a word has 32 bits
	n, _, errno := unix.Syscall6(unix.SYS_PWRITEV2, uintptr(fd), uintptr(unsafe.Pointer(&vector)), 1,
		uintptr(offset), high, unix.RWF_DSYNC)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (fd descriptor) datasync() error { return unix.Fdatasync(int(fd)) }

func (fd descriptor) zeroRange(offset, size int64) error {
	return unix.Fallocate(int(fd), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, offset, size)
}

func (fd descriptor) punchHole(offset, size int64) error {
	return unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, size)
}

func (fd descriptor) size() (int64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(fd), &stat); err != nil {
		return 0, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFBLK {
		return stat.Size, nil
	}
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, fmt.Errorf("BLKGETSIZE64: %w", errno)
	}
	return int64(size), nil
}

func (fd descriptor) close() error { return unix.Close(int(fd)) }
