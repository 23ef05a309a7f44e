package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var (
	errOneGroup     = errors.New("want the name of one volume group, as in LVM::vg")
	errOneDirectory = errors.New("want no more than the directory of the guests' files, as in xenHA::/etc/xen/web.d")
)

// answers are the orders that wait for what the machine says to them.
type answers struct {
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan control.Answer
}

func (a *answers) wait() (uint64, chan control.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	c := make(chan control.Answer, 1)
	a.waiting[a.next] = c
	return a.next, c
}

func (a *answers) give(id uint64, answer control.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[id]; c != nil {
		c <- answer
		delete(a.waiting, id)
	}
}

// replicaOrders are the verbs of an administrator about one resource.
func replicaOrder(verb string) (replica.OrderKind, bool) {
	kind, ok := map[string]replica.OrderKind{
		"attach": replica.OrderAttach, "detach": replica.OrderDetach, "connect": replica.OrderConnect,
		"disconnect": replica.OrderDisconnect, "primary": replica.OrderPrimary, "secondary": replica.OrderSecondary,
		"invalidate": replica.OrderInvalidate, "invalidate-remote": replica.OrderInvalidateRemote,
		"outdate": replica.OrderOutdate, "pause-sync": replica.OrderPauseSync, "resume-sync": replica.OrderResumeSync,
		"suspend-io": replica.OrderSuspendIO, "resume-io": replica.OrderResumeIO,
		"verify": replica.OrderVerify, "verify-abort": replica.OrderAbortVerify,
		"resize":           replica.OrderResize,
		"new-current-uuid": replica.OrderNewCurrentUUID,
	}[verb]
	return kind, ok
}

// Order carries an administrator's order out and waits for what became of it.
func (n *Node) Order(ctx context.Context, o control.Order) control.Answer {
	if about, ok := n.resourceOrder(o); ok {
		i := slices.IndexFunc(n.site.Resources, func(r config.Resource) bool { return r.Conf.Name == o.Resource })
		if i < 0 {
			return control.Answer{Text: fmt.Sprintf("%s: No such resource", o.Resource)}
		}
		return about(ctx, n.devices[i])
	}
	switch o.Order {
	case "record":
		return n.saveRecording(ctx, o)
	case "plan":
		return n.plan(o)
	case "history":
		text, err := n.history.read()
		if err != nil {
			return control.Answer{Text: err.Error()}
		}
		return control.Answer{OK: true, Text: text}
	}
	kind, ok := map[string]failover.OrderKind{
		"standby": failover.OrderStandby, "takeover": failover.OrderTakeover,
		"maintenance-on": failover.OrderMaintenanceOn, "maintenance-off": failover.OrderMaintenanceOff,
	}[o.Order]
	switch {
	case !ok:
		return control.Answer{Text: fmt.Sprintf("order %q is not known", o.Order)}
	case n.site.HA == nil:
		return control.Answer{Text: "this node has no ha.cf: there are no groups to move"}
	}
	word := "all"
	if len(o.Args) > 0 {
		word = o.Args[0]
	}
	set, err := failover.ParseSet(word)
	if err != nil {
		return control.Answer{Text: err.Error()}
	}
	return n.groupOrder(ctx, kind, set, o.Force)
}

func (n *Node) groupOrder(ctx context.Context, kind failover.OrderKind, set failover.Set, force bool) control.Answer {
	id, answer := n.answers.wait()
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: failover.Input{
		Kind: failover.Order, Order: kind, Set: set, Force: force, ID: id,
	}})
	return n.await(ctx, answer)
}

// order gives an order to a replica and waits as long as the node runs.
func (n *Node) order(resource int, kind replica.OrderKind, force bool) control.Answer {
	return n.orderContext(n.ctx, resource, kind, force)
}

func (n *Node) orderContext(ctx context.Context, resource int, kind replica.OrderKind, force bool) control.Answer {
	return n.give(ctx, resource, replica.Input{Order: kind, Force: force})
}

// give gives a replica an order and waits for what became of it.
func (n *Node) give(ctx context.Context, resource int, in replica.Input) control.Answer {
	in.Kind = replica.Order
	if in.Order == replica.OrderAttach && !n.isForeign(resource) {
		n.devices[resource].releaseFailed(ctx)
		disk, err := n.devices[resource].open()
		if err != nil {
			return control.Answer{Code: int(drbdwire.IsDiskless), Text: err.Error()}
		}
		in.Disk = disk
	}
	id, answer := n.answers.wait()
	in.ID = id
	n.inbox.put(machine.Input{Part: machine.Replica, Resource: resource, Replica: in})
	a := n.await(ctx, answer)
	switch {
	case in.Order == replica.OrderAttach && !a.OK && !n.devices[resource].owes():
		n.devices[resource].letGo()
	case in.Order == replica.OrderDetach && a.OK:
		n.devices[resource].isReleased(ctx) // so that it can be attached again at once
	}
	return a
}

func (n *Node) await(ctx context.Context, answer chan control.Answer) control.Answer {
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
		return control.Answer{Text: "nobody waited for the answer: " + context.Cause(ctx).Error()}
	case <-n.ctx.Done():
		return control.Answer{Text: "the daemon is ending"}
	}
}

// leaveTime is how long giving up the groups may take before the daemon ends
// without: what is left then looks like a crash, and is treated like one.
const leaveTime = 5 * time.Minute

// busyPause is how long an order that meets another one waits.
const busyPause = 50 * time.Millisecond

// patientOrder gives an order that has to be carried out: one that is under way
// already goes first.
func (n *Node) patientOrder(ctx context.Context, resource int, kind replica.OrderKind) control.Answer {
	for {
		a := n.orderContext(ctx, resource, kind, false)
		if a.OK || drbdwire.Code(a.Code) != drbdwire.InTransientState {
			return a
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return a
		}
	}
}

// leave gives the groups up and closes the disks cleanly.
func (n *Node) leave() error {
	ctx, cancel := context.WithTimeout(n.ctx, leaveTime)
	defer cancel()
	if n.site.HA != nil {
		if a := n.groupOrder(ctx, failover.OrderStop, failover.All, false); !a.OK {
			return fmt.Errorf("leave the cluster: %s", a.Text)
		}
		select {
		case <-n.left:
		case <-ctx.Done():
			return errors.New("leave the cluster: the groups did not stop in time")
		}
	}
	if err := n.shut(ctx); err != nil {
		return err
	}
	return n.identity.endCleanly()
}

// shut demotes all resources, and leaves their metadata as after a clean end.
// One that another engine replicates goes on.
func (n *Node) shut(ctx context.Context) error {
	for i, r := range n.site.Resources {
		if n.isForeign(i) {
			continue
		}
		for _, kind := range []replica.OrderKind{replica.OrderSecondary, replica.OrderShutdown} {
			if a := n.patientOrder(ctx, i, kind); !a.OK {
				return fmt.Errorf("resource %s: not closed cleanly: %s", r.Conf.Name, a.Text)
			}
		}
	}
	return nil
}
