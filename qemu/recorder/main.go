// Command recorder is a guest's workload: it verifies the records on its disk,
// then appends one after the other, and prints each when it is safe (package
// record). Lines that it prints besides begin with "recorder:".
//
// As a machine's first process it mounts /dev/xvda, and a power-off that Xen
// asks for ends it cleanly. Otherwise `recorder FILE [INTERVAL]` writes that
// file until it gets SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// usual is the time between two records, unless told otherwise.
const usual = 50 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch {
	case filepath.Base(os.Args[0]) == "poweroff":
		// The kernel starts us on xl shutdown: tell the first process.
		if err := unix.Kill(1, unix.SIGTERM); err != nil {
			fmt.Println("recorder: poweroff:", err)
		}
	case os.Getpid() == 1:
		if err := guest(ctx); err != nil {
			fmt.Println("recorder: failed:", err)
		}
		unix.Sync()
		if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
			fmt.Println("recorder: power off:", err)
		}
	default:
		if err := command(ctx, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "recorder:", err)
			os.Exit(1)
		}
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) != 1 && len(args) != 2 {
		return fmt.Errorf("usage: recorder FILE [INTERVAL]")
	}
	interval := usual
	if len(args) == 2 {
		var err error
		if interval, err = time.ParseDuration(args[1]); err != nil {
			return err
		}
	}
	return write(ctx, args[0], interval)
}

// guest is the life of a machine.
func guest(ctx context.Context) error {
	for _, m := range []struct{ what, where string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := unix.Mount(m.what, m.where, m.what, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	modules, err := os.ReadFile("/etc/vm/modules")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(modules)) {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("kernel module %s: %w", name, err)
		}
	}
	if err := mountVolume(ctx); err != nil {
		return err
	}
	interval := usual
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(string(line)) {
		if v, ok := strings.CutPrefix(word, "recorder.interval="); ok {
			if interval, err = time.ParseDuration(v); err != nil {
				return err
			}
		}
	}
	if err := write(ctx, "/mnt/records", interval); err != nil {
		return err
	}
	if err := unix.Unmount("/mnt", 0); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	fmt.Println("recorder: unmounted")
	return nil
}

// mountVolume waits for the disk, which Xen connects while we start.
func mountVolume(ctx context.Context) error {
	const disk = "/dev/xvda"
	wait := time.NewTicker(20 * time.Millisecond)
	defer wait.Stop()
	limit := time.After(time.Minute)
	for {
		if _, err := os.Stat(disk); err == nil {
			break
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit:
			return fmt.Errorf("disk %s: has not come in a minute", disk)
		}
	}
	if err := unix.Mount(disk, "/mnt", "ext4", 0, "errors=remount-ro"); err != nil {
		return fmt.Errorf("mount %s: %w", disk, err)
	}
	return nil
}
