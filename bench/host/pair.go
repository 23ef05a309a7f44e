package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/bench/engine"
	"github.com/optionc/pollux/bench/usage"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// patience is how long the daemons may take for anything.
const patience = 2 * time.Minute

// member is the polluxd of one node.
type member struct{ engine.Engine }

func newMember(dir, name string) *member {
	return &member{engine.Engine{Name: name, Dir: filepath.Join(dir, name), Patience: patience}}
}

// pair are two of them with the same resources; the first is Primary.
type pair struct {
	dir       string
	resources []resource
	engines   [2]*member
}

// resource is one replicated disk. Each end has a disk of its own.
type resource struct {
	name     string
	protocol string
	net      string // more options of its connection, in the words of drbd.conf
	disks    [2]string
}

// start makes the disks, of so many bytes, and starts both daemons.
func start(ctx context.Context, polluxd, dir string, size int64, resources []resource) (_ *pair, err error) {
	p := &pair{dir: dir, resources: resources}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if err := p.configure(); err != nil {
		return nil, err
	}
	for i, name := range []string{"milo1", "milo2"} {
		p.engines[i] = newMember(dir, name)
	}
	for _, r := range resources {
		for _, disk := range r.disks {
			if err := makeDisk(disk, size); err != nil {
				return nil, err
			}
		}
	}
	etc := filepath.Join(dir, "etc")
	for _, e := range p.engines {
		if err := errors.Join(e.format(etc), e.start(ctx, polluxd, etc)); err != nil {
			return nil, err
		}
	}
	if err := p.attached(ctx); err != nil {
		return nil, err
	}
	for _, r := range resources {
		if err := p.engines[0].order(ctx, control.Order{Order: "primary", Resource: r.name, Force: true}); err != nil {
			return nil, err
		}
	}
	return p, p.synced(ctx)
}

// configure writes the configuration.
func (p *pair) configure() error {
	var b strings.Builder
	first := 20000 + rand.IntN(20000)
	for i, r := range p.resources {
		fmt.Fprintf(&b, "resource %s {\n  protocol %s;\n  net { %s }\n", r.name, r.protocol, r.net)
		for e, name := range []string{"milo1", "milo2"} {
			fmt.Fprintf(&b, "  on %s { device /dev/drbd%d; disk %s; address 127.0.1.%d:%d; meta-disk internal; }\n",
				name, i, r.disks[e], 1+e, first+i)
		}
		b.WriteString("}\n")
	}
	etc := filepath.Join(p.dir, "etc")
	return errors.Join(os.MkdirAll(etc, 0o755), os.WriteFile(filepath.Join(etc, "drbd.conf"), []byte(b.String()), 0o644))
}

// makeDisk makes a file whose blocks are there.
func makeDisk(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for at := int64(0); at < size && err == nil; at += int64(len(block)) {
		_, err = f.WriteAt(block[:min(int64(len(block)), size-at)], at)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// format writes fresh metadata on all disks.
func (e *member) format(etc string) error {
	site, err := config.Load(etc, e.Name)
	if err != nil {
		return err
	}
	for _, r := range site.Resources {
		if _, err := node.Format(r, rand.Uint64(), node.Striping{}); err != nil {
			return err
		}
	}
	return nil
}

// start starts the daemon and waits until it answers.
func (e *member) start(ctx context.Context, polluxd, etc string) error {
	return e.Start(ctx, polluxd, "--config-dir", etc, "--frontend", string(node.FrontendSocket))
}

// export is the socket of a resource's device.
func (e *member) export(r resource) string { return filepath.Join(e.RunDir(), r.name+".nbd") }

func (e *member) order(ctx context.Context, o control.Order) error {
	a, err := e.Control.Order(ctx, o)
	if err == nil && !a.OK {
		err = errors.New(a.Text)
	}
	if err != nil {
		return fmt.Errorf("%s: %s %s: %w", e.Name, o.Order, o.Resource, err)
	}
	return nil
}

// attached waits until the first node uses its disks.
func (p *pair) attached(ctx context.Context) error {
	return p.engines[0].Wait(ctx, "to attach", func() bool {
		var s node.Status
		err := p.engines[0].Control.Status(ctx, &s)
		return err == nil && !slices.ContainsFunc(s.Resources, func(r node.ResourceStatus) bool {
			return r.Disk == "Diskless" || r.Disk == "Attaching"
		})
	})
}

// synced waits until both copies of every resource are good.
func (p *pair) synced(ctx context.Context) error {
	return p.engines[0].Wait(ctx, "to sync", func() bool {
		var s node.Status
		err := p.engines[0].Control.Status(ctx, &s)
		return err == nil && !slices.ContainsFunc(s.Resources, func(r node.ResourceStatus) bool {
			return r.Connection != "Connected" || r.Disk != "UpToDate" || r.PeerDisk != "UpToDate" || r.Device == ""
		})
	})
}

// user opens the device of a resource.
func (p *pair) user(r resource) (*user, error) {
	return open(p.engines[0].export(r), r.name)
}

// cpu is what both daemons have used of the processors.
func (p *pair) cpu() (time.Duration, error) {
	var all time.Duration
	for _, e := range p.engines {
		used, err := usage.Processor(e.Pid())
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}

// stop ends both daemons and removes the disks.
func (p *pair) stop() error {
	var errs []error
	for _, e := range p.engines {
		if e != nil {
			errs = append(errs, e.Stop())
		}
	}
	for _, r := range p.resources {
		for _, disk := range r.disks {
			errs = append(errs, os.Remove(disk))
		}
	}
	return errors.Join(errs...)
}
