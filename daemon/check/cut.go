package check

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/haconf"
)

// cut says in one sentence what a cut of the link for longer than deadtime will
// do.
func cut(ha *haconf.HA) string {
	begins := fmt.Sprintf("if the link is cut for longer than deadtime (%s), ", ha.Deadtime)
	switch ha.Policy {
	case haconf.PolicyFreeze:
		return "policy freeze: " + begins + "the active node lets its guests wait until the link is back, and nobody takes over; " +
			"an operator can order a takeover by force"
	case haconf.PolicyWitness:
		return "policy witness: " + begins + fmt.Sprintf("the node that has the lease goes on, which is the active one while it reaches "+
			"the witness; one that does not lets its guests wait, and stops them before its lease (%s) ends", ha.Lease)
	}
	if len(ha.Stonith) > 0 {
		return "fencing is configured, and no witness: " + begins + "the node that is to take a group over has the other one " +
			"switched off first, and takes nothing over while the device does not say that it is off"
	}
	return "neither a witness nor fencing is configured: " + begins +
		"both nodes will run the guests, and one side's changes will have to be given up"
}

// unwatched says that nobody looks after what runs.
func unwatched(ha *haconf.HA) string {
	if ha.Monitor.Every > 0 {
		return ""
	}
	return "no monitor is configured: a guest or service that dies while its node lives stays down, as with Heartbeat; " +
		"'monitor 30' looks every 30 s, starts again what died, and asks the other node when that does not help"
}
