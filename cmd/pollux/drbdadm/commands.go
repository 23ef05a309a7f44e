package drbdadm

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// A command is one word of drbdadm: about targets, or about the whole file.
type command struct {
	name  string
	run   func(context.Context, *call, target) int
	whole func(context.Context, *call, []string) int
	// options that drbdsetup takes with this command, without their values.
	options []string
}

func (cmd command) takes(option string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(option, "-"), "=")
	return slices.Contains(cmd.options, name)
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// commands are all that there are.
func commands() []command {
	force := []string{"force"}
	list := []command{
		{name: "up", run: up},
		{name: "adjust", run: adjust},
		{name: "down", run: down},
		{name: "attach", run: attach},
		{name: "connect", run: connect, options: []string{"discard-my-data", "tentative"}},
		{name: "disconnect", run: disconnect, options: force},
		{name: "primary", run: perMinor("primary"), options: []string{"force", "overwrite-data-of-peer", "do-what-I-say"}},
		{name: "detach", run: perMinor("detach"), options: force},
		{name: "new-current-uuid", run: perMinor("new-current-uuid"), options: []string{"clear-bitmap"}},
		{name: "verify", run: perMinor("verify"), options: []string{"start", "stop"}},
		{name: "resize", run: resize, options: []string{"size", "assume-peer-has-space", "assume-clean"}},
		{name: "status", whole: status, options: []string{"verbose", "json", "color"}},
		{name: "wait-connect", run: waitConnect},
		{name: "wait-con-int", whole: waitAll},
		{name: "create-md", run: createMD, options: []string{"force", "al-stripes", "al-stripe-size-kB"}},
		{name: "dump-md", run: onMeta("dump-md")},
		{name: "wipe-md", run: onMeta("wipe-md"), options: force},
		{name: "apply-al", run: onMeta("apply-al")},
		{name: "dump", whole: dump},
		{name: "dump-xml", whole: dumpXML},
		{name: "events2", whole: events2, options: []string{"now", "timestamps", "statistics"}},
	}
	for _, name := range []string{
		"secondary", "role", "state", "cstate", "invalidate-remote", "pause-sync", "resume-sync", "suspend-io", "resume-io",
	} {
		list = append(list, command{name: name, run: perMinor(name)})
	}
	for _, name := range []string{"dstate", "get-gi", "show-gi", "outdate", "invalidate"} {
		list = append(list, command{name: name, run: orOnDisk(name)})
	}
	return append(list, helpers()...)
}

// perMinor is a command that drbdsetup has too.
func perMinor(name string) func(context.Context, *call, target) int {
	return func(ctx context.Context, c *call, t target) int {
		for _, v := range t.volumes {
			words := append([]string{name, strconv.Itoa(v.Minor)}, c.backend...)
			if code := c.steps(ctx, t.setup(words...)); code != 0 {
				return code
			}
		}
		return 0
	}
}

// onMeta is a command of drbdmeta.
func onMeta(name string) func(context.Context, *call, target) int {
	return func(ctx context.Context, c *call, t target) int {
		for _, v := range t.volumes {
			if code := c.steps(ctx, t.meta(v, name)); code != 0 {
				return code
			}
		}
		return 0
	}
}

// orOnDisk is a command that asks drbdsetup, and the disk if that is not in
// use.
func orOnDisk(name string) func(context.Context, *call, target) int {
	return func(ctx context.Context, c *call, t target) int {
		for _, v := range t.volumes {
			running, offline := t.setup(name, strconv.Itoa(v.Minor)), t.meta(v, name)
			if c.dryRun {
				return c.steps(ctx, running, offline)
			}
			if r := c.running(ctx, t); r != nil && !r.Down && drbdwire.UnpackState(r.StateWord).Disk > drbdwire.Diskless {
				offline = running
			}
			if code := c.steps(ctx, offline); code != 0 {
				return code
			}
		}
		return 0
	}
}

// running is what polluxd says about a resource; nil if it can't be asked, or
// does not have it.
func (c *call) running(ctx context.Context, t target) *node.ResourceStatus {
	daemon, err := c.Setup.Dial()
	if err != nil {
		return nil
	}
	var s node.Status
	if err := daemon.Status(ctx, &s); err != nil {
		return nil
	}
	for i := range s.Resources {
		if s.Resources[i].Name == t.resource.Name {
			return &s.Resources[i]
		}
	}
	return nil
}

