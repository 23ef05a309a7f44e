package drbdadm

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/optionc/pollux/cmd/pollux/drbdsetup"
	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// A step is one program that drbdadm of DRBD would run.
type step struct {
	volume *drbdconf.Volume // whose metadata, if it is drbdmeta
	target target
	words  []string // the program first
}

func (s step) String() string { return strings.Join(s.words, " ") }

func (t target) setup(words ...string) step {
	return step{target: t, words: append([]string{drbdsetup.Name}, words...)}
}

func (t target) meta(v *drbdconf.Volume, words ...string) step {
	place, index := v.Disk, "internal"
	switch v.Meta.Kind {
	case drbdconf.MetaFlexible:
		place, index = v.Meta.Device, "flex-external"
	case drbdconf.MetaIndexed:
		place, index = v.Meta.Device, strconv.Itoa(v.Meta.Index)
	default:
	}
	return step{
		target: t, volume: v,
		words: append([]string{"drbdmeta", strconv.Itoa(v.Minor), "v08", place, index}, words...),
	}
}

func (t target) addresses() []string {
	name := func(a drbdconf.Address) string {
		if a.IPv6 {
			return "ipv6:" + a.String()
		}
		return "ipv4:" + a.String()
	}
	return []string{name(t.own.Address), name(t.peer.Address)}
}

// steps runs programs one after the other until one fails.
func (c *call) steps(ctx context.Context, list ...step) int {
	for _, s := range list {
		if code := c.step(ctx, s); code != 0 {
			return code
		}
	}
	return 0
}

func (c *call) step(ctx context.Context, s step) int {
	if c.dryRun || c.verbose {
		c.print("%s\n", s)
	}
	if c.dryRun {
		return 0
	}
	code := c.perform(ctx, s, c.Stderr)
	if code >= exitConfig && code != exitNoMeta || code == drbdsetup.ExitLower {
		c.complain("Command '%s' terminated with exit code %d", s, code)
	}
	if s.volume != nil && code != 0 {
		return exitUsage
	}
	return code
}

// perform does what the program would.
func (c *call) perform(ctx context.Context, s step, stderr io.Writer) int {
	if s.volume != nil {
		return c.meta(ctx, s, stderr)
	}
	tool := *c.Setup
	tool.Stderr = stderr
	return tool.Run(ctx, s.words[1:])
}
