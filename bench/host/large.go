package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/bench/engine"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/node"
)

const (
	// largeSize is the most that a file of ext4 can have.
	largeSize = 16<<40 - 4096
	// hotExtents is how many slots an activity log has by default.
	hotExtents = 1237
)

// measureLarge measures how long a disk of 16 TiB takes to attach: fresh, and
// after its Primary was killed with a full activity log.
func measureLarge(ctx context.Context) (_ string, err error) {
	dir, err := os.MkdirTemp("", "pollux")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	polluxd, err := engine.Build(ctx, dir)
	if err != nil {
		return "", err
	}
	r := resource{name: "large", protocol: "C", disks: [2]string{filepath.Join(dir, "disk"), filepath.Join(dir, "none")}}
	f, err := os.Create(r.disks[0])
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Truncate(largeSize), f.Close()); err != nil {
		return "", err
	}
	p := &pair{dir: dir, resources: []resource{r}}
	if err := p.configure(); err != nil {
		return "", err
	}
	e := newMember(dir, "milo1")
	if err := e.format(filepath.Join(dir, "etc")); err != nil {
		return "", err
	}
	fresh, err := e.attach(ctx, polluxd, dir)
	if err != nil {
		return "", err
	}
	// It is refused until the order that attached the disk is over.
	if err := e.Wait(ctx, "to be Primary", func() bool {
		return e.order(ctx, control.Order{Order: "primary", Resource: r.name, Force: true}) == nil
	}); err != nil {
		return "", err
	}
	if err := e.heat(r); err != nil {
		return "", err
	}
	e.Kill()
	crashed, err := e.attach(ctx, polluxd, dir)
	if err != nil {
		return "", err
	}
	e.Kill()
	return fmt.Sprintf("| a disk of 16 TiB | seconds |\n|---|---|\n| attach with fresh metadata | %.2f |\n"+
		"| attach after a crash, %d extents in the activity log | %.2f |\n", fresh.Seconds(), hotExtents, crashed.Seconds()), nil
}

// attach starts the daemon and waits until the disk is in use.
func (e *member) attach(ctx context.Context, polluxd, dir string) (time.Duration, error) {
	begin := time.Now()
	if err := e.start(ctx, polluxd, filepath.Join(dir, "etc")); err != nil {
		return 0, err
	}
	err := e.Wait(ctx, "to attach", func() bool {
		var s node.Status
		err := e.Control.Status(ctx, &s)
		return err == nil && s.Resources[0].Disk != "Diskless" && s.Resources[0].Disk != "Attaching"
	})
	return time.Since(begin), err
}

// heat writes into as many extents as the activity log has slots.
func (e *member) heat(r resource) error {
	u, err := open(e.export(r), r.name)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(u.fd) }()
	block := make([]byte, pageSize)
	for i := range hotExtents {
		at := u.size / hotExtents / extent * int64(i) * extent
		w := nbd.Request{Command: nbd.CommandWrite, Offset: uint64(at), Length: pageSize}
		if err := u.write([][]byte{w.Append(nil), block}); err != nil {
			return err
		}
		if err := u.receive(make([]byte, nbd.ReplySize)); err != nil {
			return err
		}
	}
	return nil
}
