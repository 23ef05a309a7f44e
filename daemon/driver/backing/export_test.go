package backing

import (
	"fmt"
	"sync"
)

// Faults stands between a Disk and the kernel, notes each call, and lets a
// test shorten it or fail it.
type Faults struct {
	file
	// Before is asked before each call; a transfer moves at most allow bytes.
	Before func(call string, size int) (allow int, err error)

	mu    sync.Mutex
	calls []string
}

// Inject puts f between d and the kernel. d must be idle.
func Inject(d *Disk, f *Faults) {
	f.file = d.file
	d.file = f
}

// SetLogicalBlock makes d believe that its disk has larger blocks.
func SetLogicalBlock(d *Disk, size int) { d.logical = size }

// Metadata is how many buffers for metadata are in use.
func Metadata(d *Disk) int {
	n, _ := d.small.InUse()
	return n
}

// Calls is what was asked of the kernel so far.
func (f *Faults) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *Faults) before(call string, offset int64, size int) (int, error) {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf("%s %d+%d", call, offset, size))
	f.mu.Unlock()
	if f.Before == nil {
		return size, nil
	}
	return f.Before(call, size)
}

func (f *Faults) pread(into []byte, offset int64) (int, error) {
	n, err := f.before("pread", offset, len(into))
	if err != nil || n == 0 {
		return 0, err
	}
	return f.file.pread(into[:n], offset)
}

func (f *Faults) pwrite(from []byte, offset int64) (int, error) {
	n, err := f.before("pwrite", offset, len(from))
	if err != nil || n == 0 {
		return 0, err
	}
	return f.file.pwrite(from[:n], offset)
}

func (f *Faults) pwriteDurable(from []byte, offset int64) (int, error) {
	n, err := f.before("pwriteDurable", offset, len(from))
	if err != nil || n == 0 {
		return 0, err
	}
	return f.file.pwriteDurable(from[:n], offset)
}

func (f *Faults) datasync() error {
	if _, err := f.before("datasync", 0, 0); err != nil {
		return err
	}
	return f.file.datasync()
}

func (f *Faults) zeroRange(offset, size int64) error {
	if _, err := f.before("zeroRange", offset, int(size)); err != nil {
		return err
	}
	return f.file.zeroRange(offset, size)
}

func (f *Faults) punchHole(offset, size int64) error {
	if _, err := f.before("punchHole", offset, int(size)); err != nil {
		return err
	}
	return f.file.punchHole(offset, size)
}
