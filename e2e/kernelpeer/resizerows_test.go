package kernelpeer_test

import (
	"fmt"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// smallDisk is what a disk that grows begins with, in bytes.
const smallDisk = 24 << 20

var resizeRows = []row{
	{name: "resize", fresh: true, options: options{growing: true}, body: func(ctx SpecContext, p pairing) {
		both(func(n *node) { n.engine.up(ctx) })
		skipFirstSync(ctx, milo1)
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1), write(deviceSize()-64*kib, 64*kib, 2))
		before := len(content)
		both(func(n *node) { n.grow(ctx, diskSize) })
		p.from.do(ctx, "resize")
		p.synced(ctx)
		// What the disks held behind the old end is a part of the device now, the
		// old metadata too: the Primary's is copied.
		content = append(content, make([]byte, int(deviceSize())-before)...)
		now := make([]byte, len(content))
		p.from.read(now)
		copy(content[before:], now[before:])
		both(func(n *node) {
			Eventually(func() int { return n.engine.state(ctx).OutOfSync }).WithContext(ctx).WithTimeout(soon).Should(BeZero())
		})
		p.from.wrote(ctx, 1, write(int64(before)-4*kib, 64*kib, 3), write(deviceSize()-4*kib, 4*kib, 4), check(0, mib, 1))
		p.from.do(ctx, "secondary")
		p.to.do(ctx, "primary")
		p.to.io(ctx, 1, check(deviceSize()-4*kib, 4*kib, 4))
		p.to.do(ctx, "secondary")
	}},
}

// shape makes the disk of a node that has nothing on it. One that is to grow is
// a device of device-mapper in a machine, and a plain file in a cell.
func (n *node) shape(ctx SpecContext, o options) {
	GinkgoHelper()
	Expect(n.disk.WriteAt(make([]byte, diskSize), 0)).Error().NotTo(HaveOccurred())
	n.growing, diskNow = o.growing, diskSize
	if !o.growing {
		return
	}
	diskNow = smallDisk
	if !n.home.inVM {
		Expect(os.WriteFile(n.diskFile(), nil, 0o600)).To(Succeed())
		Expect(os.Truncate(n.diskFile(), smallDisk)).To(Succeed())
		return
	}
	_, err := n.at.Shell(ctx, "dmsetup create --noudevsync --noudevrules data --table '"+linear(smallDisk)+
		"' && dmsetup mknodes data")
	Expect(err).NotTo(HaveOccurred())
}

func linear(size int) string { return fmt.Sprintf("0 %d linear /dev/disk/data 0", size/512) }

// grow gives the disk more room.
func (n *node) grow(ctx SpecContext, size int) {
	GinkgoHelper()
	diskNow = size
	if !n.home.inVM {
		Expect(os.Truncate(n.diskFile(), int64(size))).To(Succeed())
		return
	}
	_, err := n.at.Shell(ctx, "dmsetup suspend --noudevsync data && dmsetup load data --table '"+linear(size)+
		"' && dmsetup resume --noudevsync data")
	Expect(err).NotTo(HaveOccurred())
}

// read reads the beginning of the disk from outside.
func (n *node) read(into []byte) {
	GinkgoHelper()
	if !n.growing || n.home.inVM {
		Expect(n.disk.ReadAt(into, 0)).Error().NotTo(HaveOccurred())
		return
	}
	f, err := os.Open(n.diskFile())
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	Expect(f.ReadAt(into, 0)).To(Equal(len(into)))
}