func up(ctx context.Context, c *call, t target) int {
	var list []step
	if r := c.running(ctx, t); c.dryRun || r == nil || r.Down {
		list = append(list, t.setup("new-resource", t.resource.Name))
		for _, v := range t.volumes {
			list = append(list, t.setup("new-minor", t.resource.Name, strconv.Itoa(v.Minor), strconv.Itoa(int(v.Number))))
		}
	}
	if code := c.steps(ctx, list...); code != 0 {
		return code
	}
	if code := attach(ctx, c, t); code != 0 {
		return code
	}
	return connect(ctx, c, t)
}

func attach(ctx context.Context, c *call, t target) int {
	for _, v := range t.volumes {
		if v.Disk == "" {
			continue
		}
		place, index := v.Disk, "internal"
		switch v.Meta.Kind {
		case drbdconf.MetaFlexible:
			place, index = v.Meta.Device, "flexible"
		case drbdconf.MetaIndexed:
			place, index = v.Meta.Device, strconv.Itoa(v.Meta.Index)
		default:
		}
		words := append([]string{"attach", strconv.Itoa(v.Minor), v.Disk, place, index}, t.resource.DiskSettings(v)...)
		if code := c.steps(ctx, t.meta(v, "apply-al"), t.setup(words...)); code != 0 {
			return code
		}
	}
	return 0
}

func connect(ctx context.Context, c *call, t target) int {
	words := append([]string{"connect", t.resource.Name}, t.addresses()...)
	return c.steps(ctx, t.setup(append(append(words, t.resource.NetSettings()...), c.backend...)...))
}

func disconnect(ctx context.Context, c *call, t target) int {
	return c.steps(ctx, t.setup(append(append([]string{"disconnect"}, t.addresses()...), c.backend...)...))
}

func down(ctx context.Context, c *call, t target) int {
	return c.steps(ctx, t.setup("down", t.resource.Name))
}

func resize(ctx context.Context, c *call, t target) int {
	for _, v := range t.volumes {
		minor := strconv.Itoa(v.Minor)
		if code := c.steps(ctx, t.setup(append([]string{"resize", minor}, c.backend...)...),
			t.setup("check-resize", minor)); code != 0 {
			return code
		}
	}
	return 0
}

// adjust brings up what is not, and lets polluxd read the file again.
func adjust(ctx context.Context, c *call, t target) int {
	r := c.running(ctx, t)
	if c.dryRun || r == nil || r.Down {
		return up(ctx, c, t)
	}
	s := drbdwire.UnpackState(r.StateWord)
	if s.Disk == drbdwire.Diskless {
		if code := attach(ctx, c, t); code != 0 {
			return code
		}
	}
	if s.Conn == drbdwire.StandAlone {
		if code := connect(ctx, c, t); code != 0 {
			return code
		}
	}
	daemon, err := c.Setup.Dial()
	if err != nil {
		c.complain("%s", err)
		return drbdsetup.ExitFailed
	}
	a, err := daemon.Order(ctx, control.Order{Order: "adjust", Resource: t.resource.Name})
	if err == nil && !a.OK {
		err = errors.New(a.Text)
	}
	if err != nil {
		c.complain("%s: %s", t.resource.Name, err)
		return exitConfig
	}
	return 0
}

// status asks about all that there are, or about those that are named.
func status(ctx context.Context, c *call, words []string) int {
	if len(words) == 0 || words[0] == "all" {
		return c.steps(ctx, target{}.setup(append([]string{"status"}, c.backend...)...))
	}
	list, code := c.targets(words)
	for _, t := range list {
		if failed := c.steps(ctx, t.setup(append([]string{"status", t.resource.Name}, c.backend...)...)); code == 0 {
			code = failed
		}
	}
	return code
}

func events2(ctx context.Context, c *call, words []string) int {
	return c.steps(ctx, target{}.setup(append(append([]string{"events2"}, words...), c.backend...)...))
}

func waitConnect(ctx context.Context, c *call, t target) int {
	for _, v := range t.volumes {
		words := append([]string{"wait-connect", strconv.Itoa(v.Minor)}, t.resource.StartupSettings()...)
		if code := c.steps(ctx, t.setup(words...)); code != 0 {
			return code
		}
	}
	return 0
}

// waitAll is what an init script runs: it waits for the peers of all.
func waitAll(ctx context.Context, c *call, _ []string) int {
	list, code := c.targets([]string{"all"})
	for _, t := range list {
		if failed := waitConnect(ctx, c, t); code == 0 {
			code = failed
		}
	}
	return code
}
