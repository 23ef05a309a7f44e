package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
	"github.com/optionc/pollux/qemu/record"
)

func TestImage(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "qemu/image")
}

var _ = BeforeSuite(func() {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
})

// quickGuest uses the script that only connects; pageGuest is as on the page.
const (
	pageGuest = `
name = "web1"
kernel = "/boot/vmlinux"
ramdisk = "/boot/initramfs"
extra = "console=hvc0 quiet"
memory = 96
on_crash = "destroy"
disk = [ "phy:/dev/my_vg/web1,xvda,w" ]
`
	quickGuest = `
name = "web1"
kernel = "/boot/vmlinux"
ramdisk = "/boot/initramfs"
extra = "console=hvc0 quiet"
memory = 96
on_crash = "destroy"
disk = [ "format=raw,vdev=xvda,access=rw,script=block-quick,target=/dev/my_vg/web1" ]
`
)

var _ = Describe("A dom0", Label("vm", "xen"), Ordered, func() {
	var (
		dir      string
		disk     *block.Disk
		config   machine.Config
		promised int
	)
	boot := func(ctx SpecContext) *machine.Machine {
		begin := time.Now()
		m, err := machine.Boot(ctx, GinkgoT(), config)
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("seconds to boot", time.Since(begin).Seconds())
		return m
	}
	// create starts the guest; what it returns is the guest's console.
	create := func(ctx SpecContext, m *machine.Machine, guest string) *agent.Process {
		begin := time.Now()
		Expect(m.Put(ctx, "/etc/xen/ha.d/web1.cfg", []byte(guest), 0o644)).To(Succeed())
		console, err := m.Start("tail", "-n", "+1", "-F", "/var/log/xen/console/guest-web1.log")
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Output(ctx, "xl", "create", "/etc/xen/ha.d/web1.cfg")).Error().NotTo(HaveOccurred())
		AddReportEntry("seconds of xl create", time.Since(begin).Seconds())
		Eventually(func() int { return printed(console) }).WithContext(ctx).WithTimeout(5*time.Minute).
			Should(BeNumerically(">", 10), func() string { return console.Stdout() + m.Console() })
		AddReportEntry("seconds to the tenth record", time.Since(begin).Seconds())
		return console
	}
	BeforeAll(func(ctx SpecContext) {
		dom0, err := image.Dom0(ctx, image.DefaultKernel(), nil)
		Expect(err).NotTo(HaveOccurred())
		dir, err = os.MkdirTemp("", "pollux")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		disk = block.New(96 << 20)
		socket := filepath.Join(dir, "data")
		Expect(disk.Serve(socket)).To(Succeed())
		DeferCleanup(disk.Close)
		config = machine.Config{
			Name: "milo1", Address: "192.168.0.1/24", Image: dom0,
			Disks: []machine.Disk{{Name: "data", Socket: socket}},
		}
	}, NodeTimeout(5*time.Minute))

	It("starts a guest on a logical volume, and shuts it down cleanly", func(ctx SpecContext) {
		m := boot(ctx)
		Expect(m.Output(ctx, "xl", "list")).To(ContainSubstring("Domain-0"))
		Expect(m.Shell(ctx, "xl info | grep xen_version")).To(ContainSubstring("4.17."))
		Expect(m.Shell(ctx, `set -e
			pvcreate /dev/disk/data
			vgcreate my_vg /dev/disk/data
			lvcreate --size 64M --name web1 my_vg
			mkfs.ext4 -q /dev/my_vg/web1`)).Error().NotTo(HaveOccurred())

		console := create(ctx, m, pageGuest)
		Expect(console.Stdout()).To(ContainSubstring("verified 0 records"))
		Expect(m.Output(ctx, "xl", "list")).To(ContainSubstring("web1"))
		Expect(m.Output(ctx, "xl", "shutdown", "-w", "web1")).Error().NotTo(HaveOccurred())
		Eventually(console.Stdout).WithContext(ctx).WithTimeout(20 * time.Second).Should(ContainSubstring("recorder: unmounted"))
		promised = printed(console)

		Eventually(func(ctx SpecContext) string {
			out, err := m.Output(ctx, "xl", "list")
			Expect(err).NotTo(HaveOccurred())
			return out
		}).WithContext(ctx).WithTimeout(20 * time.Second).ShouldNot(ContainSubstring("web1"))
		Expect(m.Shell(ctx, "vgchange -an my_vg")).Error().NotTo(HaveOccurred())
		Expect(m.PowerOff(ctx)).To(Succeed())
	}, SpecTimeout(10*time.Minute))

	It("loses no record that its guest has printed, when its power goes", func(ctx SpecContext) {
		m := boot(ctx)
		Expect(m.Shell(ctx, "vgchange -ay my_vg")).Error().NotTo(HaveOccurred())
		console := create(ctx, m, quickGuest)
		Expect(console.Stdout()).To(ContainSubstring("verified %d records, cut off 0 bytes", promised))
		m.Kill()
		promised += printed(console)
		disk.PowerLoss(block.Nothing)

		m = boot(ctx)
		Expect(m.Shell(ctx, "vgchange -ay my_vg && e2fsck -p /dev/my_vg/web1 && mount /dev/my_vg/web1 /mnt")).Error().NotTo(HaveOccurred())
		content, err := m.Get(ctx, "/mnt/records")
		Expect(err).NotTo(HaveOccurred())
		records, _, err := record.Verify(content)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(records)).To(BeNumerically(">=", promised))
	}, SpecTimeout(15*time.Minute))

	It("goes on from a snapshot, with its guest", func(ctx SpecContext) {
		m := boot(ctx)
		Expect(m.Shell(ctx, "vgchange -ay my_vg")).Error().NotTo(HaveOccurred())
		create(ctx, m, quickGuest)
		Expect(m.Pause(ctx)).To(Succeed())
		clone := disk.Clone()
		saved := filepath.Join(dir, "memory")
		Expect(m.Save(ctx, saved)).To(Succeed())

		begin := time.Now()
		config.Disks[0].Socket += "-clone"
		Expect(clone.Serve(config.Disks[0].Socket)).To(Succeed())
		DeferCleanup(clone.Close)
		m, err := machine.Restore(ctx, GinkgoT(), config, saved)
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Resume(ctx)).To(Succeed())
		console, err := m.Start("tail", "-n", "0", "-F", "/var/log/xen/console/guest-web1.log")
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return printed(console) }).WithContext(ctx).WithTimeout(time.Minute).
			Should(BeNumerically(">", 5), m.Console)
		AddReportEntry("seconds from restore to more records", time.Since(begin).Seconds())
		Expect(m.Output(ctx, "xl", "list")).To(ContainSubstring("web1"))
	}, SpecTimeout(10*time.Minute))
})

// printed is how many records a guest has promised on its console.
func printed(console *agent.Process) int {
	n := 0
	for line := range bytes.Lines([]byte(console.Stdout())) {
		if _, err := record.Parse(line); err == nil {
			n++
		}
	}
	return n
}
