package export_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/export"
)

// run runs a real program, or skips if it is not installed.
func run(t *testing.T, debian, name string, args ...string) string {
	t.Helper()
	need(t, debian, name)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func need(t *testing.T, debian, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: apt-get install %s", name, debian)
	}
}

func (d *device) uri() string { return "nbd+unix:///r0?socket=" + d.socket }

func TestNbdinfoSeesTheDevice(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 1<<20)
	g.Expect(run(t, "libnbd-bin", "nbdinfo", "--size", d.uri())).To(Equal("1048576\n"))
	about := run(t, "libnbd-bin", "nbdinfo", "--list", d.uri())
	for _, line := range []string{
		`export="r0":`, "newstyle-fixed without TLS", "export-size: 1048576 (1M)", "can_fua: true", "can_flush: true",
		"can_trim: true", "can_zero: true", "can_multi_conn: true", "is_read_only: false", "is_rotational: false",
		"block_size_minimum: 512", "block_size_preferred: 4096", "block_size_maximum: 1048576",
	} {
		g.Expect(about).To(ContainSubstring(line))
	}
}

func TestNbdcopyCopiesThereAndBack(t *testing.T) {
	g := NewWithT(t)
	const size = 24 << 20
	d := newDevice(t, size)
	there, back := filepath.Join(t.TempDir(), "there"), filepath.Join(t.TempDir(), "back")
	want := scribble(size)
	clear(want[5<<20 : 9<<20]) // which is sent as zeroes
	g.Expect(os.WriteFile(there, want, 0o600)).To(Succeed())
	run(t, "libnbd-bin", "nbdcopy", "--flush", "--connections=4", "--requests=64", there, d.uri())
	g.Expect(d.seen()).To(ContainElement(HavePrefix("flush")))
	g.Expect(bytes.Equal(d.data, want)).To(BeTrue())
	run(t, "libnbd-bin", "nbdcopy", "--connections=4", d.uri(), back)
	got, err := os.ReadFile(back)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(got, want)).To(BeTrue())
}

func TestQemuReadsAndWrites(t *testing.T) {
	g := NewWithT(t)
	const size = 16 << 20
	d := newDevice(t, size)
	out := run(t, "qemu-utils", "qemu-io", "-f", "raw", "-t", "none", d.uri(),
		"-c", "write -P 0x11 0 4M", "-c", "write -f -P 0x22 64k 4k", "-c", "discard 1M 64k", "-c", "write -z 2M 64k",
		"-c", "write -z -u 3M 64k", "-c", "flush",
		"-c", "read -P 0x11 0 64k", "-c", "read -P 0x22 64k 4k", "-c", "read -P 0 1M 64k", "-c", "read -P 0 2M 64k",
		"-c", "read -P 0 3M 64k", "-c", "aio_read 0 3M", "-c", "aio_write -P 5 8M 3M", "-c", "aio_flush",
		"-c", "read -P 5 8M 3M")
	g.Expect(out).NotTo(ContainSubstring("verification failed"))
	g.Expect(d.seen()).To(ContainElements(
		"write fua 128+4096", "trim 2048+65536", "zero 4096+65536", "trim 6144+65536", "flush 0+0",
	))
	image := filepath.Join(t.TempDir(), "image")
	g.Expect(os.WriteFile(image, scribble(size), 0o600)).To(Succeed())
	run(t, "qemu-utils", "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, d.uri())
	g.Expect(run(t, "qemu-utils", "qemu-img", "compare", "-f", "raw", "-F", "raw", image, d.uri())).To(
		ContainSubstring("Images are identical"),
	)
}

func TestQemuHearsOfErrors(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 1<<20)
	need(t, "qemu-utils", "qemu-io")
	d.refuse = func(*export.Request) error { return os.ErrDeadlineExceeded }
	out, err := exec.CommandContext(t.Context(), "qemu-io", "-f", "raw", "-t", "none", d.uri(), "-c", "read 0 4k").
		CombinedOutput()
	g.Expect(err).To(HaveOccurred())
	g.Expect(string(out)).To(ContainSubstring("read failed: Input/output error"))
}

// TestAFileSystemLives puts ext4 on the device, by way of FUSE and a loop
// device, which is as near to a guest as one gets without a kernel driver.
func TestAFileSystemLives(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	need(t, "libnbd-bin", "nbdfuse")
	need(t, "fuse3", "fusermount3")
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("needs the module fuse: %v", err)
	}
	g := NewWithT(t)
	d := newDevice(t, 32<<20)
	dir, mount := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "r0")
	var said bytes.Buffer
	fuse := exec.CommandContext(t.Context(), "nbdfuse", file, d.uri())
	fuse.Stderr = &said
	g.Expect(fuse.Start()).To(Succeed())
	gone := make(chan error, 1)
	go func() { gone <- fuse.Wait() }()
	t.Cleanup(func() { _ = exec.Command("fusermount3", "-u", dir).Run() })
	g.Eventually(file, "20s").Should(BeAnExistingFile(), said.String)

	run(t, "e2fsprogs", "mkfs.ext4", "-q", "-E", "discard", file)
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", file, mount).CombinedOutput(); err != nil {
		t.Skipf("needs loop devices: %v: %s", err, out)
	}
	mounted := true
	t.Cleanup(func() {
		if mounted {
			_ = exec.Command("umount", "--lazy", mount).Run()
		}
	})
	want := scribble(3 << 20)
	g.Expect(os.WriteFile(filepath.Join(mount, "letter"), want, 0o600)).To(Succeed())
	run(t, "mount", "umount", mount)
	mounted = false
	run(t, "e2fsprogs", "e2fsck", "-fn", file)
	run(t, "mount", "mount", "-o", "loop,ro", file, mount)
	mounted = true
	got, err := os.ReadFile(filepath.Join(mount, "letter"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(got, want)).To(BeTrue())
	run(t, "mount", "umount", mount)
	mounted = false
	run(t, "fuse3", "fusermount3", "-u", dir)
	g.Eventually(gone, "20s").Should(Receive(Succeed()))
	g.Eventually(d.Users).Should(BeZero())
	g.Expect(d.seen()).To(ContainElement(HavePrefix("trim")), "mkfs discards")
}
