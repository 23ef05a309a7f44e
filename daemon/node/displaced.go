package node

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// displacedFile is the file below RunDir with the guests that were displaced.
const displacedFile = "displaced"

// backEach is how often is looked whether displaced guests may come back, backTry
// how long after a try that failed the next one begins.
const (
	backEach = 5 * time.Second
	backTry  = time.Minute
)

// stable is what failover calls a node that has looked at what runs and heard its
// peer, and does not leave.
const stable = "stable"

// displaces are the guests that this node runs for itself, or nil.
func (n *Node) displaces() *xen.Displaced {
	files := n.site.Displaced()
	if len(files) == 0 {
		return nil
	}
	return xen.NewDisplaced(xen.Guests{Files: files, Run: command.Exec}, filepath.Join(n.options.RunDir, displacedFile),
		func(err error) { n.log.Warn("guests of this node stay", "error", err) })
}

// bringBack starts displaced guests again, whenever this node has no guest of a
// group, as long as the node runs.
func (n *Node) bringBack() {
	for wait := backEach; ; {
		select {
		case <-time.After(wait):
		case <-n.ctx.Done():
			return
		}
		wait = backEach
		owed, err := n.displaced.Owed()
		if err == nil && (len(owed) == 0 || !n.hasNoGuests()) {
			continue
		}
		var back []string
		if err == nil {
			back, err = n.displaced.Return(n.ctx, n.hasNoGuests)
		}
		if len(back) > 0 {
			n.tell("%s: back, since no guest of a group is here", strings.Join(back, ", "))
		}
		if err != nil && n.ctx.Err() == nil {
			n.log.Warn("displaced guests do not come back", "error", err)
			wait = backTry
		}
	}
}

// hasNoGuests says whether no group with guests is here, or on its way.
func (n *Node) hasNoGuests() bool {
	free := false
	n.ask(func(m *machine.Machine) { free = noGuestsIn(n.site, m.Status().Failover) })
	return free
}

// noGuestsIn judges by what the failover core says. Groups stand in both in the
// same order.
func noGuestsIn(site *config.Site, s failover.Snapshot) bool {
	for i, g := range s.Groups {
		for _, r := range site.Groups[i].Resources {
			if g.Claimed && r.Script == config.GuestScript {
				return false
			}
		}
	}
	return s.Stage == stable && !s.Maintenance
}

// displacedNow are those that have made room and are not back.
func (n *Node) displacedNow() []string {
	if n.displaced == nil {
		return nil
	}
	owed, err := n.displaced.Owed()
	if err != nil {
		return []string{err.Error()}
	}
	return owed
}
