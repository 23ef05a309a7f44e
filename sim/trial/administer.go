package trial

import (
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/world"
)

// administer gives an order to a replica, as an operator does who knows what
// he is doing: he calls data bad only while there is better data, and gives up
// none that a guest has written last. What he finds may have changed when the
// order arrives; the core has to cope with that, or refuse.
func (t *trial) administer(f plan.Fault) {
	node := t.w.Node(f.Node)
	if !node.Alive() {
		return
	}
	s := node.State()
	both := s.Conn == drbdwire.Connected && s.Disk == drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate
	switch f.Kind {
	case plan.Leave:
		t.forAWhile(node, replica.OrderDisconnect, replica.OrderConnect, f.For)
	case plan.Give:
		if t.g.LastRun() != f.Node {
			t.giveUp(node, f.For)
		}
	case plan.Detach:
		t.order(node, replica.OrderDetach, func(done bool) {
			if done {
				t.o.Detached(f.Node)
			}
			t.later(node, f.For, func() { node.Attach(func(_ int, text string) { t.answered(node, "attach", text) }) })
		})
	case plan.Fetch:
		if both && s.Role == drbdwire.Secondary {
			t.order(node, replica.OrderInvalidate, nil)
		}
	case plan.Push:
		if both && s.Peer == drbdwire.Secondary {
			t.order(node, replica.OrderInvalidateRemote, nil)
		}
	case plan.Freeze:
		t.forAWhile(node, replica.OrderSuspendIO, replica.OrderResumeIO, f.For)
	case plan.Outdate:
		t.order(node, replica.OrderOutdate, nil)
	case plan.Verify:
		t.order(node, replica.OrderVerify, nil)
	case plan.Abort:
		t.order(node, replica.OrderAbortVerify, nil)
	case plan.Suspend:
		t.forAWhile(node, replica.OrderPauseSync, replica.OrderResumeSync, f.For)
	case plan.Demote:
		t.order(node, replica.OrderSecondary, nil)
	case plan.Renew:
		t.renewWhileAlone(f)
	case plan.Adjust:
		t.adjust(node, f.For)
	default: // strike carries the others out
	}
}

// forAWhile gives an order, and the one that undoes it later, until it is
// carried out.
func (t *trial) forAWhile(node *world.Node, kind, undo replica.OrderKind, d time.Duration) {
	var end func()
	end = func() {
		node.Order(undo, false, func(code int, text string) {
			if drbdwire.Code(code) == drbdwire.InTransientState {
				t.later(node, time.Second, end)
				return
			}
			t.answered(node, "undone", text)
		})
	}
	t.order(node, kind, func(bool) { t.later(node, d, end) })
}

// giveUp connects a node again as one whose data does not count.
func (t *trial) giveUp(node *world.Node, after time.Duration) {
	n := 0
	if node == t.w.Node(1) {
		n = 1
	}
	t.order(node, replica.OrderDisconnect, func(bool) {
		t.later(node, after, func() {
			if node.IsExposed() || node.State().Role == drbdwire.Primary || t.g.LastRun() == n {
				t.order(node, replica.OrderConnect, nil) // it has got a guest meanwhile
				return
			}
			t.o.Discards(n)
			node.Order(replica.OrderConnect, true, func(_ int, text string) { t.answered(node, "discard-my-data", text) })
		})
	})
}

// renewWhileAlone disconnects a node whose data its users saw last, and begins a new
// generation of it halfway.
func (t *trial) renewWhileAlone(f plan.Fault) {
	node := t.w.Node(f.Node)
	if t.g.LastDisk() != f.Node {
		return
	}
	t.forAWhile(node, replica.OrderDisconnect, replica.OrderConnect, f.For)
	t.later(node, f.For/2, func() {
		if t.g.LastDisk() == f.Node {
			t.order(node, replica.OrderNewCurrentUUID, nil)
		}
	})
}

// later does something on a node after a while, if it lives then.
func (t *trial) later(node *world.Node, d time.Duration, do func()) {
	t.w.After(d, func() {
		if node.Alive() {
			do()
		}
	})
}

// order gives an order; then follows whatever the answer is, and hears whether anything was done.
func (t *trial) order(node *world.Node, kind replica.OrderKind, then func(done bool)) {
	node.Order(kind, false, func(code int, text string) {
		if code < int(drbdwire.Success) {
			t.answered(node, "refused", text)
		}
		if then != nil {
			then(code == int(drbdwire.Success))
		}
	})
}

func (t *trial) answered(node *world.Node, what, text string) {
	if text != "" && t.w.Tracing() {
		t.w.Tracef("operator: %s: %s: %s", node, what, text)
	}
}
