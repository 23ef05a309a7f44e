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
	case at.restarted && !at.heard && !at.vouched && here.Crashed():
		o.w.Fail(promise9, "%s starts %s after a crash, and has not heard from its peer", name(n), tool)
	case o.rules.Apart && !o.rules.Fenced:
	case tool == world.VG && (there.HasVG() || there.RunsGuest()):
		o.w.Fail(promise7, "%s starts the volume group, which is active on %s", name(n), name(1-n))
	case tool == world.Guests && there.RunsGuest():
		o.w.Fail(promise7, "%s starts the guest, which runs on %s", name(n), name(1-n))
	}
}
