package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/qemu/cell"
)

// enter makes a folder the root. What is written there goes into memory.
func enter(root, keep string) error {
	const layers = "/run/layers" // /run is in memory already
	self, err := os.Executable()
	if err != nil {
		return err
	}
	now := filepath.Join(layers, "root")
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(layers, dir), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", root, layers, layers)
	if err := unix.Mount("overlay", now, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	for _, m := range []struct{ what, where, kind string }{
		{"proc", "/proc", "proc"},
		{"tmpfs", "/run", "tmpfs"},
		{"tmpfs", "/tmp", "tmpfs"},
		{"/dev", "/dev", ""},
		{filepath.Dir(self), cell.ProgramsDir, ""},
		{keep, "/var/lib", ""},
	} {
		var flags uintptr
		switch {
		case m.what == "":
			continue
		case m.kind == "":
			flags = unix.MS_BIND
		}
		where := filepath.Join(now, m.where)
		if err := os.MkdirAll(where, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.what, where, m.kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	if err := unix.Chroot(now); err != nil {
		return err
	}
	return os.Chdir("/")
}
