// Package kernel makes a resource a block device, /dev/nbdN, by the kernel's
// nbd driver, with the name in drbd.conf as a link to it. The driver gets one
// end of a socket pair, and sends requests on it that this package answers as
// package export does.
//
//	user -> /dev/drbd1 -> /dev/nbdN -> socket pair -> export.Stream -> Handler
//
// The device outlives the daemon. If the daemon dies, its users wait, until a
// new daemon gives the driver another socket: then the driver sends again what
// was not answered. Only when Config.DeadTime passes do they get errors.
//
//	            Expose                    the daemon dies, Close
//	+--------+  ------->  +---------+  -------------------------->  +---------+
//	| absent |            | exposed |                               | waiting |
//	+--------+  <-------  +---------+  <--------------------------  +---------+
//	     ^      Withdraw       |                 Expose               |  |   ^
//	     |                     '---------------- Handover ------------|--|---'
//	     '-------------------------------------- Abandon -------------'  |
//	                                             DeadTime: users get errors
//
// What waits may be old: a write that a dead daemon took and never answered,
// sent again. It may be carried out as long as the data below is what those
// users last saw, and must not be once the peer has changed it. The node knows
// which it is, and calls Expose or Abandon.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
)

const (
	// defaultDeadTime is long: at its end guests see their disks fail.
	defaultDeadTime = 10 * time.Minute
	// mendEach is how long to wait before a connection that broke is made anew.
	mendEach = 500 * time.Millisecond
	// goneWait is how long a device may take to have no size after its end: a
	// reader who has it open keeps it for as long as he wants.
	goneWait = 5 * time.Second
)

// Config is what a Device needs.
type Config struct {
	// Resource is the name of the resource: the driver keeps it with the device
	// for the daemon that comes after this one.
	Resource string
	// Path is the device's name in drbd.conf, such as /dev/drbd1.
	Path string
	// Index is the N of /dev/nbdN, if that one is free.
	Index int
	// DeadTime is how long users wait for a daemon that died before they get
	// errors, in whole seconds; 0 is ten minutes.
	DeadTime time.Duration
	// Pool has the payloads, Handler gets the requests, Paused is called after
	// some, and Budget is how much of Pool they may take at once; see
	// export.Config.
	Pool    *buffer.Pool
	Handler export.Handler
	Paused  func()
	Budget  int
	// Inherited is the socket that Handover gave, in another process; nil if
	// there was none.
	Inherited *os.File
	// Log hears what happens to the device; nil is silence.
	Log *slog.Logger
}

// Device is a Frontend that makes a block device.
type Device struct {
	config Config
	host   host
	driver driver

	// doing is held by what changes the device, and may wait.
	doing     sync.Mutex
	inherited *os.File

	// mu is held for moments only.
	mu        sync.Mutex
	index     int
	user      *user // nil unless exposed
	abandoned bool
}

// user is the kernel, as long as the device is exposed.
type user struct {
	device *Device
	spec   export.Spec // changed with doing
	quit   chan struct{}
	ended  chan struct{}

	mu   sync.Mutex
	wire *wire // nil while there is none
}

// wire is one socket that the driver has the other end of, and the goroutine
// that serves it.
type wire struct {
	socket *socket
	stream *export.Stream
	ended  chan struct{}
	cause  error // why it ended
}

var _ export.Frontend = (*Device)(nil)

// New makes a Device that is not exposed. What a dead daemon left waits on.
func New(c Config) *Device {
	if c.DeadTime == 0 {
		c.DeadTime = defaultDeadTime
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Device{config: c, driver: netlink{}, inherited: c.Inherited}
}

// Path is where users find the device.
func (d *Device) Path() string { return d.config.Path }

// IdentifierPrefix begins what the kernel shows as the backend of a device of pollux; the name of its resource follows. It
// is there for as long as anybody holds the device, also when that was given up.
const IdentifierPrefix = "pollux:"

func (d *Device) identifier() string { return IdentifierPrefix + d.config.Resource }

// links are the names of the device that do not depend on which one was free.
func (d *Device) links() []string { return []string{d.config.Path, "/dev/pollux/" + d.config.Resource} }

// Waiting tells whether a dead daemon, or one that handed over, left the device
// with users who may be waiting. Those of a device that was abandoned have got
// errors, though they may hold it for long.
func (d *Device) Waiting() bool {
	d.mu.Lock()
	over := d.user != nil || d.abandoned
	d.mu.Unlock()
	if over {
		return false
	}
	return len(d.host.find(d.identifier())) > 0
}

func (d *Device) exposed() *user {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.user
}

// Expose makes the device, or goes on with the one that waits.
func (d *Device) Expose(spec export.Spec) error {
	d.doing.Lock()
	defer d.doing.Unlock()
	if err := d.expose(spec); err != nil {
		return fmt.Errorf("expose %s: %w", spec.Name, err)
	}
	return nil
}

func (d *Device) expose(spec export.Spec) error {
	if u := d.exposed(); u != nil {
		return d.resize(u, spec)
	}
	w, err := d.attach(spec)
	if err != nil {
		return err
	}
	u := &user{device: d, spec: spec, wire: w, quit: make(chan struct{}), ended: make(chan struct{})}
	d.mu.Lock()
	d.user, d.abandoned = u, false
	d.mu.Unlock()
	go u.run(w)
	return nil
}

// resize changes the size under the users.
func (d *Device) resize(u *user, spec export.Spec) error {
	if held := d.host.holders(d.index); len(held) > 0 && spec.Sectors < u.spec.Sectors {
		return fmt.Errorf("it cannot shrink from %d to %d sectors under %s", u.spec.Sectors, spec.Sectors, held[0])
	}
	s := d.setup(spec)
	s.index = d.index
	if err := d.driver.reconfigure(s); err != nil {
		return err
	}
	u.spec = spec
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.wire != nil {
		u.wire.stream.Resize(spec.Sectors)
	}
	return nil
}

// Withdraw removes the device. It is refused, with the holder's name, while
// device-mapper, a mount, a guest or a process that may write has it. A process
// that only reads is not asked: it gets errors.
func (d *Device) Withdraw(force bool) error {
	d.doing.Lock()
	defer d.doing.Unlock()
	u := d.exposed()
	if u == nil {
		return nil
	}
	if err := d.withdraw(u, force); err != nil {
		return fmt.Errorf("withdraw %s: %w", d.config.Resource, err)
	}
	return nil
}

func (d *Device) withdraw(u *user, force bool) error {
	index := d.index
	var claim *os.File
	if !force {
		var err error
		if claim, err = d.claim(index); err != nil {
			return err
		}
	}
	d.forget(u)
	err := d.remove(index)
	u.end((*export.Stream).Abort)
	if claim != nil {
		err = errors.Join(err, claim.Close())
		d.waitUntilGone(index)
	}
	return err
}

// claim makes sure that nobody uses the device, nor can hold it until the file
// is closed, and that all that was written is with the Handler.
func (d *Device) claim(index int) (*os.File, error) {
	claim, err := d.driver.exclude(index)
	if errors.Is(err, unix.EBUSY) {
		held := append(d.host.holders(index), d.host.processes(index, true)...)
		if len(held) == 0 {
			held = []string{"somebody who has it for himself"}
		}
		return nil, inUse(held)
	}
	if err != nil {
		return nil, err
	}
	// Those who need not have it for themselves.
	held := append(d.host.holders(index), d.host.processes(index, false)...)
	if len(held) > 0 {
		return nil, errors.Join(inUse(held), claim.Close())
	}
	if err := claim.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("last flush: %w", err), claim.Close())
	}
	return claim, nil
}

