package node

import (
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/fence"
)

// fencePeer switches the peer off, and tells the machine what the device says.
func (n *Node) fencePeer(id uint64) {
	in := failover.Input{Kind: failover.Fenced, ID: id}
	s := n.site.Stonith()
	device := fence.Device{Type: s.Type, Args: s.Args, File: s.File, Run: command.Exec}
	if err := device.Reset(n.ctx, n.site.Peer); err != nil {
		in.Failed, in.Text = true, err.Error()
		n.log.Error("fencing", "peer", n.site.Peer, "error", err)
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}
