package lvm_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// volume puts a logical volume into the kernel, made of the device below.
func (m *machine) volume(dm, name, below string) {
	m.write("sys/block/"+dm+"/dm/name", name+"\n")
	m.write("sys/block/"+dm+"/dm/uuid", "LVM-GvmGBfrF0vGhMydR16U07KGLp1GDhMq1q4AVxOTHsPPNZB5Ra4gXnwSYc5QTR8Kr\n")
	m.write("sys/block/"+dm+"/dev", "253:"+dm[len("dm-"):]+"\n")
	m.write("sys/block/"+dm+"/slaves/"+below+"/dev", "\n")
	m.write("sys/class/block/"+below+"/holders/"+dm+"/dev", "\n")
}

var _ = Describe("The disk below a resource", func() {
	var m *machine
	below := lvm.Below{Resource: "r1", Disk: "/dev/sda3"}
	const off = `vgchange --config 'devices{filter=["a|^/dev/sda3$|","r|.*|"] global_filter=["a|^/dev/sda3$|","r|.*|"] ` +
		`use_devicesfile=0 hints="none"}' -an my_vg; then: pollux attach r1, and, unless the nodes are connected, pollux connect r1`
	BeforeEach(func() { m = newMachine() })

	It("is free when nothing stands on it", func() {
		Expect(below.Held(m.root)).To(Succeed())
		m.volume("dm-0", "my_vg-test_lv", "nbd0")
		Expect(below.Held(m.root)).To(Succeed())
	})

	It("is refused while a group is active on it, with its users and what cures it", func() {
		m.volume("dm-0", "my_vg-test_lv", "sda3")
		m.volume("dm-1", "my_vg-a--b", "sda3")
		m.write("sys/bus/xen-backend/devices/vbd-7-51712/physical_device", "fd:1\n")
		Expect(below.Held(m.root)).To(MatchError("volume group my_vg is active on /dev/sda3 itself, below resource r1, and what is " +
			"written there is not replicated: test_lv; a-b (Xen domain 7). End what uses it, then: " + off + ". If anything was " +
			"written there, this copy has to be made anew: pollux invalidate r1. To keep this host's LVM from it: " +
			`global_filter = [ "r|^/dev/sda3$|" ] in section devices of /etc/lvm/lvm.conf`))
	})

	It("is held by what stands on other volumes, on a part of it, or on the disk that it is a part of", func() {
		m.volume("dm-1", "my_vg-test_lv", "dm-0")
		m.write("sys/class/block/sda3/holders/dm-0/dev", "")
		Expect(below.Held(m.root)).To(MatchError(ContainSubstring("test_lv")), "a device that is encrypted, say")

		m = newMachine()
		m.volume("dm-0", "my_vg-test_lv", "sdb1")
		m.write("sys/class/block/sdb/sdb1/partition", "1\n")
		Expect(lvm.Below{Resource: "r1", Disk: "/dev/sdb"}.Held(m.root)).To(MatchError(ContainSubstring("test_lv")))

		m = newMachine()
		m.volume("dm-0", "my_vg-test_lv", "sdb")
		m.write("sys/devices/sdb/sdb1/partition", "1\n")
		Expect(os.Symlink("../../devices/sdb/sdb1", filepath.Join(m.root, "sys/class/block/sdb1"))).To(Succeed())
		Expect(lvm.Below{Resource: "r1", Disk: "/dev/sdb1"}.Held(m.root)).To(MatchError(ContainSubstring("test_lv")))
	})

	It("is looked for on this machine, wherever the daemon runs", func() {
		m.volume("dm-0", "my_vg-test_lv", "no-such-disk")
		GinkgoT().Chdir(m.root)
		b := lvm.Below{Resource: "r1", Disk: "/dev/no-such-disk"}
		Expect(b.Held("")).To(Succeed())
		Expect(b.Held(".")).NotTo(Succeed())
	})

	It("may be a file, which no group is active on", func() {
		m.volume("dm-0", "my_vg-test_lv", "sda3")
		m.write("srv/sda3", "")
		Expect(lvm.Below{Resource: "r1", Disk: "/srv/sda3"}.Held(m.root)).To(Succeed())
		Expect(lvm.Below{Resource: "r1", Disk: "/srv/gone"}.Held(m.root)).To(Succeed())
	})

	It("is found by any of its names, and is not what replicates it", func() {
		m.write("dev/sda3", "")
		m.write("dev/disk/by-id/x", "")
		link := filepath.Join(m.root, "dev/disk/by-id/wwn-1")
		Expect(os.Symlink("../../sda3", link)).To(Succeed())
		m.volume("dm-0", "my_vg-test_lv", "drbd1")
		m.write("sys/class/block/sda3/holders/drbd1/dev", "")
		b := lvm.Below{Resource: "r1", Disk: "/dev/disk/by-id/wwn-1"}
		Expect(b.Held(m.root)).To(Succeed(), "the kernel's DRBD has it")
		m.volume("dm-1", "my_vg-test_lv", "sda3")
		Expect(b.Held(m.root)).To(MatchError(ContainSubstring(`"a|^/dev/disk/by-id/wwn-1$|"`)))
	})

	Context("with the group active on it", func() {
		group := func() lvm.Group {
			g := m.group()
			g.Below = []lvm.Below{below}
			return g
		}
		BeforeEach(func() { m.volume("dm-0", "my_vg-test_lv", "sda3") })

		It("does not count as the group's device, and is left alone", func(ctx SpecContext) {
			m.visible = false
			state, text, err := group().Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(state).To(Equal(failover.Stopped))
			Expect(text).To(Equal("no logical volumes seen on /dev/drbd1, but my_vg-test_lv is on /dev/sda3, below resource r1"))
			Expect(group().Stop(ctx)).To(Succeed())
			Expect(m.calls).NotTo(ContainElement(HavePrefix("dmsetup")))
		})

		It("is not taken for it when LVM sees the replicated device too", func(ctx SpecContext) {
			m.active = true // LVM goes by the volume's identifier
			state, text, err := group().Status(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(state).To(Equal(failover.Stopped))
			Expect(text).To(Equal("active, but not here: test_lv on /dev/sda3, below resource r1"))
		})

		It("keeps the group from being activated", func(ctx SpecContext) {
			Expect(group().Start(ctx)).To(MatchError(And(
				HavePrefix("activate volume group my_vg: volume group my_vg is active on /dev/sda3 itself"), ContainSubstring(off))))
			Expect(m.calls).NotTo(ContainElement(HavePrefix("vgchange")))
		})
	})
})

var _ = Describe("Volume groups of one name", func() {
	var m *machine
	BeforeEach(func() { m = newMachine() })
	group := func() lvm.Group {
		g := m.group()
		g.Devices = []string{"/dev/loop0", "/dev/loop1"}
		return g
	}

	It("are no matter when only one device has it", func(ctx SpecContext) {
		m.pvs = "pvs-one"
		Expect(group().Scan(ctx)).To(Succeed())
	})

	It("are refused when one is a copy of the other", func(ctx SpecContext) {
		m.pvs = "pvs-copy"
		Expect(group().Start(ctx)).To(MatchError("look for volume group my_vg: /dev/loop0 and /dev/loop1 carry the same physical " +
			"volume, bbvTYn-nrnW-LkS3-UIaK-NhoJ-mPme-q0kIrv: one is a copy of the other. Make the resource of the one that is not " +
			"meant Secondary, or give it an identity of its own: vgimportclone --config 'devices{filter=[\"a|^/dev/loop1$|\"," +
			"\"r|.*|\"] global_filter=[\"a|^/dev/loop1$|\",\"r|.*|\"] use_devicesfile=0 hints=\"none\"}' --basevgname my_vg_copy /dev/loop1. To keep " +
			"this host's LVM from it: global_filter = [ \"r|^/dev/loop1$|\" ] in section devices of /etc/lvm/lvm.conf"))
		Expect(m.calls).NotTo(ContainElement(HavePrefix("vgchange")))
	})

	It("are refused when they are two", func(ctx SpecContext) {
		m.pvs = "pvs-same-name"
		Expect(group().Start(ctx)).To(MatchError(And(
			ContainSubstring("there are two of that name, 3iR0Tn-jxsp-TU33-Lz4I-h8tQ-H70W-akAzfu on /dev/loop0 and "+
				"pGU9qP-StQY-ZzE4-iL8n-fzbr-z6wi-f0UbVs on /dev/loop1. Rename the one that is not meant: vgrename "),
			HaveSuffix(" pGU9qP-StQY-ZzE4-iL8n-fzbr-z6wi-f0UbVs my_vg_other"))))
		Expect(m.calls).NotTo(ContainElement(HavePrefix("vgchange")))
	})

	It("don't share what the kernel has of another one", func(ctx SpecContext) {
		m.visible = false
		m.volume("dm-0", "my_vg-root", "sda2")
		state, text, err := m.group().Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(failover.Stopped))
		Expect(text).To(Equal("no logical volumes seen on /dev/drbd1, but my_vg-root is on sda2"))
		Expect(m.group().Stop(ctx)).To(Succeed())
		Expect(m.calls).NotTo(ContainElement(HavePrefix("dmsetup")))
	})

	It("are not started on a volume that the kernel has of a copy", func(ctx SpecContext) {
		m.active = true
		m.volume("dm-0", "my_vg-test_lv", "sdc")
		Expect(m.group().Start(ctx)).To(MatchError(ContainSubstring("test_lv is active already, on sdc")))
		m = newMachine()
		m.active = true
		m.volume("dm-0", "my_vg-test_lv", "nbd3")
		Expect(m.group().Start(ctx)).To(Succeed(), "it may be the replicated device by another name")
	})

	It("are not taken for those that another resource has", func(ctx SpecContext) {
		m.active = true
		m.write("dev/nbd3", "")
		Expect(os.Symlink("nbd3", filepath.Join(m.root, "dev/drbd2"))).To(Succeed())
		m.volume("dm-0", "my_vg-test_lv", "nbd3")
		g := m.group()
		g.Others = []string{"/dev/drbd2"}
		Expect(g.Start(ctx)).To(MatchError(ContainSubstring("test_lv is active already, on /dev/drbd2")))
		m.calls = nil
		Expect(g.Stop(ctx)).To(Succeed())
		Expect(m.calls).To(BeEmpty(), "vgchange would make the other one inactive")
	})

	It("are not found by another host when they have a system ID", func(ctx SpecContext) {
		m.pvs = "pvs-system-id"
		g := group()
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			if p.Name == "vgscan" {
				return m.answer(p, "vgscan-system-id")
			}
			return m.run(ctx, p)
		}
		Expect(g.Start(ctx)).To(MatchError("look for volume group my_vg: LVM keeps it for the host whose system ID is milo2. " +
			"There: vgchange --yes --systemid '' my_vg"))
	})
})
