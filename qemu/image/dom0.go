package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/optionc/pollux/qemu/debian"
)

// xenPrograms is the folder of the toolstack's programs, as Debian has it.
const xenPrograms = "/usr/lib/xen-4.17/bin"

var dom0Modules = append([]string{"xen_evtchn", "xen_gntdev", "xen_privcmd", "xenfs", "xen_blkback", "bridge"}, plainModules...)

// dom0Start puts the machine's card into a bridge for guests and starts Xen's
// services. xenstored must answer before anything else asks it: xl would hang.
const dom0Start = `
ip link set lo up
mount -t xenfs none /proc/xen
mount -o ro /dev/disk/guests /boot
ip link add xen-br0 type bridge
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 master xen-br0
  ip link set eth0 up
fi
ip link set xen-br0 up
[ -n "$ADDRESS" ] && ip address add "$ADDRESS" dev xen-br0
xenstored --pid-file /run/xen/xenstored.pid || exit 1
tries=0
until xenstore-read -s / >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -gt 100 ] && echo "xenstored does not answer" && exit 1
  usleep 50000
done
xen-init-dom0 || exit 1
xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xen/xenconsoled.pid
`

// quickBlock attaches a guest's disk as Debian's script /etc/xen/scripts/block
// does for phy: disks, in a tenth of its time, but does not look whether
// another guest uses the disk: disks ask for it with script=block-quick.
const quickBlock = `#!/bin/sh
[ "$1" = add ] || exit 0
device=$(xenstore-read "$XENBUS_PATH/params")
number=$(stat -L -c '%t:%T' "$device") || {
  xenstore-write "$XENBUS_PATH/hotplug-error" "no device $device" "$XENBUS_PATH/hotplug-status" error
  exit 1
}
xenstore-write "$XENBUS_PATH/physical-device" "$number" "$XENBUS_PATH/hotplug-status" connected
`

// Dom0 is a Xen dom0, with the guest of Guest ready on /boot as vmlinux and
// initramfs. It needs 576 MiB of memory, of which 150 are left for guests.
func Dom0(ctx context.Context, kernel string, files Files) (Image, error) {
	archive, err := debian.Open()
	if err != nil {
		return Image{}, err
	}
	q, err := tools(ctx, archive)
	if err != nil {
		return Image{}, err
	}
	linux, err := archive.Kernel(ctx, kernel, false)
	if err != nil {
		return Image{}, err
	}
	hypervisor, err := archive.Alone(ctx, "xen-hypervisor-4.17-amd64")
	if err != nil {
		return Image{}, err
	}
	t := newTree()
	t.script(startScript, dom0Start)
	if err := t.modules(linux, dom0Modules, append([]string{"xen_netback"}, spareModules...)); err != nil {
		return Image{}, err
	}
	if err := t.toolstack(q); err != nil {
		return Image{}, fmt.Errorf("dom0 image: %w", err)
	}
	if err := t.common(ctx, q, files); err != nil {
		return Image{}, fmt.Errorf("dom0 image: %w", err)
	}
	i := Image{Version: kernel}
	i.Xen, err = store(hypervisor.Hash+"-xen", func() ([]byte, error) { return readHypervisor(hypervisor) })
	if err != nil {
		return Image{}, err
	}
	if i.GuestDisk, err = guestDisk(ctx, archive, Kernels[0]); err != nil {
		return Image{}, err
	}
	return assemble(i, linux, t, "dom0")
}

// toolstack puts xl and Xen's services.
func (t tree) toolstack(q debian.Quarry) error {
	for _, d := range []string{"/boot", "/run/xen", "/run/xenstored", "/var/lib/xen", "/var/log/xen/console", "/etc/xen/ha.d"} {
		t.folder(d)
	}
	for _, name := range []string{"xl", "xenstored", "xen-init-dom0", "xenconsoled", "xenconsole", "libxl-save-helper"} {
		if err := t.programs(q, path.Join(xenPrograms, name)); err != nil {
			return err
		}
		t.symlink("/usr/sbin/"+name, path.Join(xenPrograms, name))
	}
	err := t.programs(q, "/sbin/brctl", "/usr/bin/xenstore-ls", "/usr/bin/xenstore-read", "/usr/bin/xenstore-write",
		"/usr/bin/xenstore-list", "/usr/bin/xenstore-exists", "/usr/bin/xenstore-rm", "/usr/bin/xenstore",
		"/lib/x86_64-linux-gnu/libgcc_s.so.1") // xl loads it by hand when it cancels a thread
	if err != nil {
		return err
	}
	scripts, err := filepath.Glob(filepath.Join(q.Dir, "etc/xen/scripts/*"))
	if err != nil {
		return err
	}
	for _, s := range append(scripts, filepath.Join(q.Dir, "etc/xen/xl.conf")) {
		name, err := filepath.Rel(q.Dir, s)
		if err != nil {
			return err
		}
		if err := t.file("/"+name, s); err != nil {
			return err
		}
	}
	t.script("/etc/xen/scripts/block-quick", quickBlock)
	return nil
}

// guestDisk is a file system with the guest's kernel and initramfs. In dom0's
// own initramfs they would take of its memory. The kernel is the older one
// whatever dom0 runs: Linux 6.12 as a paravirtual guest dies early when QEMU
// emulates the processor.
func guestDisk(ctx context.Context, archive *debian.Archive, kernel string) (string, error) {
	guest, err := Guest(ctx, archive, kernel)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(guest.Kernel + guest.Initrd))
	return store(hex.EncodeToString(sum[:8])+"-guests.ext4", func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "pollux-guest")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		root := filepath.Join(dir, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			return nil, err
		}
		for name, from := range map[string]string{"vmlinux": guest.Kernel, "initramfs": guest.Initrd} {
			content, err := os.ReadFile(from)
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
				return nil, err
			}
		}
		disk := filepath.Join(dir, "disk")
		cmd := exec.CommandContext(ctx, "mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", root, disk, "128M")
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("disk of the guests: mke2fs: %w: %s", err, said)
		}
		return os.ReadFile(disk)
	})
}
