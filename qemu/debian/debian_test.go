package debian_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/debian"
)

func TestArchive(t *testing.T) {
	if os.Getenv("POLLUX_E2E") != "1" {
		t.Skip("fetches packages: run with POLLUX_E2E=1")
	}
	archive, err := debian.Open()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	t.Run("tools come with the libraries that they need", func(t *testing.T) {
		g := NewWithT(t)
		tools, err := archive.Tools(t.Context(), "lvm2")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(filepath.Join(tools.Dir, "sbin/lvm")).To(BeAnExistingFile())
		g.Expect(filepath.Join(tools.Dir, "usr/lib/x86_64-linux-gnu/libc.so.6")).To(BeAnExistingFile())
		again, err := archive.Tools(t.Context(), "lvm2")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(tools))
	})
	for _, version := range []string{"6.1", "6.12"} {
		t.Run("a kernel of "+version+" has the drbd module", func(t *testing.T) {
			g := NewWithT(t)
			kernel, err := archive.Kernel(t.Context(), version, false)
			g.Expect(err).NotTo(HaveOccurred())
			found, err := filepath.Glob(filepath.Join(kernel.Dir, "lib/modules", version+".*/kernel/drivers/block/drbd/drbd.ko*"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(HaveLen(1))
		})
	}
}
