package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/driver/agent"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/dnsname"
	"github.com/optionc/pollux/daemon/driver/ipaddr"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// CheckGroups says which words of haresources mean nothing on this node; each
// is one error, with its place.
func CheckGroups(site *config.Site) error {
	return checkGroups(site, finder(site, Options{}, xen.Guests{}))
}

func checkGroups(site *config.Site, agents agent.Finder) error {
	var errs []error
	for _, g := range site.Groups {
		for _, r := range g.Resources {
			if r.Script == config.RoleScript {
				continue
			}
			if _, err := agents.Find(r.Text); err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %w", filepath.Join(site.Dir, "ha.d", "haresources"), g.Line, err))
			}
		}
	}
	return errors.Join(errs...)
}

// finder knows what the words of haresources mean on this node. Guests are made
// after the one that it gets.
func finder(site *config.Site, o Options, guests xen.Guests) agent.Finder {
	var parameters []string
	for name, value := range site.HA.Parameters() {
		parameters = append(parameters, name+"="+value)
	}
	for _, v := range site.HA.Env {
		parameters = append(parameters, v.Name+"="+v.Value)
	}
	confDir := filepath.Join(site.Dir, "ha.d")
	settings := agent.Settings{Host: site.Node, ConfDir: confDir, Parameters: parameters}
	return agent.Finder{
		Override: o.Agents,
		ConfDir:  confDir,
		Env:      append(settings.Env(), environment(site, o)...),
		Run:      command.Exec,
		Builtin: map[string]agent.Maker{
			"LVM":      func(args []string) (agent.Resource, error) { return makeLVM(site, args) },
			"xenHA":    func(args []string) (agent.Resource, error) { return makeGuests(site, guests, args) },
			"IPaddr":   makeAddress,
			"IPaddr2":  makeAddress,
			"IPv6addr": makeAddress,
			"DNS":      nameMaker(site.Node),
		},
	}
}

// environment tells scripts where this node's devices are.
func environment(site *config.Site, o Options) []string {
	env := []string{"POLLUX_RUN_DIR=" + o.RunDir, "POLLUX_NODE=" + site.Node}
	for _, r := range site.Resources {
		env = append(env, "POLLUX_NBD_"+r.Conf.Name+"="+o.socketOf(r.Conf.Name))
	}
	return env
}

func makeLVM(site *config.Site, args []string) (agent.Resource, error) {
	if len(args) != 1 {
		return nil, errOneGroup
	}
	g := lvm.Group{Name: args[0], Run: command.Exec}
	own := site.ResourcesOf("LVM", g.Name)
	for _, r := range site.Resources {
		if !slices.ContainsFunc(own, func(o config.Resource) bool { return o.Conf == r.Conf }) {
			g.Others = append(g.Others, r.Volume.Device)
			continue
		}
		g.Devices = append(g.Devices, r.Volume.Device)
		g.Below = append(g.Below, Below(r))
	}
	return g, nil
}

// Below is the disk below a resource, as LVM must not use it.
func Below(r config.Resource) lvm.Below {
	return lvm.Below{Resource: r.Conf.Name, Disk: r.Volume.Disk}
}

func makeGuests(site *config.Site, g xen.Guests, args []string) (agent.Resource, error) {
	g.Dir, g.AtOnce = site.GuestDir(), site.HA.Guests.AtOnce
	switch {
	case len(args) > 1 || len(args) == 1 && !filepath.IsAbs(args[0]):
		return nil, errOneDirectory
	case len(args) == 1:
		g.Dir = args[0]
	}
	return g, nil
}

func makeAddress(args []string) (agent.Resource, error) {
	a, err := ipaddr.Parse(args)
	a.Run = command.Exec
	return a, err
}

// nameMaker makes each name once: it remembers where it pointed, for a server
// that can't be asked.
func nameMaker(node string) agent.Maker {
	var mu sync.Mutex
	names := map[string]*dnsname.Name{}
	return func(args []string) (agent.Resource, error) {
		mu.Lock()
		defer mu.Unlock()
		word := strings.Join(args, "::")
		if n := names[word]; n != nil {
			return n, nil
		}
		n, err := dnsname.Parse(node, args)
		if err != nil {
			return nil, err
		}
		names[word] = n
		return n, nil
	}
}

// do carries one step of a group out with its program.
func (n *Node) do(e failover.Effect) {
	word := n.site.Groups[e.Group].Resources[e.Index].Text
	in := failover.Input{Kind: failover.Done, ID: e.ID}
	begun := n.now()
	resource, err := n.agents.Find(word)
	if err == nil {
		switch e.Action {
		case failover.Start:
			n.tell("start %s", word)
			err = resource.Start(n.ctx)
		case failover.Stop:
			n.tell("stop %s", word)
			err = stop(n.ctx, resource, e.Within)
		default:
			look := resource.Status
			if m, ok := resource.(agent.Monitor); ok && e.Watch {
				look = m.Monitor
			}
			in.State, in.Text, err = look(n.ctx)
		}
	}
	if err == nil && e.Action != failover.Status {
		n.durations.note(word, e.Action, n.now()-begun)
	}
	if err != nil {
		in.Failed, in.Text = true, err.Error()
		n.log.Warn("step failed", "resource", word, "action", e.Action.String(), "error", err)
	}
	n.inbox.put(machine.Input{Part: machine.Failover, Failover: in})
}

// stop stops a resource; within a time, the hard way if need be, unless that is 0.
func stop(ctx context.Context, resource agent.Resource, within time.Duration) error {
	if hasty, ok := resource.(agent.Hasty); ok && within > 0 {
		return hasty.StopWithin(ctx, within)
	}
	return resource.Stop(ctx)
}
