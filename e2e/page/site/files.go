package site

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
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

// places are where the files belong, below the folder of the configuration.
var (
	machineFiles = map[string]string{"hosts": "/etc/hosts", "lvm.conf": "/etc/lvm/lvm.conf"}
	drbdFiles    = map[string]string{"drbd.conf": "drbd.conf"}
	clusterFiles = map[string]string{
		"ha.cf": "ha.d/ha.cf", "haresources": "ha.d/haresources", "authkeys": "ha.d/authkeys",
	}
)

// closed is a host's LVM that may activate none of the page's groups: what the
// cluster starts, it alone can start.
const closed = `echo 'activation/volume_list = [ "host" ]' >> /etc/lvm/lvm.conf && lvm lvmconfig activation/volume_list`

// configure gives the node its files; those of the cluster only with cluster.
func (n *Node) configure(ctx context.Context, cluster bool) error {
	err := errors.Join(n.put(ctx, "", machineFiles), n.put(ctx, "/etc", drbdFiles))
	if cluster {
		_, noList := n.Shell(ctx, closed)
		err = errors.Join(err, noList, n.put(ctx, "/etc", clusterFiles))
	}
	return errors.Join(err, n.Put(ctx, "/etc/xen/ha.d/web1.cfg", []byte(guestFile), 0o644))
}

func (n *Node) put(ctx context.Context, dir string, files map[string]string) error {
	var errs []error
	for name, place := range files {
		text, err := n.file(name)
		if err != nil {
			return err
		}
		if name == "lvm.conf" {
			// No udevd runs in the machine.
			text = append(text, "activation { udev_sync=0 udev_rules=0 }\ndevices/obtain_device_list_from_udev=0\n"...)
		}
		errs = append(errs, n.Put(ctx, path.Join(dir, place), text, 0o600))
	}
	return errors.Join(errs...)
}

// Check is what `pollux check` says to the page's files after a script has
// edited them in the folder that it runs in; what it did to those of the machine
// is undone.
func (n *Node) Check(ctx context.Context, edit string) (string, error) {
	const dir = "/tmp/check"
	if err := errors.Join(n.put(ctx, dir, drbdFiles), n.put(ctx, dir, clusterFiles)); err != nil {
		return "", err
	}
	// Its exit status says no more than its text.
	said, err := n.Shell(ctx, "cd "+dir+" && { "+edit+"; } && { pollux check --config-dir . 2>&1 || true; }")
	return said, errors.Join(err, n.put(ctx, "", machineFiles))
}
