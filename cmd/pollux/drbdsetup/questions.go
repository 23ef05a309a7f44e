package drbdsetup

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

func (c *call) state() drbdwire.State { return drbdwire.UnpackState(c.resource.StateWord) }

func role(_ context.Context, c *call) int {
	s := c.state()
	c.print("%s/%s\n", s.Role, s.Peer)
	return 0
}

func cstate(_ context.Context, c *call) int {
	c.print("%s\n", c.state().Conn)
	return 0
}

func dstate(_ context.Context, c *call) int {
	s := c.state()
	c.print("%s/%s\n", s.Disk, s.PeerDisk)
	return 0
}

// superblock is what is known of the metadata without looking at the disk.
func (c *call) superblock() (drbdmeta.Superblock, error) {
	var u [4]uint64
	for i, text := range c.resource.Generations {
		var err error
		if u[i], err = strconv.ParseUint(text, 16, 64); err != nil {
			return drbdmeta.Superblock{}, fmt.Errorf("generation of %s: %w", c.resource.Name, err)
		}
	}
	return drbdmeta.Superblock{
		UUIDs: drbdmeta.UUIDs{Current: u[0], Bitmap: u[1], History0: u[2], History1: u[3]},
		Flags: drbdmeta.Flags(c.resource.MetaFlags),
	}, nil
}

func getGI(_ context.Context, c *call) int { return c.gi(drbdmeta.Superblock.GetGI, "\n") }

func showGI(_ context.Context, c *call) int { return c.gi(drbdmeta.Superblock.ShowGI, "") }

func (c *call) gi(show func(drbdmeta.Superblock) string, end string) int {
	if c.state().Disk <= drbdwire.Attaching {
		return c.fail(138, "Disk required", "")
	}
	s, err := c.superblock()
	if err != nil {
		c.complain("%s", err)
		return ExitFailed
	}
	c.print("%s%s", show(s), end)
	return 0
}

func show(ctx context.Context, c *call) int {
	for i := range c.status.Resources {
		r := &c.status.Resources[i]
		if r.Down || c.resource != nil && c.resource != r {
			continue
		}
		a, err := c.daemon.Order(ctx, control.Order{Order: "show", Resource: r.Name})
		if err != nil {
			c.complain("%s", err)
			return ExitFailed
		}
		if !a.OK {
			return c.outcome("show", a)
		}
		c.print("%s", a.Text)
	}
	return 0
}

func status(_ context.Context, c *call) int {
	texts := c.texts()
	if c.has("json") {
		list := []drbdtext.JSON{}
		for i := range texts {
			list = append(list, texts[i].JSON())
		}
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			c.complain("%s", err)
			return ExitFailed
		}
		c.print("%s\n", text)
		return 0
	}
	for i := range texts {
		c.print("%s", texts[i].Status(drbdtext.Detail{Verbose: c.has("verbose"), Statistics: c.has("statistics")}))
	}
	if len(texts) == 0 {
		c.print("# No currently configured DRBD found.\n")
	}
	return 0
}

// shStatus prints assignments for a shell. Source: drbd.conf and its tools,
// section 8.6.
func shStatus(_ context.Context, c *call) int {
	for _, r := range c.texts() {
		s := r.State
		c.print("_minor=%d\n_res_name=%s\n_volume=%d\n_known=Configured\n\n", r.Minor, r.Name, r.Volume)
		c.print("_cstate=%s\n_role=%s\n_peer=%s\n_disk=%s\n_pdsk=%s\n", s.Conn, s.Role, s.Peer, s.Disk, s.PeerDisk)
		for _, f := range []struct {
			name string
			on   bool
		}{
			{"susp", s.Suspended || s.SuspNoData || s.SuspFencing},
			{"aftr_isp", s.AfterPause},
			{"peer_isp", s.PeerPause},
			{"user_isp", s.UserPause},
		} {
			c.print("_flags_%s=%s\n", f.name, map[bool]string{true: "1"}[f.on])
		}
		c.print("_resynced_percent=%s\n\n_sh_status_process\n\n\n", r.Done())
	}
	return 0
}

// pollEach is how often a wait looks.
const pollEach = 250 * time.Millisecond

func waitConnect(ctx context.Context, c *call) int {
	return c.wait(ctx, func(s drbdwire.State) bool { return s.Conn >= drbdwire.Connected })
}

func waitSync(ctx context.Context, c *call) int {
	return c.wait(ctx, func(s drbdwire.State) bool {
		return s.Conn == drbdwire.Connected && s.Disk == drbdwire.UpToDate && s.PeerDisk == drbdwire.UpToDate
	})
}

// wait looks until the state is right, or the time is up. A resource that is
// given up for good, StandAlone, does not come back by itself.
func (c *call) wait(ctx context.Context, right func(drbdwire.State) bool) int {
	limit := "wfc-timeout"
	if c.state().PeerDisk == drbdwire.Outdated {
		limit = "outdated-wfc-timeout"
	}
	seconds, err := strconv.Atoi("0" + c.options[limit])
	if err != nil {
		c.complain("%s: found %q, want seconds", limit, c.options[limit])
		return ExitFailed
	}
	if seconds > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer stop()
	}
	ticks := time.NewTicker(pollEach)
	defer ticks.Stop()
	name := c.resource.Name
	for !right(c.state()) {
		if c.state().Conn == drbdwire.StandAlone {
			return ExitLower
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ExitLower
		}
		c.status = node.Status{}
		if err := c.daemon.Status(ctx, &c.status); err != nil {
			if ctx.Err() != nil {
				return ExitLower
			}
			c.complain("%s", err)
			return ExitFailed
		}
		if c.resource = c.lookup(func(r *node.ResourceStatus) bool { return r.Name == name }); c.resource == nil {
			return ExitError
		}
	}
	return 0
}
