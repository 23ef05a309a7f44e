package trial

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/sim/world"
)

// resizeEach is how long the operator waits after a resize that was refused.
const resizeEach = 4 * time.Second

// grow gives both nodes larger disks, and orders the device to follow until it
// does.
func (t *trial) grow() {
	for n := range 2 {
		t.w.Node(n).Enlarge()
	}
	t.resize()
}

func (t *trial) resize() {
	if t.tooSmall() == "" {
		return
	}
	t.w.After(resizeEach, t.resize) // a node that dies does not answer
	n := t.g.LastRun()
	if node := t.w.Node(n); node.Alive() && node.State().Conn >= drbdwire.Connected {
		node.Order(replica.OrderResize, false, func(_ int, text string) {
			t.w.Tracef("operator: resize on %s: %s", world.Name(n), text)
		})
	}
}

// tooSmall says which device has not grown with its disks.
func (t *trial) tooSmall() string {
	if t.world.Growth == 0 {
		return ""
	}
	l, err := drbdmeta.Internal(t.world.Sectors+t.world.Growth, 1, 8)
	if err != nil {
		return err.Error()
	}
	for n := range 2 {
		if size := t.w.Node(n).Size(); size != l.DataSectors {
			return fmt.Sprintf("%s has %d sectors, and room for %d", world.Name(n), size, l.DataSectors)
		}
	}
	return ""
}
