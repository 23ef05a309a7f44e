package world

import (
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Attach gives the disk to the replica; then gets the answer.
func (n *Node) Attach(then func(code int, text string)) {
	n.order(replica.Input{Order: replica.OrderAttach, Disk: n.disk.measure()}, then)
}

// Adjust gives a changed configuration to the replica (replica.Adjustment); then gets
// the answer.
func (n *Node) Adjust(to []byte, then func(code int, text string)) {
	n.order(replica.Input{Order: replica.OrderAdjust, Data: to}, then)
}

func (d *device) measure() replica.Disk {
	return replica.Disk{DataSectors: d.size, MetaSectors: d.size, LastSectors: d.last}
}

// Restart stops everything on the node in order, and the daemon comes back
// after a while.
func (n *Node) Restart(after time.Duration) {
	if n.alive {
		n.w.Tracef("%s is stopped", Name(n.id))
		n.comeback = after
		n.Move(failover.OrderStop, failover.None, false)
	}
}

// shutDown ends the daemon once its metadata is clean.
func (n *Node) shutDown() {
	n.Order(replica.OrderShutdown, false, func(code int, _ string) {
		if code < int(drbdwire.Success) {
			n.soon(n.shutDown)
			return
		}
		n.w.Tracef("%s has stopped", Name(n.id))
		n.down(false)
		n.disk.settle()
		n.w.net.processDied(n)
		n.w.watcher.Down(n.id, false)
		n.w.After(n.comeback, func() { n.Boot(false) })
	})
}

// Order gives an administrator's order to the replica; then gets the answer.
func (n *Node) Order(kind replica.OrderKind, force bool, then func(code int, text string)) {
	n.order(replica.Input{Order: kind, Force: force}, then)
}

func (n *Node) order(in replica.Input, then func(code int, text string)) {
	n.orders++
	in.Kind, in.ID = replica.Order, n.orders
	n.answers[n.orders] = then
	epoch := n.epoch
	n.w.After(0, func() {
		if n.epoch == epoch {
			n.deliver(in)
		}
	})
}

// Move gives an administrator's order to the failover core.
func (n *Node) Move(kind failover.OrderKind, set failover.Set, force bool) {
	if n.alive {
		n.give(&machine.Input{Part: machine.Failover, Failover: failover.Input{
			Kind: failover.Order, Order: kind, Set: set, Force: force, ID: 1,
		}})
	}
}
