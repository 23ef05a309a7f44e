package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

// device is what operations are done to.
type device interface {
	Read(p []byte, off int64) error
	Write(how workload.Kind, p []byte, off int64) error
	Trim(off, n int64) error
	Zero(off, n int64) error
	Flush() error
	Close() error
}

// aligned is memory that a device can be written from without the page cache.
func aligned(n int64) []byte {
	const page = 4096
	p := make([]byte, n+page)
	skip := -uintptr(unsafe.Pointer(&p[0])) & (page - 1)
	return p[skip : int64(skip)+n]
}

// kernelDevice is a block device: opened past the page cache, the same and
// write-through, and through the page cache.
type kernelDevice struct{ direct, sync, cached *os.File }

func openDevice(name string) (d kernelDevice, err error) {
	for _, f := range []struct {
		file  **os.File
		flags int
	}{{&d.direct, unix.O_DIRECT}, {&d.sync, unix.O_DIRECT | unix.O_SYNC}, {&d.cached, 0}} {
		if *f.file, err = os.OpenFile(name, os.O_RDWR|f.flags, 0); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d kernelDevice) Read(p []byte, off int64) error {
	_, err := d.direct.ReadAt(p, off)
	return err
}

func (d kernelDevice) Write(how workload.Kind, p []byte, off int64) error {
	f := map[workload.Kind]*os.File{
		workload.Write: d.direct, workload.Sync: d.sync, workload.Buffered: d.cached,
	}[how]
	_, err := f.WriteAt(p, off)
	return err
}

func (d kernelDevice) Trim(off, n int64) error { return d.rangeCall(unix.BLKDISCARD, off, n) }

func (d kernelDevice) Zero(off, n int64) error { return d.rangeCall(unix.BLKZEROOUT, off, n) }

func (d kernelDevice) rangeCall(call uintptr, off, n int64) error {
	r := [2]uint64{uint64(off), uint64(n)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.direct.Fd(), call, uintptr(unsafe.Pointer(&r)))
	if errno != 0 {
		return fmt.Errorf("ioctl: %w", errno)
	}
	return nil
}

func (d kernelDevice) Flush() error { return d.cached.Sync() }

func (d kernelDevice) Close() error {
	return errors.Join(d.direct.Close(), d.sync.Close(), d.cached.Close())
}

// export is polluxd's device, reached without a kernel's block device.
type export struct{ client *nbdclient.Client }

func openExport(socket, name string) (export, error) {
	c, err := nbdclient.Dial(socket, name)
	return export{c}, err
}

func (e export) Read(p []byte, off int64) error {
	_, err := e.client.ReadAt(p, off)
	return err
}

func (e export) Write(how workload.Kind, p []byte, off int64) error {
	write := e.client.WriteAt
	if how == workload.Sync {
		write = e.client.WriteFUA
	}
	_, err := write(p, off)
	return err
}

func (e export) Trim(off, n int64) error { return e.client.Trim(off, n) }

func (e export) Zero(off, n int64) error { return e.client.Zero(off, n) }

func (e export) Flush() error { return e.client.Flush() }

func (e export) Close() error { return e.client.Close() }
