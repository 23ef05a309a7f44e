package image

import (
	"context"
	"fmt"

	"github.com/optionc/pollux/qemu/debian"
)

// Guest is a Xen guest: a kernel and one program, recorder, that writes records
// to its disk and prints each when it is safe there. It needs 96 MiB.
func Guest(ctx context.Context, archive *debian.Archive, kernel string) (Image, error) {
	linux, err := archive.Kernel(ctx, kernel, true)
	if err != nil {
		return Image{}, err
	}
	t := newTree()
	if err := t.modules(linux, []string{"xen_blkfront", "xen_netfront", "crc32c_generic", "ext4"}, nil); err != nil {
		return Image{}, err
	}
	if err := t.goProgram(ctx, "/init", "recorder"); err != nil {
		return Image{}, fmt.Errorf("guest image: %w", err)
	}
	t.symlink("/sbin/poweroff", "/init") // what the kernel runs on xl shutdown
	return assemble(Image{Version: kernel}, linux, t, "guest")
}
