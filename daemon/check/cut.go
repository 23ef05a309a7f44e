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
	default:
		return "neither a witness nor fencing is configured: " + begins +
			"both nodes will run the guests, and one side's changes will have to be given up"
	}
}
