package drbdadm

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// helpers are the commands that scripts and udev rules ask drbd.conf with.
func helpers() []command {
	perVolume := func(name string, word func(t target, v *drbdconf.Volume) string) command {
		return command{name: name, run: func(_ context.Context, c *call, t target) int {
			for _, v := range t.volumes {
				c.print("%s\n", word(t, v))
			}
			return 0
		}}
	}
	return []command{
		{name: "sh-nop", whole: func(context.Context, *call, []string) int { return 0 }},
		{name: "sh-resources", whole: shResources},
		{name: "sh-resource", run: func(_ context.Context, c *call, t target) int {
			c.print("%s\n", t.resource.Name)
			return 0
		}},
		{name: "sh-ip", run: func(_ context.Context, c *call, t target) int {
			c.print("%s\n", t.own.Address.IP)
			return 0
		}},
		{name: "sh-lr-of", run: func(context.Context, *call, target) int { return 0 }}, // of stacked resources
		{name: "sh-status", run: func(ctx context.Context, c *call, t target) int {
			return c.steps(ctx, t.setup("sh-status", t.resource.Name))
		}},
		{name: "sh-udev", run: shUdev},
		{name: "sh-b-pri", run: becomePrimary},
		perVolume("sh-dev", func(_ target, v *drbdconf.Volume) string { return v.Device }),
		perVolume("sh-minor", func(_ target, v *drbdconf.Volume) string { return strconv.Itoa(v.Minor) }),
		perVolume("sh-ll-dev", func(_ target, v *drbdconf.Volume) string { return v.Disk }),
		perVolume("sh-md-dev", func(_ target, v *drbdconf.Volume) string {
			if v.Meta.Kind == drbdconf.MetaInternal {
				return v.Disk
			}
			return v.Meta.Device
		}),
		perVolume("sh-md-idx", func(_ target, v *drbdconf.Volume) string {
			switch v.Meta.Kind {
			case drbdconf.MetaFlexible:
				return "flexible"
			case drbdconf.MetaIndexed:
				return strconv.Itoa(v.Meta.Index)
			default:
				return "internal"
			}
		}),
	}
}

func shResources(_ context.Context, c *call, _ []string) int {
	var names []string
	for i := range c.conf.Resources {
		if _, ok := c.conf.Resources[i].Host(c.Node); ok {
			names = append(names, c.conf.Resources[i].Name)
		}
	}
	c.print("%s\n", strings.Join(names, " "))
	return 0
}

func shUdev(_ context.Context, c *call, t target) int {
	for _, v := range t.volumes {
		c.print("RESOURCE=%s\nVOLUME=%d\nDEVICE=%s\n", t.resource.Name, v.Number, strings.TrimPrefix(v.Device, "/dev/"))
		c.print("SYMLINK_BY_RES=drbd/by-res/%s\nSYMLINK_BY_DISK=drbd/by-disk/%s\n", t.resource.Name,
			filepath.Clean(strings.TrimPrefix(v.Disk, "/dev/")))
	}
	return 0
}

// becomePrimary is what an init script runs for become-primary-on.
func becomePrimary(ctx context.Context, c *call, t target) int {
	for _, name := range t.resource.Startup.BecomePrimaryOn {
		if name == "both" || t.own.Is(name) {
			return perMinor("primary")(ctx, c, t)
		}
	}
	return 0
}

// dump prints what the file says in its normal form.
func dump(_ context.Context, c *call, words []string) int {
	list, code := c.named(words)
	if code != 0 {
		return code
	}
	if len(words) == 0 {
		c.print("# %s\n%s", c.file, c.conf.DumpGlobal())
	}
	for _, t := range list {
		c.print("# resource %s on %s: not ignored, not stacked\n# defined at %s:%d\n%s\n", t.resource.Name, c.Node,
			t.resource.Pos.File, t.resource.Pos.Line, t.resource.Dump())
	}
	return 0
}

func dumpXML(_ context.Context, c *call, words []string) int {
	list, code := c.named(words)
	if code != 0 {
		return code
	}
	if len(words) == 0 {
		c.print("<config file=\"%s\">\n", c.file)
	}
	for _, t := range list {
		indent := ""
		if len(words) == 0 {
			indent = "    "
		}
		for line := range strings.Lines(t.resource.XML()) {
			c.print("%s%s", indent, line)
		}
	}
	if len(words) == 0 {
		c.print("</config>\n")
	}
	return 0
}

// named finds what the words name; no word is all.
func (c *call) named(words []string) ([]target, int) {
	if len(words) == 0 {
		words = []string{"all"}
	}
	return c.targets(words)
}
