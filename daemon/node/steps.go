package node

import (
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// finder knows what the words of haresources mean on this node.
func (n *Node) finder() agent.Finder {
	var parameters []string
	for name, value := range n.site.HA.Parameters() {
		parameters = append(parameters, name+"="+value)
	}
	confDir := n.site.Dir + "/ha.d"
	settings := agent.Settings{Host: n.site.Node, ConfDir: confDir, Parameters: parameters}
	return agent.Finder{
		Override: n.options.Agents,
		ConfDir:  confDir,
		Env:      append(settings.Env(), n.environment()...),
		Run:      command.Exec,
		Builtin: map[string]agent.Maker{
			"LVM":   n.makeLVM,
			"xenHA": func([]string) (agent.Resource, error) { return xen.Guests{Run: command.Exec}, nil },
		},
	}
}

// environment tells scripts where this node's devices are.
func (n *Node) environment() []string {
	env := []string{"POLLUX_RUN_DIR=" + n.options.RunDir, "POLLUX_NODE=" + n.site.Node}
	for _, r := range n.site.Resources {
		env = append(env, "POLLUX_NBD_"+r.Conf.Name+"="+n.SocketOf(r.Conf.Name))
	}
	return env
}

func (n *Node) makeLVM(args []string) (agent.Resource, error) {
	if len(args) != 1 {
		return nil, errOneGroup
	}
	g := lvm.Group{Name: args[0], Run: command.Exec}
	for _, r := range n.site.Resources {
		g.Devices = append(g.Devices, r.Volume.Device)
	}
	return g, nil
}

// do carries one step of a group out with its program.
func (n *Node) do(e failover.Effect) {
	word := n.site.Groups[e.Group].Resources[e.Index].Text
	in := failover.Input{Kind: failover.Done, ID: e.ID}
	resource, err := n.agents.Find(word)
	if err == nil {
		switch e.Action {
		case failover.Start:
			n.tell("start %s", word)
			err = resource.Start(n.ctx)
		case failover.Stop:
			n.tell("stop %s", word)
			err = resource.Stop(n.ctx)
		default:
			in.State, in.Text, err = resource.Status(n.ctx)
		}
	}
	if err != nil {
		in.Failed, in.Text = true, err.Error()
		n.log.Warn("step failed", "resource", word, "action", e.Action.String(), "error", err)
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}
