package oracle

import (
	"fmt"

	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Unsettled says what is missing from the stable state of promise 10: both
// nodes connected and up to date, nothing marked, the guest on one of them.
// Empty is stable.
func (o *Oracle) Unsettled() string {
	guests := 0
	for n := range 2 {
		node := o.w.Node(n)
		s := node.State()
		switch {
		case !node.Alive() || node.Paused():
			return name(n) + " is down"
		case s.Conn != drbdwire.Connected, s.Disk != drbdwire.UpToDate, s.PeerDisk != drbdwire.UpToDate:
			return node.String()
		}
		if out := node.Core().Status().Resources[0].OutOfSync; out > 0 {
			return fmt.Sprintf("%s marks %d KiB as different", name(n), out)
		}
		if node.RunsGuest() {
			guests++
		}
	}
	if guests != 1 {
		return fmt.Sprintf("the guest runs on %d nodes", guests)
	}
	return ""
}

// Converged notes that a run did not become stable in time.
func (o *Oracle) Converged(why string) {
	if why != "" {
		o.w.Fail(promise10, "%s", why)
	}
}
