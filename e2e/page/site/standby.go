package site

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Batch is a guest that milo2 runs for itself. With it there is no memory for the
// page's guest.
const Batch = "batch"

const batchFile = `name = "batch"
kernel = "/boot/vmlinux"
ramdisk = "/boot/initramfs"
extra = "console=hvc0 quiet mitigations=off recorder.interval=10s"
memory = 80
disk = [ "format=raw,vdev=xvda,access=rw,script=block-quick,target=/dev/disk/batch" ]
`

// RunBatch makes the guest of milo2, and starts it.
func (p *Pair) RunBatch(ctx context.Context) error {
	n := p.Milo2
	if err := n.Put(ctx, "/etc/xen/batch.cfg", []byte(batchFile), 0o644); err != nil {
		return err
	}
	p.say("%s: xl create /etc/xen/batch.cfg", n.Name)
	_, err := n.Shell(ctx, "mkfs.ext4 -q -F /dev/disk/batch && xl create -q /etc/xen/batch.cfg")
	return err
}

// EndBatch removes the guest of milo2.
func (p *Pair) EndBatch(ctx context.Context) error {
	_, err := p.Milo2.Shell(ctx, "xl destroy batch")
	return err
}

// HasGuest waits until Xen has a guest of that name on the node, or none.
func (n *Node) HasGuest(ctx context.Context, name string, has bool) error {
	return Wait(ctx, fmt.Sprintf("guest %s on %s: %t", name, n.Name, has), Soon, func() (bool, error) {
		guests, err := n.Guests(ctx)
		if err != nil {
			return false, err
		}
		found := slices.ContainsFunc(strings.Split(guests, "\n"), func(line string) bool {
			return strings.HasPrefix(line, name+" ")
		})
		if found != has {
			return false, fmt.Errorf("xl list: %s", guests)
		}
		return true, nil
	})
}

// Refuses waits until the group does not run on the node, for that reason.
func (n *Node) Refuses(ctx context.Context, reason string) error {
	return Wait(ctx, fmt.Sprintf("%s says %q", n.Name, reason), Soon, func() (bool, error) {
		g, err := n.Cluster(ctx)
		if err != nil {
			return false, err
		}
		if !strings.Contains(g.Reason, reason) {
			return false, fmt.Errorf("the group is %s: %s", g.State, g.Reason)
		}
		return true, nil
	})
}
