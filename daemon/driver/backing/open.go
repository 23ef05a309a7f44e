package backing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/buffer"
)

// Open opens the disk at path for one user alone. It fails if another process,
// a mount or device-mapper has it, and says who.
func Open(path string, o Options) (*Disk, error) {
	d, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open disk %s: %w", path, err)
	}
	return d, nil
}

func open(path string, o Options) (*Disk, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return nil, err
	}
	d := &Disk{path: path}
	var fd int
	var err error
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		fd, err = d.openDevice(stat.Rdev)
	case unix.S_IFREG:
		fd, err = d.openFile()
	default:
		return nil, errors.New("neither a block device nor a file")
	}
	if err != nil {
		return nil, err
	}
	d.file = descriptor(fd)
	if err := d.prepare(o); err != nil {
		return nil, errors.Join(err, d.file.close())
	}
	return d, nil
}

// prepare makes what an open disk needs besides its descriptor.
func (d *Disk) prepare(o Options) error {
	zeros, err := unix.Mmap(-1, 0, buffer.MaxSize, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	d.zeros = zeros
	d.small, err = buffer.NewPool(smallMemory)
	if err != nil {
		return errors.Join(err, unix.Munmap(zeros))
	}
	d.queue.start(o.Workers, d.run)
	return nil
}

// openDevice opens a block device. O_EXCL excludes mounts, device-mapper and
// every other one who asks for O_EXCL.
func (d *Disk) openDevice(number uint64) (int, error) {
	fd, err := unix.Open(d.path, unix.O_RDWR|unix.O_EXCL|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EBUSY) {
		return -1, inUse(deviceHolder(number))
	}
	if err != nil {
		return -1, err
	}
	d.direct = true
	size, err := descriptor(fd).size()
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	d.bytes.Store(size - size%SectorSize)
	if d.logical, err = unix.IoctlGetInt(fd, unix.BLKSSZGET); err != nil {
		return -1, errors.Join(fmt.Errorf("BLKSSZGET: %w", err), unix.Close(fd))
	}
	if d.physical, err = unix.IoctlGetInt(fd, unix.BLKPBSZGET); err != nil {
		return -1, errors.Join(fmt.Errorf("BLKPBSZGET: %w", err), unix.Close(fd))
	}
	d.discards = deviceDiscards(number)
	if !d.discards {
		d.note("the disk cannot discard to zeros: trimming writes zeros")
	}
	return fd, nil
}

// deviceDiscards asks for the limit of write-zeroes rather than of discard:
// punching a hole uses the former.
func deviceDiscards(number uint64) bool {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(number), unix.Minor(number))
	for _, queue := range []string{"queue", "../queue"} { // of a disk, of a partition
		text, err := os.ReadFile(filepath.Join(dir, queue, "write_zeroes_max_bytes"))
		if err == nil {
			limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
			return err == nil && limit > 0
		}
	}
	return false
}

// openFile opens a regular file, past the page cache if its file system can.
func (d *Disk) openFile() (int, error) {
	fd, err := unix.Open(d.path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	d.direct = err == nil
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.Open(d.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return -1, err
	}
	if err := d.measureFile(fd); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (d *Disk) measureFile(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return inUse(fileHolder(&stat))
		}
		return fmt.Errorf("flock: %w", err)
	}
	d.bytes.Store(stat.Size - stat.Size%SectorSize)
	d.logical = SectorSize
	if d.direct {
		if err := d.probeBlock(fd); err != nil {
			return err
		}
	} else {
		d.note("its file system has no O_DIRECT: writes go through the page cache")
	}
	d.physical = max(d.logical, 4096)
	// A hole behind the end changes nothing, and tells whether holes are possible.
	// A file system that minds just where it is has them.
	d.discards = !unsupported(unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, stat.Size, 4096))
	if !d.discards {
		d.note("its file system cannot punch holes: trimming writes zeros")
	}
	return nil
}

// probeBlock finds out what O_DIRECT wants of this file by reading one sector:
// on a disk with blocks of 4096 that fails.
func (d *Disk) probeBlock(fd int) error {
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	_, err = unix.Pread(fd, memory[:SectorSize], 0)
	if errors.Is(err, unix.EINVAL) {
		d.logical = 4096
		_, err = unix.Pread(fd, memory, 0)
	}
	if err != nil {
		err = fmt.Errorf("read of the first block: %w", err)
	}
	return errors.Join(err, unix.Munmap(memory))
}

func (d *Disk) note(text string) { d.notes = append(d.notes, text) }
