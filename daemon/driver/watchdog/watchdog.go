// Package watchdog keeps a watchdog device from resetting the machine: hardware,
// or the kernel's softdog. Who opens it must kick it, and the machine is reset
// when that ends; but for a clean Close.
//
// Source: the Linux watchdog driver API, Documentation/watchdog/watchdog-api.rst.
package watchdog

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dog is a device that is open.
type Dog struct {
	file *os.File
	// Timeout is after how long without a Kick the machine is reset; 0 is not known.
	Timeout time.Duration
}

// kick is what a Kick writes, and magic what tells the device that its user ends
// on purpose.
const (
	kick  = "\x00"
	magic = "V"
)

// Open opens a device and asks for a timeout, in whole seconds. One that has
// another keeps it.
func Open(path string, timeout time.Duration) (*Dog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	d := &Dog{file: file}
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { d.set(int(fd), int(timeout/time.Second)) })
	}
	if err == nil {
		err = d.Kick()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watchdog %s: %w", path, err), file.Close())
	}
	return d, nil
}

// set asks for a timeout, and for what came of that: some devices can't change
// it, or round it.
func (d *Dog) set(fd, seconds int) {
	_ = unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, seconds)
	if got, err := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT); err == nil {
		d.Timeout = time.Duration(got) * time.Second
	}
}

// Kick puts the reset off.
func (d *Dog) Kick() error {
	_, err := d.file.WriteString(kick)
	return err
}

// Close ends the watch: the machine is not reset. A kernel that was built or
// loaded with nowayout resets it all the same.
func (d *Dog) Close() error {
	_, err := d.file.WriteString(magic)
	return errors.Join(err, d.file.Close())
}

// Abandon leaves the device to reset the machine, unless another one opens and
// kicks it in time.
func (d *Dog) Abandon() error { return d.file.Close() }
