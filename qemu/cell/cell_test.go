package cell_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/cable"
	"github.com/optionc/pollux/qemu/cell"
)

// two starts two cells on a cable.
func two(t *testing.T) (wire *cable.Switch, disk *block.Disk, a, b *cell.Cell) {
	t.Helper()
	if err := cell.Possible(); err != nil {
		t.Skip(err)
	}
	g := NewWithT(t)
	dir := t.TempDir()
	said, err := exec.Command("go", "build", "-o", filepath.Join(dir, cell.First), "./first").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(said))
	wire, err = cable.New(dir, 1, "a", "b")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = wire.Close() })
	start := func(name, address, mac string, disk *block.Disk) *cell.Cell {
		socket := filepath.Join(dir, "disk-"+name)
		g.Expect(disk.Serve(socket)).To(Succeed())
		t.Cleanup(func() { _ = disk.Close() })
		c, err := cell.Start(t.Context(), t, cell.Config{
			Name: name, Address: address, Cable: wire.Socket(name), MAC: mac, Disk: socket, Programs: dir,
		})
		g.Expect(err).NotTo(HaveOccurred())
		return c
	}
	disk = block.New(1 << 20)
	a = start("a", "10.9.9.1/24", "52:54:00:00:09:01", disk)
	b = start("b", "10.9.9.2/24", "52:54:00:00:09:02", block.New(1<<20))
	return wire, disk, a, b
}

func TestCells(t *testing.T) {
	wire, disk, a, b := two(t)
	t.Run("have a name of their own", func(t *testing.T) {
		NewWithT(t).Expect(a.Output(t.Context(), "uname", "-n")).To(Equal("a\n"))
	})
	t.Run("reach each other until the cable is cut", func(t *testing.T) {
		g := NewWithT(t)
		listener, err := b.Start("bash", "-c", "exec 3<>/dev/udp/10.9.9.1/9; echo >&3; cat /proc/net/arp")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(listener.Wait(t.Context())).To(BeZero())
		g.Eventually(func() (string, error) {
			return b.Output(t.Context(), "cat", "/proc/net/arp")
		}).WithTimeout(10 * time.Second).Should(ContainSubstring("52:54:00:00:09:01"))
		wire.Both("a", "b", func(d *link.Direction) { d.Cut() })
		_, before := wire.Passed("a", "b")
		g.Eventually(func() int {
			_, err := a.Shell(t.Context(), "echo > /dev/udp/10.9.9.2/9 || true")
			g.Expect(err).NotTo(HaveOccurred())
			_, lost := wire.Passed("a", "b")
			return lost
		}).WithTimeout(10 * time.Second).Should(BeNumerically(">", before))
	})
	t.Run("lose with their power what they did not flush", func(t *testing.T) {
		g := NewWithT(t)
		_, err := a.Shell(t.Context(), "dd if=/dev/zero bs=4096 count=1 | tr '\\0' s | "+
			"dd of="+cell.DiskFile+" bs=4096 oflag=direct,dsync conv=notrunc; "+
			"dd if=/dev/zero bs=4096 count=1 | tr '\\0' u | "+
			"dd of="+cell.DiskFile+" bs=4096 seek=1 oflag=direct conv=notrunc,nocreat")
		g.Expect(err).NotTo(HaveOccurred())
		a.Kill()
		disk.PowerLoss(block.Nothing)
		now := make([]byte, 8192)
		g.Expect(disk.ReadAt(now, 0)).To(Equal(len(now)))
		g.Expect(now[:4096]).To(Equal(bytes.Repeat([]byte("s"), 4096)))
		g.Expect(now[4096:]).To(Equal(make([]byte, 4096)))
	})
	t.Run("do not notice a pause", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(b.Pause(t.Context())).To(Succeed())
		g.Expect(b.Resume(t.Context())).To(Succeed())
		g.Expect(b.Output(t.Context(), "uname", "-n")).To(Equal("b\n"))
	})
}