func inUse(held []string) error { return errors.New("in use by " + strings.Join(held, ", ")) }

// forget makes u's end no surprise.
func (d *Device) forget(u *user) {
	d.mu.Lock()
	d.user = nil
	d.mu.Unlock()
	close(u.quit)
}

// remove takes the links and the device away.
func (d *Device) remove(index int) error {
	var errs []error
	for _, path := range d.links() {
		errs = append(errs, d.host.unlink(path, index))
	}
	if err := d.driver.disconnect(index); !errors.Is(err, unix.EINVAL) { // which says: it is gone
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (d *Device) waitUntilGone(index int) {
	for begin := time.Now(); d.host.sectors(index) != 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > goneWait {
			d.config.Log.Warn("a reader keeps a device that was withdrawn", "device", node(index),
				"readers", d.host.processes(index, true))
			return
		}
	}
}

// Abandon removes a device that waits: its users get errors. It does nothing
// if there is none, or if the device is exposed.
func (d *Device) Abandon() error {
	d.doing.Lock()
	defer d.doing.Unlock()
	if !d.abandon() {
		return nil
	}
	d.dropInherited()
	var errs []error
	for _, index := range d.host.find(d.identifier()) {
		held := append(d.host.holders(index), d.host.processes(index, true)...)
		d.config.Log.Error("the device that the last daemon left is given up", "device", node(index), "users", held)
		errs = append(errs, d.remove(index))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give up %s: %w", d.config.Resource, err)
	}
	return nil
}

// abandon notes that nobody waits any more, before it takes its time to see to
// that. An exposed device is not abandoned.
func (d *Device) abandon() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandoned = d.user == nil
	return d.abandoned
}

// Handover stops at a request's edge, and returns the socket on which the next
// process goes on as Config.Inherited. The device is not exposed any more, and
// its users wait. If ctx ends first, what is under way is given up: then there
// is no socket, and the next process gets it all again from the driver.
func (d *Device) Handover(ctx context.Context) (*os.File, error) {
	d.doing.Lock()
	defer d.doing.Unlock()
	u := d.exposed()
	if u == nil {
		return nil, fmt.Errorf("hand %s over: it is not exposed", d.config.Resource)
	}
	d.forget(u)
	socket, err := u.drain(ctx)
	if err != nil {
		return nil, fmt.Errorf("hand %s over: %w", d.config.Resource, err)
	}
	return socket, nil
}

// Users is how many hold the device as far as can be seen from outside.
func (d *Device) Users() int { return len(d.holders()) }

// Holder names one of them.
func (d *Device) Holder() string {
	if held := d.holders(); len(held) > 0 {
		return held[0]
	}
	return ""
}

func (d *Device) holders() []string {
	d.mu.Lock()
	index, exposed := d.index, d.user != nil
	d.mu.Unlock()
	if !exposed {
		return nil
	}
	return d.host.holders(index)
}

// Close leaves a device that is exposed to the next daemon; its users wait.
func (d *Device) Close() error {
	d.doing.Lock()
	defer d.doing.Unlock()
	d.dropInherited()
	if u := d.exposed(); u != nil {
		d.config.Log.Warn("the device waits for the next daemon", "device", d.config.Path, "time", d.config.DeadTime)
		d.forget(u)
		u.end((*export.Stream).Abort)
	}
	return nil
}

// dropInherited lets the driver notice that nobody serves the device.
func (d *Device) dropInherited() {
	if d.inherited != nil {
		_ = d.inherited.Close() // it was only kept
		d.inherited = nil
	}
}
