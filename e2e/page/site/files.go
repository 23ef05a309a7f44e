package site

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"
)

// seed are the page's files as they stand.
//
//go:embed seed
var seed embed.FS

// Timers are what the machines' files say instead of the page: emulated
// machines on a busy host can't keep the default limits of a ping, and nobody
// wants to wait 90 s for a death.
type Timers struct {
	Keepalive, Deadtime time.Duration // ha.cf
	PingTimeout         time.Duration // drbd.conf
}

// Usual are timers that two emulated machines keep on a busy host.
func Usual() Timers {
	return Timers{Keepalive: time.Second, Deadtime: 20 * time.Second, PingTimeout: 5 * time.Second}
}

// guestFile is the guest on the page, but that its disk is connected by a
// script that does only that.
const guestFile = `name = "web1"
kernel = "/boot/vmlinux"
ramdisk = "/boot/initramfs"
extra = "console=hvc0 quiet mitigations=off"
memory = 96
disk = [ "format=raw,vdev=xvda,access=rw,script=block-quick,target=/dev/vg/web1" ]
`

// change is one place in which a node's file differs from the page's.
type change struct{ file, old, with string }

func (n *Node) changes() []change {
	t := n.pair.Timers
	pings := fmt.Sprintf("  net { ping-timeout %d; }\n", t.PingTimeout/(100*time.Millisecond))
	return []change{
		{"drbd.conf", "  syncer {", pings + "  syncer {"},
		{"ha.cf", "keepalive 5 ", fmt.Sprintf("keepalive %dms", t.Keepalive.Milliseconds())},
		{"ha.cf", "deadtime 90", fmt.Sprintf("deadtime %dms", t.Deadtime.Milliseconds())},
		{"lvm.conf", "/dev/sda3", n.Disk},
	}
}

// file is a file of the page as the node has it.
func (n *Node) file(name string) ([]byte, error) {
	text, err := seed.ReadFile("seed/" + name)
	if err != nil {
		return nil, err
	}
	for _, c := range n.changes() {
		if c.file != name {
			continue
		}
		if !strings.Contains(string(text), c.old) {
			return nil, fmt.Errorf("%s: found no %q to replace", name, c.old)
		}
		text = []byte(strings.ReplaceAll(string(text), c.old, c.with))
	}
	return text, nil
}

// configure gives the node its files; those of the cluster only with cluster.
func (n *Node) configure(ctx context.Context, cluster bool) error {
	places := map[string]string{"drbd.conf": "/etc/drbd.conf", "hosts": "/etc/hosts", "lvm.conf": "/etc/lvm/lvm.conf"}
	if cluster {
		places["ha.cf"], places["haresources"] = "/etc/ha.d/ha.cf", "/etc/ha.d/haresources"
		places["authkeys"] = "/etc/ha.d/authkeys"
	}
	var errs []error
	for name, place := range places {
		text, err := n.file(name)
		if err != nil {
			return err
		}
		if name == "lvm.conf" {
			// No udevd runs in the machine.
			text = append(text, "activation { udev_sync=0 udev_rules=0 }\ndevices/obtain_device_list_from_udev=0\n"...)
		}
		errs = append(errs, n.Put(ctx, place, text, 0o600))
	}
	return errors.Join(append(errs, n.Put(ctx, "/etc/xen/ha.d/web1.cfg", []byte(guestFile), 0o644))...)
}
