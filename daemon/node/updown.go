package node

import (
	"context"
	"time"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// resourceOrder gives what carries an order about one resource out.
func (n *Node) resourceOrder(o control.Order) (func(context.Context, *device) control.Answer, bool) {
	switch o.Order {
	case "up":
		return func(ctx context.Context, d *device) control.Answer { return d.bringUp(ctx) }, true
	case "down":
		return func(ctx context.Context, d *device) control.Answer { return d.takeDown(ctx) }, true
	case "new-minor":
		return func(_ context.Context, d *device) control.Answer {
			d.setDown(false)
			return control.Answer{OK: true}
		}, true
	case "adjust":
		return func(ctx context.Context, d *device) control.Answer { return d.adjust(ctx) }, true
	case "show":
		return func(_ context.Context, d *device) control.Answer {
			return control.Answer{OK: true, Text: d.show()}
		}, true
	}
	kind, ok := replicaOrder(o.Order)
	return func(ctx context.Context, d *device) control.Answer {
		in := replica.Input{Kind: replica.Order, Order: kind, Force: o.Force}
		if kind == replica.OrderResize {
			if err := resizeArgs(&in, o.Args, d.conf); err != nil {
				return control.Answer{Text: err.Error()}
			}
		}
		if kind == replica.OrderVerify {
			if err := verifyRange(o.Args, &in); err != nil {
				return control.Answer{Text: err.Error()}
			}
		}
		a := n.give(ctx, d.index, in)
		if a.OK && (kind == replica.OrderAttach || kind == replica.OrderConnect) {
			d.setDown(false)
		}
		return a
	}, ok
}

// bringUp is what drbdadm up does: use the disk, look for the peer. What is
// done already is left as it is.
func (d *device) bringUp(ctx context.Context) control.Answer {
	if d.foreign != nil {
		return d.foreign.upOrDown(ctx, false)
	}
	s := d.state()
	if s.Disk == drbdwire.Diskless {
		if a := d.node.orderContext(ctx, d.index, replica.OrderAttach, false); !a.OK {
			return a
		}
	}
	d.setDown(false)
	if s.Conn == drbdwire.StandAlone {
		return d.node.orderContext(ctx, d.index, replica.OrderConnect, false)
	}
	return control.Answer{OK: true}
}

// takeDown leaves nothing of a resource in use.
func (d *device) takeDown(ctx context.Context) control.Answer {
	if d.foreign != nil {
		return d.foreign.upOrDown(ctx, true)
	}
	for _, kind := range []replica.OrderKind{replica.OrderSecondary, replica.OrderDisconnect, replica.OrderDetach} {
		if a := d.node.orderContext(ctx, d.index, kind, false); !a.OK {
			return a
		}
	}
	d.setDown(true)
	return control.Answer{OK: true}
}

// show is the configuration that counts now.
func (d *device) show() string {
	r := d.conf.Conf
	if adjusted := d.adjusted.Load(); adjusted != nil {
		r = adjusted
	}
	own, _ := r.Host(d.node.site.Node)
	return r.Show(own)
}

func (d *device) setDown(down bool) {
	d.mu.Lock()
	was := d.down
	d.down = down
	d.mu.Unlock()
	switch {
	case down && !was:
		d.node.log.Info("down", "resource", d.conf.Conf.Name)
		d.node.publish(Event{Resource: d.conf.Conf.Name, Text: "down", Down: true})
	case was && !down:
		d.tell("up")
	}
}

func (d *device) isDown() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.down
}

// isReleased waits until the disk is closed.
func (d *device) isReleased(ctx context.Context) {
	d.mu.Lock()
	released := d.released
	d.mu.Unlock()
	if released == nil {
		return
	}
	select {
	case <-released:
	case <-ctx.Done():
	case <-d.node.ctx.Done():
	}
}

// closing is how long an order waits for a disk that has failed.
const closing = time.Second

// releaseFailed has a disk closed that has failed, and is open since the core still
// wants to tell it that it is old.
func (d *device) releaseFailed(ctx context.Context) {
	if data, _ := d.disks(); data == nil || d.state().Disk != drbdwire.Diskless {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	d.node.orderContext(ctx, d.index, replica.OrderDetach, false)
}

// owes tells whether the core still wants to tell a failed disk that it is old, and has
// it closed then.
func (d *device) owes() (owes bool) {
	d.node.ask(func(m *machine.Machine) {
		r := m.Resource(d.index)
		owes = r != nil && r.OwesLastWord()
	})
	return owes
}

// toolAddress is an address as drbdsetup writes it.
func toolAddress(a drbdconf.Address) string {
	if a.IPv6 {
		return "ipv6:" + a.String()
	}
	return "ipv4:" + a.String()
}
