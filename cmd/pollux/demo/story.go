package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

// disaster is the story of a node that dies.
func (d *demo) disaster() ([]part, func(), error) {
	return []part{
		{"two nodes with fresh disks", func(ctx context.Context) error {
			list, err := d.replacements()
			if err != nil {
				return err
			}
			return d.prepare(ctx, list, list)
		}},
		{"initial sync", d.initialSync},
		{"steady state", d.steady},
		{"milo1 dies: kill -9 of its daemon and its guest", d.crash},
		{"milo1 returns, gets what it missed, and takes its group back", d.comeBack},
		{"a planned standby", d.standby},
		{"a clean end", d.end},
	}, func() {}, nil
}

// prepare makes disks, files and both daemons.
func (d *demo) prepare(ctx context.Context, ofA, ofB []replacement) error {
	for _, dir := range []string{"agents", "milo1/etc/ha.d", "milo2/etc/ha.d"} {
		if err := os.MkdirAll(filepath.Join(d.dir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, h := range []*host{d.a, d.b} {
		if err := makeDisk(h.disk, d.diskSize); err != nil {
			return err
		}
	}
	d.say("the page's files, with these replacements:")
	d.list(ofA)
	if !slices.Equal(ofA, ofB) {
		d.say("and on milo2:")
		d.list(slices.DeleteFunc(slices.Clone(ofB), func(r replacement) bool { return slices.Contains(ofA, r) }))
	}
	if err := errors.Join(d.a.writeFiles(ofA), d.b.writeFiles(ofB), d.writeAgents()); err != nil {
		return err
	}
	for _, h := range []*host{d.a, d.b} {
		site, err := config.Load(h.etc(), h.name)
		if err != nil {
			return err
		}
		sectors, err := node.Format(site.Resources[0], uint64(time.Now().UnixNano()), node.Striping{})
		if err != nil {
			return err
		}
		d.say("%s: fresh metadata on %s, %d KiB for data", h.name, h.disk, sectors/2)
		if err := h.start(ctx); err != nil {
			return err
		}
	}
	return d.until(ctx, "both nodes are connected", func(a, b *node.Status) bool {
		return connected(a, "Inconsistent") && connected(b, "Inconsistent")
	})
}

// initialSync declares milo1's disk good and waits until milo2 has all of it.
func (d *demo) initialSync(ctx context.Context) error {
	d.say("milo1: pollux primary --force r1")
	if err := d.a.order(ctx, control.Order{Order: "primary", Resource: "r1", Force: true}); err != nil {
		return err
	}
	return d.until(ctx, "both disks are UpToDate", upToDate)
}

// steady waits until the group runs on milo1 and its guest has written a while.
func (d *demo) steady(ctx context.Context) error {
	if err := d.runsOn(ctx, d.a); err != nil {
		return err
	}
	return d.writes(ctx, 500)
}

// crash kills everything of milo1 and waits for the guest on milo2.
func (d *demo) crash(ctx context.Context) error {
	if err := d.forget(d.b); err != nil {
		return err
	}
	died := time.Now()
	d.a.kill()
	d.say("milo1: daemon and guest are dead")
	if err := d.runsOn(ctx, d.b); err != nil {
		return err
	}
	d.say("milo2: the guest runs %.2f s after the kill", time.Since(died).Seconds())
	return d.writes(ctx, 500)
}

// comeBack starts milo1 again.
func (d *demo) comeBack(ctx context.Context) error {
	if err := d.forget(d.a); err != nil {
		return err
	}
	if err := d.a.start(ctx); err != nil {
		return err
	}
	if err := d.until(ctx, "both disks are UpToDate again", upToDate); err != nil {
		return err
	}
	s, err := d.a.status(ctx)
	if err != nil {
		return err
	}
	received := s.Resources[0].Counters.ReceivedBytes
	d.say("milo1: received %d KiB of %d KiB since it returned", received/1024, s.Resources[0].SizeKiB)
	if received/1024 > s.Resources[0].SizeKiB/2 {
		return fmt.Errorf("more than half of the disk was sent: that is no resync of changed blocks")
	}
	d.say("auto_failback on: the group goes back to milo1")
	if err := d.runsOn(ctx, d.a); err != nil {
		return err
	}
	return d.writes(ctx, 200)
}

// standby moves the group by order.
func (d *demo) standby(ctx context.Context) error {
	if err := d.forget(d.b); err != nil {
		return err
	}
	d.say("milo1: pollux standby")
	if err := d.a.order(ctx, control.Order{Order: "standby", Args: []string{"all"}}); err != nil {
		return err
	}
	if err := d.runsOn(ctx, d.b); err != nil {
		return err
	}
	return d.writes(ctx, 200)
}

// end stops the guest, then both daemons cleanly, the standby first.
func (d *demo) end(ctx context.Context) error {
	d.b.killGuest(syscall.SIGTERM)
	err := d.until(ctx, "the guest's device has no user", func(_, b *node.Status) bool {
		return b != nil && b.Resources[0].Users == 0
	})
	if err != nil {
		return err
	}
	d.say("milo2: the guest was shut down")
	for _, h := range []*host{d.a, d.b} {
		if err := h.terminate(ctx); err != nil {
			return err
		}
		d.say("%s: ended cleanly", h.name)
	}
	return nil
}

// forget drops what an earlier guest on h found, so that the next one's
// finding is a new one.
func (d *demo) forget(h *host) error { return os.RemoveAll(foundPath(d.dir, h.name)) }

// runsOn waits until the guest on h has verified every acknowledged record,
// and says what it found.
func (d *demo) runsOn(ctx context.Context, h *host) error {
	if err := d.until(ctx, "the group runs on "+h.name, func(a, b *node.Status) bool {
		s := a
		if h == d.b {
			s = b
		}
		return group(s).State == "running"
	}); err != nil {
		return err
	}
	var found Found
	err := wait(ctx, "the guest on "+h.name+" has verified its records", func() bool {
		text, err := os.ReadFile(foundPath(d.dir, h.name))
		return err == nil && json.Unmarshal(text, &found) == nil
	})
	if err != nil {
		return err
	}
	d.say("%s: the guest found %d of %d acknowledged records, lost %d", h.name, found.Found, found.Acknowledged, found.Lost)
	if found.Lost > 0 {
		return fmt.Errorf("%d acknowledged records are lost, the first one is %d", found.Lost, found.FirstLost)
	}
	return nil
}

// writes waits until the guest has n more records acknowledged.
func (d *demo) writes(ctx context.Context, n uint64) error {
	before, err := readNotes(d.dir)
	if err != nil {
		return err
	}
	var now uint64
	err = wait(ctx, fmt.Sprintf("the guest has written %d records more", n), func() bool {
		now, err = readNotes(d.dir)
		return err != nil || now >= before+n
	})
	d.say("%d records acknowledged so far", now)
	return err
}

// group is the one group, as a node has it; of a dead node it is empty.
func group(s *node.Status) node.GroupStatus {
	if s == nil || s.Cluster == nil {
		return node.GroupStatus{}
	}
	return s.Cluster.Groups[0]
}

func connected(s *node.Status, disk string) bool {
	return s != nil && len(s.Resources) == 1 && s.Resources[0].Connection == "Connected" && s.Resources[0].Disk == disk
}

func upToDate(a, b *node.Status) bool {
	return connected(a, "UpToDate") && connected(b, "UpToDate")
}
