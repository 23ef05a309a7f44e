package cable_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"

	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/cable"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

func TestCable(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "qemu/cable")
}

var _ = BeforeSuite(func() {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
})

// drbdConf is the wiki page's resource, with pings that notice a cut soon.
const drbdConf = `
resource r1 {
  protocol C;
  net { ping-int 1; ping-timeout 20; timeout 30; connect-int 3; }
  on milo1 { device /dev/drbd1; disk /dev/disk/data; address 192.168.0.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1; disk /dev/disk/data; address 192.168.0.2:7789; meta-disk internal; }
}
`

const diskSize = 24 << 20

var _ = Describe("Two machines on a cable, with the kernel's DRBD", Label("vm"), Ordered, func() {
	var (
		wire         *cable.Switch
		milo1, milo2 *machine.Machine
		disks        []*block.Disk
	)
	BeforeAll(func(ctx SpecContext) {
		plain, err := image.Plain(ctx, image.DefaultKernel(), nil)
		Expect(err).NotTo(HaveOccurred())
		dir, err := os.MkdirTemp("", "pollux")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		wire, err = cable.New(dir, 1, "milo1", "milo2")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(wire.Close)
		test := GinkgoT()
		var both errgroup.Group
		for i, m := range []**machine.Machine{&milo1, &milo2} {
			name := fmt.Sprintf("milo%d", i+1)
			disk := block.New(diskSize)
			disks = append(disks, disk)
			Expect(disk.Serve(filepath.Join(dir, name))).To(Succeed())
			DeferCleanup(disk.Close)
			both.Go(func() (err error) {
				*m, err = machine.Boot(ctx, test, machine.Config{
					Name: name, Address: fmt.Sprintf("192.168.0.%d/24", i+1), Image: plain,
					Cable: wire.Socket(name), MAC: fmt.Sprintf("52:54:00:00:00:%02x", i+1),
					Disks: []machine.Disk{{Name: "data", Socket: filepath.Join(dir, name)}},
				})
				return err
			})
		}
		Expect(both.Wait()).To(Succeed())
	}, NodeTimeout(5*time.Minute))

	// reaches is whether a ping of one packet is answered.
	reaches := func(ctx SpecContext) bool {
		r, err := milo1.Run(ctx, "ping", "-c", "1", "-W", "2", "192.168.0.2")
		Expect(err).NotTo(HaveOccurred())
		return r.Status == 0
	}
	state := func(m *machine.Machine, what string) func(ctx SpecContext) string {
		return func(ctx SpecContext) string {
			r, err := m.Run(ctx, "drbdadm", what, "r1")
			Expect(err).NotTo(HaveOccurred())
			return r.Stdout
		}
	}

	It("carries packets, later with a latency, and none through a cut", func(ctx SpecContext) {
		Eventually(reaches).WithContext(ctx).Should(BeTrue())
		const latency = 200 * time.Millisecond
		wire.Both("milo1", "milo2", func(d *link.Direction) { d.Latency = latency })
		begin := time.Now()
		Expect(reaches(ctx)).To(BeTrue())
		Expect(time.Since(begin)).To(BeNumerically(">=", 2*latency))
		wire.Both("milo1", "milo2", func(d *link.Direction) { d.Latency = 0 })

		// One way is enough: the answer is lost.
		wire.Way("milo2", "milo1", func(d *link.Direction) { d.Cut() })
		Expect(reaches(ctx)).To(BeFalse())
		wire.Heal("milo1", "milo2")
		Eventually(reaches).WithContext(ctx).WithTimeout(20 * time.Second).Should(BeTrue())
	}, SpecTimeout(2*time.Minute))

	It("connects", func(ctx SpecContext) {
		for _, m := range []*machine.Machine{milo1, milo2} {
			Expect(m.Put(ctx, "/etc/drbd.conf", []byte(drbdConf), 0o644)).To(Succeed())
			Expect(m.Output(ctx, "drbdadm", "--force", "create-md", "r1")).Error().NotTo(HaveOccurred())
			Expect(m.Output(ctx, "drbdadm", "up", "r1")).Error().NotTo(HaveOccurred())
		}
		Eventually(state(milo1, "cstate")).WithContext(ctx).WithTimeout(60 * time.Second).Should(Equal("Connected\n"))
	}, SpecTimeout(2*time.Minute))

	It("syncs from the one that is made Primary", func(ctx SpecContext) {
		Expect(milo1.Output(ctx, "drbdadm", "primary", "--force", "r1")).Error().NotTo(HaveOccurred())
		Expect(milo1.Shell(ctx, "echo all is well | dd of=/dev/drbd1 conv=fsync")).Error().NotTo(HaveOccurred())
		Eventually(state(milo2, "dstate")).WithContext(ctx).WithTimeout(2 * time.Minute).Should(Equal("UpToDate/UpToDate\n"))
		first := make([][]byte, 2)
		for i, d := range disks {
			first[i] = make([]byte, 1<<20)
			Expect(d.ReadAt(first[i], 0)).To(Equal(1 << 20))
		}
		Expect(string(first[1])).To(HavePrefix("all is well\n"))
		Expect(first[1]).To(Equal(first[0]))
	}, SpecTimeout(4*time.Minute))

	It("notices a cut, and connects again after it", func(ctx SpecContext) {
		wire.Both("milo1", "milo2", func(d *link.Direction) { d.Cut() })
		Eventually(state(milo1, "cstate")).WithContext(ctx).WithTimeout(30 * time.Second).Should(Equal("WFConnection\n"))
		Expect(milo1.Shell(ctx, "echo written alone | dd of=/dev/drbd1 conv=fsync")).Error().NotTo(HaveOccurred())
		wire.Heal("milo1", "milo2")
		Eventually(state(milo2, "dstate")).WithContext(ctx).WithTimeout(60 * time.Second).Should(Equal("UpToDate/UpToDate\n"))
		second := make([]byte, block.SectorSize)
		Expect(disks[1].ReadAt(second, 0)).To(Equal(len(second)))
		Expect(string(second)).To(HavePrefix("written alone\n"))
	}, SpecTimeout(3*time.Minute))
})
