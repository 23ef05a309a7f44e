package node

import (
	"context"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// weigh tells the failover core whether this node has the memory for the guests of
// groups that it may get.
func (n *Node) weigh(id uint64, groups string) {
	in := failover.Input{Kind: failover.Weighed, ID: id}
	in.Text = n.noRoom(groups)
	in.Failed = in.Text != ""
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}

// noRoom is why this node has not the memory for groups, or "".
func (n *Node) noRoom(groups string) string {
	if err := roomFor(n.ctx, command.Exec, n.site, groups); err != nil {
		return err.Error()
	}
	return ""
}

// roomFor is an error if there is not the memory for the guests of the groups with a 1
// in digits. What can't be read, or asked, is for the start of the guests to say.
func roomFor(ctx context.Context, run command.Runner, site *config.Site, digits string) error {
	var groups []haconf.Group
	for i, g := range site.Groups {
		if i < len(digits) && digits[i] == '1' {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	return xen.Look(ctx, xen.Guests{Run: run}, site.GuestDirs(groups...), site.Displaced()).Fits()
}
