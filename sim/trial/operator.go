package trial

import (
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/sim/world"
)

// begin makes the first node's data the truth, as an operator does once with
// new disks.
func (t *trial) begin() {
	node := t.w.Node(0)
	s := node.State()
	if s.Disk == drbdwire.UpToDate {
		return
	}
	if s.Conn != drbdwire.Connected || s.Disk != drbdwire.Inconsistent {
		t.w.After(time.Second, t.begin)
		return
	}
	// It stays Primary: the cluster starts the rest at once.
	node.Order(replica.OrderPrimary, true, func(code int, _ string) {
		if code < int(drbdwire.Success) {
			t.w.After(time.Second, t.begin)
		}
	})
}

// help does what only an operator can do: decide a split brain, and order the
// groups to start where they failed.
func (t *trial) help() {
	if t.w.Now() < max(t.helped, t.calm)+helpEach {
		return
	}
	t.helped = t.w.Now()
	a, b := t.w.Node(0), t.w.Node(1)
	if !a.Alive() || !b.Alive() {
		return
	}
	for _, node := range [...]*world.Node{a, b} {
		t.mend(node)
		if node.State().UserPause { // somebody else was giving an order when he meant to
			t.order(node, replica.OrderResumeSync, nil)
		}
	}
	switch {
	case a.State().Conn == drbdwire.StandAlone || b.State().Conn == drbdwire.StandAlone:
		t.relieve()
		t.reconcile()
	case t.marked():
		t.repairs++
		t.renew()
	case !a.RunsGuest() && !b.RunsGuest() && t.w.Now() > t.calm+60*time.Second:
		n := 0
		if a.State().Disk != drbdwire.UpToDate {
			n = 1
		}
		t.repairs++
		t.w.Tracef("operator: takeover on %s", world.Name(n))
		t.w.Node(n).Move(failover.OrderTakeover, failover.All, false)
	}
}

// relieve ends a load that fills the network, where a node has just given its peer
// up for that, as configured: connected again, it would do that again.
func (t *trial) relieve() {
	for n := range 2 {
		node := t.w.Node(n)
		note := node.Core().Resource(0).Status().Note
		if node.State().Conn == drbdwire.StandAlone && strings.HasPrefix(note, "on-congestion disconnect: ") {
			t.w.Tracef("operator: the guest on %s writes more than the link carries, and is stopped from that", world.Name(n))
			t.g.Quiet()
		}
	}
}

// mend gives a node its disk again. One that is Primary on the peer's disk, and can't
// go on with its own, moves its guest there first.
func (t *trial) mend(node *world.Node) {
	s := node.State()
	if s.Disk == drbdwire.Inconsistent && s.Conn == drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate {
		t.repairs++
		node.Order(replica.OrderInvalidate, false, func(_ int, text string) { t.w.Tracef("operator: invalidate: %s", text) })
		return
	}
	if s.Disk != drbdwire.Diskless {
		return
	}
	t.repairs++
	onPeers := s.Role == drbdwire.Primary && s.Conn >= drbdwire.Connected && s.PeerDisk == drbdwire.UpToDate
	node.Attach(func(code int, text string) {
		t.w.Tracef("operator: attach: %s", text)
		if onPeers && code < int(drbdwire.Success) {
			node.Move(failover.OrderStandby, failover.All, false)
		}
	})
}

// reconcile connects the nodes again. If they refuse, the data of the one that
// does not run the guest, or whose disk did not serve it last, is given up; but never
// the only whole copy.
func (t *trial) reconcile() {
	victim := 1 - t.g.LastDisk()
	switch {
	case t.isHalf(victim):
	case t.isHalf(1 - victim), t.w.Node(victim).IsExposed() && !t.isOld(victim):
		victim = 1 - victim
	}
	if t.w.Node(0).IsExposed() && t.w.Node(1).IsExposed() {
		t.unfreeze() // else the cluster is about to stop one of them
		return
	}
	if t.asked && (t.unfreeze() || t.isOld(victim) && t.w.Node(victim).IsExposed()) {
		return // its users come first
	}
	t.repairs++
	// The first time the nodes are just connected: they may agree. And without two
	// copies there is nothing to choose from.
	choice := t.asked && t.w.Node(0).State().Disk != drbdwire.Diskless && t.w.Node(1).State().Disk != drbdwire.Diskless
	t.asked = true
	if choice {
		t.w.Tracef("operator: %s gives its data up", world.Name(victim))
		t.o.Discards(victim)
	}
	for n := range 2 {
		if t.w.Node(n).State().Conn == drbdwire.StandAlone || choice && n == victim {
			t.rejoin(n, choice && n == victim)
		}
	}
	t.gave = t.gave || choice
}

// stuck is how long an operator watches a node that can't stop what runs on
// it, before it starts the node again.
const stuck = 60 * time.Second

// isHalf tells whether a node has half a copy while its peer's is whole.
func (t *trial) isHalf(n int) bool {
	return t.w.Node(n).State().Disk == drbdwire.Inconsistent && t.w.Node(1-n).State().Disk > drbdwire.Inconsistent
}

// isOld tells whether a node's disk is not what its users have seen, if it has any:
// that is the peer's.
func (t *trial) isOld(n int) bool {
	d := t.w.Node(n).State().Disk
	return d >= drbdwire.Inconsistent && d < drbdwire.UpToDate
}

// unfreeze starts a Primary again whose users wait for data that it will not get:
// without them nothing on it can be stopped. One with half a copy, or with an old one that
// the peer had not begun to copy to, refuses the peer's whole one if that is older than
// what its users have seen, as when somebody put an old disk back. Nothing newer is left
// then, and these users can't go on.
func (t *trial) unfreeze() bool {
	for n := range 2 {
		node, s := t.w.Node(n), t.w.Node(n).State()
		unusable := s.Disk == drbdwire.Diskless || s.Disk == drbdwire.Outdated || t.isHalf(n)
		if s.Role == drbdwire.Primary && unusable && s.Conn < drbdwire.Connected && t.w.Now() > t.calm+stuck {
			t.repairs++
			t.w.Tracef("operator: %s is started again", world.Name(n))
			node.Crash()
			t.w.After(time.Second, func() { node.Boot(true) })
			return true
		}
	}
	return false
}

// rejoin connects a node. Where a policy decides, it does so before the order
// to discard counts: then the data has to be called bad first. So it has where the
// order to discard was of no use: it is about a split brain, and the other node may
// refuse a copy that only seems newer. The order counts all the same where the copies
// have lost their common past.
func (t *trial) rejoin(n int, discard bool) {
	node := t.w.Node(n)
	connect := func(int, string) { node.Order(replica.OrderConnect, discard, func(int, string) {}) }
	policy := t.rules.AfterSB0 != drbdwire.AfterSBDisconnect || t.rules.AfterSB1 != drbdwire.AfterSBDisconnect
	if discard && (policy || t.gave) {
		connect = func(int, string) {
			node.Order(replica.OrderInvalidate, false, func(int, string) {
				node.Order(replica.OrderConnect, true, func(int, string) {})
			})
		}
	}
	if node.State().Conn == drbdwire.StandAlone {
		connect(0, "")
		return
	}
	node.Order(replica.OrderDisconnect, false, connect)
}
