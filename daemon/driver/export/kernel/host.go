package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the machine's file systems that tell of block devices: root is "" on
// a real one.
type host struct{ root string }

func (h host) path(parts ...string) string {
	return filepath.Join(append([]string{"/", h.root}, parts...)...)
}

// node is what users open.
func node(index int) string { return fmt.Sprintf("/dev/nbd%d", index) }

func (h host) block(index int, parts ...string) string {
	return h.path(append([]string{"sys/block", "nbd" + strconv.Itoa(index)}, parts...)...)
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// find looks for the devices that were connected with an identifier. One whose
// daemon died still has it, and also one that was disconnected, as long as
// somebody has it open.
func (h host) find(identifier string) (indexes []int) {
	found, err := filepath.Glob(h.path("sys/block/nbd*/backend"))
	if err != nil {
		return nil // the pattern is good
	}
	for _, path := range found {
		if text(path) != identifier {
			continue
		}
		name := filepath.Base(filepath.Dir(path))
		if index, err := strconv.Atoi(strings.TrimPrefix(name, "nbd")); err == nil {
			indexes = append(indexes, index)
		}
	}
	return indexes
}

// sectors is the size of a device; 0 if it is not configured.
func (h host) sectors(index int) uint64 {
	n, err := strconv.ParseUint(text(h.block(index, "size")), 10, 64)
	if err != nil {
		return 0 // there is no such device
	}
	return n
}

// tune sets what the driver has no attribute for. A connect or reconfigure may
// set some of it back. Only what differs is written: the kernel lets a writer
// wait until all requests that are under way are answered.
func (h host) tune(index int) error {
	var errs []error
	for _, s := range []struct{ name, value string }{
		// What was under way when a daemon died is sent to the next one when this
		// timer ends, in ms. In a stall that is longer it costs lines in the log.
		{"io_timeout", "10000"},
		{"max_sectors_kb", "1024"}, // the largest request of DRBD's protocol
		{"scheduler", "none"},      // the disk below has one
	} {
		path := h.block(index, "queue", s.name)
		if is := text(path); is == s.value || strings.Contains(is, "["+s.value+"]") {
			continue
		}
		if err := os.WriteFile(path, []byte(s.value), 0o644); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// link makes path a symbolic link to the device, in place of an older one.
func (h host) link(path string, index int) error {
	path = h.path(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSymlink:
		return fmt.Errorf("%s is in the way: it is no symbolic link of pollux's. If it is a device of the kernel's own "+
			"DRBD, unload that module", path)
	}
	temporary := path + ".pollux"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(node(index), temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// unlink removes the link if it leads to the device.
func (h host) unlink(path string, index int) error {
	path = h.path(path)
	to, err := os.Readlink(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) || err == nil && to != node(index) {
		return nil // it is gone, or something else is there
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}
