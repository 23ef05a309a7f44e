package image

import (
	"context"
	"fmt"

	"github.com/optionc/pollux/qemu/debian"
)

// startScript is the file of an image that vminit runs with bash before it
// takes orders, with HOST and ADDRESS (such as 192.168.0.1/24) set, or empty.
const startScript = "/etc/vm/start"

// plainModules are loaded at boot; spareModules are there for modprobe.
var (
	plainModules = []string{
		"virtio_pci", "virtio_console", "virtio_blk", "virtio_net", "virtio_scsi", "sd_mod",
		"crc32c_generic", "crc32c_intel", "libcrc32c", "ext4", "dm_mod",
	}
	spareModules = []string{
		"drbd", "nbd", "ublk_drv", "loop", "dm_snapshot", "dm_delay", "dm_flakey", "sch_netem", "sha1_generic",
		"hmac", "bridge", "crypto_user", "null_blk", "tcp_diag", "softdog", "i6300esb",
	}
)

const plainStart = `
ip link set lo up
for card in /sys/class/net/eth*; do
  [ -e "$card" ] && ip link set "${card##*/}" up
done
[ -n "$ADDRESS" ] && ip address add "$ADDRESS" dev eth0
exit 0
`

// Plain is a Linux machine for everything that needs no Xen; 384 MiB of memory
// are enough.
func Plain(ctx context.Context, kernel string, files Files) (Image, error) {
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
	t := newTree()
	t.script(startScript, plainStart)
	if err := t.modules(linux, plainModules, spareModules); err != nil {
		return Image{}, err
	}
	if err := t.common(ctx, q, files); err != nil {
		return Image{}, fmt.Errorf("plain image: %w", err)
	}
	return assemble(Image{Version: kernel}, linux, t, "plain")
}

// assemble writes kernel and initramfs.
func assemble(i Image, linux debian.Quarry, t tree, name string) (Image, error) {
	var err error
	i.Kernel, err = store(linux.Hash+"-vmlinux", func() ([]byte, error) { return readKernel(linux) })
	if err != nil {
		return Image{}, err
	}
	i.Initrd, err = t.keep(name)
	return i, err
}
