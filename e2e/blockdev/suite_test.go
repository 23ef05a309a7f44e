// Package blockdev_test runs two nodes in one test machine. The device of
// milo1 is a block device of the kernel's, with real users: file systems, LVM,
// and a writer that tolerates no error while daemons die and are replaced. The
// device of milo2 is a socket, so that the two don't meet.
package blockdev_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

func TestBlockDevices(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/blockdev")
}

// diskSize is small, so that a full resync under emulation takes seconds.
const diskSize = 48 << 20

const config = `
resource r1 {
  protocol C;
  net { ping-timeout 30; timeout 90; }
  on milo1 { device /dev/drbd1; disk /dev/disk/one; address 127.0.1.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1; disk /dev/disk/two; address 127.0.1.2:7789; meta-disk internal; }
}
`

var (
	vm    *machine.Machine
	milo1 = &node{name: "milo1", frontend: "kernel"}
	milo2 = &node{name: "milo2", frontend: "nbd-socket"}
)

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots a machine in QEMU: run with POLLUX_E2E=1")
	}
	dir := GinkgoT().TempDir()
	programs, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux", "/usr/bin/writer": "e2e/blockdev/writer",
	})
	Expect(err).NotTo(HaveOccurred())
	plain, err := image.Plain(ctx, image.DefaultKernel(), programs)
	Expect(err).NotTo(HaveOccurred())
	var disks []machine.Disk
	for _, name := range []string{"one", "two"} {
		disk := block.New(diskSize)
		socket := filepath.Join(dir, name)
		Expect(disk.Serve(socket)).To(Succeed())
		DeferCleanup(disk.Close)
		disks = append(disks, machine.Disk{Name: name, Socket: socket})
	}
	vm, err = machine.Boot(ctx, GinkgoT(), machine.Config{
		Name: "milo1", Image: plain, Memory: 512, Disks: disks, Lifetime: time.Hour,
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(vm.Put(ctx, "/etc/drbd.conf", []byte(config), 0o644)).To(Succeed())
	shell(ctx, "mkdir -p /mnt /run/lock /var/lock; dmesg -n 1")
	for _, n := range []*node{milo1, milo2} {
		n.pollux(ctx, "create-md", "--force", "r1")
		n.start(ctx)
	}
}, NodeTimeout(10*time.Minute))

// The daemons' logs explain a failure.
var _ = AfterEach(func() {
	if CurrentSpecReport().Failed() {
		GinkgoWriter.Printf("milo1:\n%s\nmilo2:\n%s\n", milo1.log(), milo2.log())
	}
})

// shell runs a script that must succeed.
func shell(ctx SpecContext, script string) string {
	GinkgoHelper()
	out, err := vm.Shell(ctx, script)
	Expect(err).NotTo(HaveOccurred())
	return out
}
