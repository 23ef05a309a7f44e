package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/optionc/pollux/bench/usage"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// patience is how long the daemons may take for anything.
const patience = 2 * time.Minute

// engine is a polluxd.
type engine struct {
	name    string
	dir     string
	cmd     *exec.Cmd
	ended   chan struct{}
	control *control.Client
}

// pair are two of them with the same resources; the first is Primary.
type pair struct {
	dir       string
	resources []resource
	engines   [2]*engine
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
		p.engines[i] = &engine{name: name, dir: filepath.Join(dir, name)}
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
func (e *engine) format(etc string) error {
	site, err := config.Load(etc, e.name)
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
func (e *engine) start(ctx context.Context, polluxd, etc string) error {
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(e.log())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	e.cmd = exec.Command(polluxd, "--config-dir", etc, "--node", e.name, "--state-dir", filepath.Join(e.dir, "state"),
		"--run-dir", filepath.Join(e.dir, "run"), "--frontend", string(node.FrontendSocket))
	e.cmd.Stderr = log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	e.ended = make(chan struct{})
	go func() {
		defer close(e.ended)
		_ = e.cmd.Wait() // its log says why
	}()
	return e.wait(ctx, "to answer", func() bool {
		var err error
		e.control, err = control.Dial(filepath.Join(e.dir, "run", "control.sock"))
		return err == nil
	})
}

func (e *engine) log() string { return filepath.Join(e.dir, "polluxd.log") }

// wait waits until the daemon does what it has to.
func (e *engine) wait(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
		case <-e.ended:
		case <-time.After(20 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(e.log()) // nothing to show is no news
		return fmt.Errorf("%s took too long %s, or ended: %w\n%s", e.name, what, ctx.Err(), text)
	}
	return nil
}

func (e *engine) order(ctx context.Context, o control.Order) error {
	a, err := e.control.Order(ctx, o)
	if err == nil && !a.OK {
		err = errors.New(a.Text)
	}
	if err != nil {
		return fmt.Errorf("%s: %s %s: %w", e.name, o.Order, o.Resource, err)
	}
	return nil
}

// attached waits until the first node uses its disks.
func (p *pair) attached(ctx context.Context) error {
	return p.engines[0].wait(ctx, "to attach", func() bool {
		var s node.Status
		err := p.engines[0].control.Status(ctx, &s)
		return err == nil && !slices.ContainsFunc(s.Resources, func(r node.ResourceStatus) bool {
			return r.Disk == "Diskless" || r.Disk == "Attaching"
		})
	})
}

// synced waits until both copies of every resource are good.
func (p *pair) synced(ctx context.Context) error {
	return p.engines[0].wait(ctx, "to sync", func() bool {
		var s node.Status
		err := p.engines[0].control.Status(ctx, &s)
		return err == nil && !slices.ContainsFunc(s.Resources, func(r node.ResourceStatus) bool {
			return r.Connection != "Connected" || r.Disk != "UpToDate" || r.PeerDisk != "UpToDate" || r.Device == ""
		})
	})
}

// user opens the device of a resource.
func (p *pair) user(r resource) (*user, error) {
	return open(filepath.Join(p.engines[0].dir, "run", r.name+".nbd"), r.name)
}

// cpu is what both daemons have used of the processors.
func (p *pair) cpu() (time.Duration, error) {
	var all time.Duration
	for _, e := range p.engines {
		used, err := usage.Processor(e.cmd.Process.Pid)
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
		if e != nil && e.ended != nil {
			errs = append(errs, e.cmd.Process.Signal(syscall.SIGTERM))
			select {
			case <-e.ended:
			case <-time.After(patience):
				errs = append(errs, fmt.Errorf("%s does not end", e.name), e.cmd.Process.Kill())
				<-e.ended
			}
		}
	}
	for _, r := range p.resources {
		for _, disk := range r.disks {
			errs = append(errs, os.Remove(disk))
		}
	}
	return errors.Join(errs...)
}
