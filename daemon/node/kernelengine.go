package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/kerneldrbd"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// kernelEngine is the outside of a resource that the kernel's DRBD replicates.
// It is there before this daemon, goes on after it, and has its device itself.
type kernelEngine struct {
	device *device
	drbd   kerneldrbd.Resource
	// looking keeps what is seen in order: none is older than the one before.
	looking sync.Mutex
	last    kerneldrbd.Seen
	// looksForPeer: if it is StandAlone when it is seen next, it has given its peer
	// up, and its log says why.
	looksForPeer bool
}

// watchAgain is how long a broken stream of events is left alone; lookAgain is
// how often is looked at what changes without an event.
const (
	watchAgain = time.Second
	lookAgain  = 2 * time.Second
)

// programs are what runs the tools; Options of tests may replace them.
func (o Options) programs() (command.Runner, command.Streamer) {
	if o.Run != nil {
		return o.Run, o.Stream
	}
	return command.Exec, command.Lines
}

// useKernel makes the engine of a resource of drbd.conf's "engine kernel".
func (d *device) useKernel() error {
	n := d.node
	run, stream := n.options.programs()
	if err := kerneldrbd.Available(n.ctx, run); err != nil {
		return err
	}
	name := d.conf.Conf.Name
	path := filepath.Join(n.options.RunDir, name+".drbd.conf")
	d.foreign = &kernelEngine{
		device: d, drbd: kerneldrbd.Resource{Name: name, Minor: d.conf.Volume.Minor, Conf: path, Run: run, Stream: stream},
	}
	d.front = kernelsDevice{}
	return d.foreign.write(d.conf.Conf)
}

// write makes the file that drbdadm reads. DRBD's own tools do not know the
// word engine, and must not read anything else into a file than pollux does.
func (k *kernelEngine) write(r *drbdconf.Resource) error {
	plain := *r
	plain.Engine = drbdconf.EnginePollux
	return os.WriteFile(k.drbd.Conf, []byte(plain.Dump()), 0o600)
}

// follow keeps the core informed for as long as the node runs.
func (k *kernelEngine) follow() {
	ctx, d := k.device.node.ctx, k.device
	if a := k.upOrDown(ctx, false); !a.OK {
		d.tell("not up: " + a.Text)
	}
	changed := make(chan struct{}, 1)
	d.node.working.Go(func() { k.keepLooking(ctx, changed) })
	said := ""
	for ctx.Err() == nil {
		err := k.drbd.Watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default: // a look that is due sees this, too
			}
		})
		if err != nil && err.Error() != said {
			said = err.Error()
			d.tell("events of the kernel's DRBD: " + said)
		}
		select {
		case <-time.After(watchAgain):
		case <-ctx.Done():
		}
	}
}

// keepLooking looks when something has changed, once for many lines of one
// change, and again and again at what changes without an event.
func (k *kernelEngine) keepLooking(ctx context.Context, changed <-chan struct{}) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-changed:
		case <-again.C:
			k.looking.Lock()
			moves := k.last.Moves()
			k.looking.Unlock()
			if !moves {
				continue
			}
		case <-ctx.Done():
			return
		}
		if err := k.look(ctx); err != nil {
			k.device.tell(err.Error())
		}
	}
}

// look tells the core what is seen now. What can't be seen changes nothing:
// it must not look like a resource that is stopped.
func (k *kernelEngine) look(ctx context.Context) error {
	k.looking.Lock()
	defer k.looking.Unlock()
	seen, err := k.drbd.Look(ctx)
	if err != nil {
		return err
	}
	why := ""
	if alone := seen.State.Conn == drbdwire.StandAlone; !alone {
		k.looksForPeer = true
	} else if k.looksForPeer {
		k.looksForPeer = false
		if why, err = k.drbd.Complaint(ctx); err != nil {
			k.device.tell(err.Error())
		}
	}
	k.last = seen
	k.device.put(replica.Input{
		Kind: replica.Observed, State: seen.State.Pack(), ID: seen.Generation, Sector: seen.Sectors, Marked: seen.Marked,
		Text: why,
	})
	return nil
}

// do carries something out after which the resource may look for its peer, and
// sees what it led to before anybody hears of it.
func (k *kernelEngine) do(ctx context.Context, what func()) error {
	what()
	k.looking.Lock()
	k.looksForPeer = true
	k.looking.Unlock()
	return k.look(ctx)
}

// carryOut lets drbdadm do what the core delegates. The core sees what it led
// to before it hears the answer.
func (k *kernelEngine) carryOut(e replica.Effect) {
	ctx := k.device.node.ctx
	var code drbdwire.Code
	var text string
	err := k.do(ctx, func() { code, text = k.drbd.Order(ctx, e.Order, e.Force) })
	if err != nil && code > 0 {
		code, text = 0, fmt.Sprintf("what became of the order is not known: %s", err)
	}
	k.device.put(replica.Input{Kind: replica.Delegated, ID: e.ID, Exit: int(code), Text: text})
}

// upOrDown are orders that no core has.
func (k *kernelEngine) upOrDown(ctx context.Context, down bool) control.Answer {
	change := k.drbd.Up
	if down {
		change = k.drbd.Down
	}
	var err error
	looked := k.do(ctx, func() { err = change(ctx) })
	if err == nil {
		err = looked
	}
	if err != nil && !down {
		err = errors.Join(err, Below(k.device.conf).Held(""))
	}
	if err != nil {
		return control.Answer{Text: err.Error()}
	}
	k.device.setDown(down)
	return control.Answer{OK: true}
}

// kernelsDevice is the device of a resource whose engine makes it.
type kernelsDevice struct{}

var _ export.Frontend = kernelsDevice{}

// Expose and the others do nothing: the kernel does.
func (kernelsDevice) Expose(export.Spec) error { return nil }

// Withdraw is the kernel's, with the demotion.
func (kernelsDevice) Withdraw(bool) error { return nil }

// Users are not counted: only the kernel knows.
func (kernelsDevice) Users() int { return 0 }

// Holder is not known either.
func (kernelsDevice) Holder() string { return "" }

// Close leaves the device to its users.
func (kernelsDevice) Close() error { return nil }

// isForeign tells whether the resource goes on without this daemon.
func (n *Node) isForeign(resource int) bool { return n.devices[resource].foreign != nil }
