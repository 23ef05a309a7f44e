package oracle

import (
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/sim/world"
)

// Acting checks a step of a group against the truth, at the moment when its
// program begins: promises 7, 8 and 9.
func (o *Oracle) Acting(n int, tool world.Tool, start bool) {
	here, there := o.w.Node(n), o.w.Node(1-n)
	if !start {
		o.Counts.Stops++
		switch {
		case tool == world.VG && here.RunsGuest():
			o.w.Fail(promise8, "%s stops the volume group while the guest runs on it", name(n))
		case tool == world.Device && here.HasVG():
			o.w.Fail(promise8, "%s demotes the device while the volume group is active", name(n))
		}
		return
	}
	o.Counts.Starts++
	at := o.nodes[n]
	switch {
	case tool == world.VG && (!here.IsExposed() || here.State().Role != drbdwire.Primary):
		o.w.Fail(promise8, "%s starts the volume group on a device that is %s", name(n), here.State().Role)
	case tool == world.Guests && !here.HasVG():
		o.w.Fail(promise8, "%s starts the guest, and its volume group is not active", name(n))
	case at.restarted && !at.heard && !at.vouched && !at.witnessed && here.Crashed():
		o.w.Fail(promise9, "%s starts %s after a crash, and has heard from nobody", name(n), tool)
	case o.rules.Apart && !o.rules.Fenced && !o.rules.Leased && !o.rules.Shot:
	case o.mayBeFrozen(there):
		if there.HasVG() || there.RunsGuest() {
			o.Counts.Frozen++
		}
	case tool == world.VG && (there.HasVG() || there.RunsGuest()):
		o.w.Fail(promise7, "%s starts the volume group, which is active on %s", name(n), name(1-n))
	case tool == world.Guests && there.RunsGuest():
		o.w.Fail(promise7, "%s starts the guest, which runs on %s", name(n), name(1-n))
	}
}

// mayBeFrozen tells whether what is left on a node is excused: with leases a node
// that can't stop what runs there, because it stands still or its programs fail,
// serves it no more.
func (o *Oracle) mayBeFrozen(there *world.Node) bool {
	if !o.rules.Leased || !there.IsFrozen() {
		return false
	}
	return !o.rules.Stops || there.Awake() < o.rules.Lease
}

// Doubled judges a guest that runs on both nodes: with leases one of them is
// frozen.
func (o *Oracle) Doubled() {
	if o.rules.Leased && !o.w.Node(0).IsFrozen() && !o.w.Node(1).IsFrozen() {
		o.w.Fail(promise7, "the guest runs on both nodes, and neither is frozen")
	}
}
