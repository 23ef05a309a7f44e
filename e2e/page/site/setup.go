package site

import (
	"context"
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/node"
)

// Replicate is the page's first half: fresh metadata on both disks, both
// daemons without a cluster, and milo1's data declared good and synced.
func (p *Pair) Replicate(ctx context.Context) error {
	err := p.Both(func(n *Node) error {
		if err := n.Order(ctx, "create-md", Resource); err != nil {
			return err
		}
		return n.Start(ctx)
	})
	if err != nil {
		return err
	}
	if err := p.connected(ctx, "Inconsistent"); err != nil {
		return err
	}
	if err := p.Milo1.Order(ctx, "primary", "--force", Resource); err != nil {
		return err
	}
	return p.Synced(ctx)
}

// Synced waits until both disks are good.
func (p *Pair) Synced(ctx context.Context) error { return p.connected(ctx, "UpToDate") }

func (p *Pair) connected(ctx context.Context, disk string) error {
	shown := time.Now()
	return Wait(ctx, "both nodes are Connected and "+disk, 10*time.Minute, func() (bool, error) {
		for _, n := range []*Node{p.Milo1, p.Milo2} {
			r, err := n.Resource(ctx)
			if err != nil {
				return false, err
			}
			if y := r.Resync; y != nil && n == p.Milo2 && time.Since(shown) > 5*time.Second {
				shown = time.Now()
				p.say("%s: resync %.0f %%, %d KiB/s", n.Name, y.PercentDone, y.KiBPerSecond)
			}
			if r.Connection != "Connected" || r.Disk != disk || r.PeerDisk != disk {
				return false, fmt.Errorf("%s is %s %s/%s", n.Name, r.Connection, r.Disk, r.PeerDisk)
			}
		}
		return true, nil
	})
}

// makeVolume is the page's LVM part, on the node that is Primary. It leaves the
// volume group inactive.
const makeVolume = `set -e
pvcreate -q /dev/drbd1
vgcreate -q vg /dev/drbd1
lvcreate -q -y --size 64M --name web1 vg
mkfs.ext4 -q -m 0 /dev/vg/web1
vgchange -an vg`

// MakeVolume makes the volume group and the guest's file system on milo1.
func (p *Pair) MakeVolume(ctx context.Context) error {
	p.say("milo1: pvcreate, vgcreate, lvcreate, mkfs.ext4 on /dev/drbd1")
	_, err := p.Milo1.Shell(ctx, makeVolume)
	return err
}

// Cluster gives both nodes the files of the cluster and starts their daemons
// anew: from then on these start and stop the guest.
func (p *Pair) Cluster(ctx context.Context) error {
	if err := p.Milo1.Order(ctx, "secondary", Resource); err != nil {
		return err
	}
	err := p.Both(func(n *Node) error {
		if err := n.Stop(ctx); err != nil {
			return err
		}
		if err := n.configure(ctx, true); err != nil {
			return err
		}
		return n.Start(ctx)
	})
	if err != nil {
		return err
	}
	return p.Runs(ctx, p.Milo1)
}

// Ready is all of the page up to a guest that runs on milo1.
func (p *Pair) Ready(ctx context.Context) error {
	for _, part := range []func(context.Context) error{p.Replicate, p.MakeVolume, p.Cluster} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return p.Milo1.Writes(ctx, 20)
}

// Runs waits until the group runs on n.
func (p *Pair) Runs(ctx context.Context, n *Node) error {
	return Wait(ctx, "the group runs on "+n.Name, 10*time.Minute, func() (bool, error) {
		g, err := n.Cluster(ctx)
		if err != nil {
			return false, err
		}
		if g.State != "running" {
			return false, fmt.Errorf("%s: the group is %s: %s %v", n.Name, g.State, g.Reason, g.Resources)
		}
		return true, nil
	})
}

// Cluster is the state of the one group.
func (n *Node) Cluster(ctx context.Context) (node.GroupStatus, error) {
	s, err := n.Status(ctx)
	if err == nil && (s.Cluster == nil || len(s.Cluster.Groups) != 1) {
		err = fmt.Errorf("%s: found no cluster with one group", n.Name)
	}
	if err != nil {
		return node.GroupStatus{}, err
	}
	return s.Cluster.Groups[0], nil
}

// Writes waits until the guest on the node has promised more records.
func (n *Node) Writes(ctx context.Context, more int) error {
	_, before := n.Printed()
	return Wait(ctx, fmt.Sprintf("the guest on %s has written %d records", n.Name, more), Soon, func() (bool, error) {
		last, now := n.Printed()
		if now < before+more {
			return false, fmt.Errorf("it has printed %d, the last is %d", now-before, last)
		}
		return true, nil
	})
}
