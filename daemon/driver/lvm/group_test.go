package lvm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/export/kernel"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

var _ = Describe("A volume group on a replicated device", func() {
	var m *machine
	BeforeEach(func() { m = newMachine() })

	expectStatus := func(ctx context.Context, want failover.State, text string) {
		GinkgoHelper()
		state, said, err := m.group().Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(want))
		Expect(said).To(Equal(text))
	}

	It("is started by a scan and an activation, and stopped again", func(ctx SpecContext) {
		expectStatus(ctx, failover.Stopped, "1 logical volumes, none active")
		Expect(m.group().Start(ctx)).To(Succeed())
		expectStatus(ctx, failover.Running, "1 logical volumes, all active")
		Expect(m.group().Stop(ctx)).To(Succeed())
		expectStatus(ctx, failover.Stopped, "1 logical volumes, none active")
		Expect(m.calls).To(ContainElements("vgscan", "vgchange -aey my_vg", "vgchange -an my_vg"))
	})

	It("is started and stopped twice without harm", func(ctx SpecContext) {
		Expect(m.group().Start(ctx)).To(Succeed())
		Expect(m.group().Start(ctx)).To(Succeed())
		Expect(m.group().Stop(ctx)).To(Succeed())
		Expect(m.group().Stop(ctx)).To(Succeed())
	})

	It("is all that LVM sees, whatever lvm.conf says", func(ctx SpecContext) {
		Expect(m.group().Start(ctx)).To(Succeed())
		const filter = `["a|^/dev/drbd1$|","r|.*|"]`
		Expect(m.scopes).To(HaveEach("devices{filter=" + filter + " global_filter=" + filter + " use_devicesfile=0 hints=\"none\"} activation{volume_list=[\"my_vg\"]}"))
	})

	It("is looked for on what a linked device really is", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		nbd, link := filepath.Join(dir, "nbd0.1"), filepath.Join(dir, "drbd1")
		Expect(os.WriteFile(nbd, nil, 0o600)).To(Succeed())
		Expect(os.Symlink(nbd, link)).To(Succeed())
		g := m.group()
		g.Devices = []string{link}
		Expect(g.Scan(ctx)).To(Succeed())
		Expect(m.scopes[0]).To(And(ContainSubstring(`"a|^`+link+`$|"`), ContainSubstring(`/nbd0[.]1$|"`)))
	})

	It("is not looked for without a device, or with a name that is none", func(ctx SpecContext) {
		for _, g := range []lvm.Group{
			{Name: "my_vg", Run: m.run},
			{Name: "my_vg", Run: m.run, Devices: []string{"drbd1"}},
			{Name: "my_vg", Run: m.run, Devices: []string{`/dev/drbd1$|"]`}},
			{Name: "--all", Run: m.run, Devices: []string{"/dev/drbd1"}},
			{Name: "", Run: m.run, Devices: []string{"/dev/drbd1"}},
			{Name: "..", Run: m.run, Devices: []string{"/dev/drbd1"}},
			{Name: "a b", Run: m.run, Devices: []string{"/dev/drbd1"}},
		} {
			state, _, err := g.Status(ctx)
			Expect(err).To(HaveOccurred())
			Expect(state).To(Equal(failover.Unknown))
			Expect(g.Start(ctx)).NotTo(Succeed())
		}
		Expect(m.calls).To(BeEmpty())
	})

	It("is not there while the device is Secondary", func(ctx SpecContext) {
		m.visible = false
		expectStatus(ctx, failover.Stopped, "no logical volumes seen on /dev/drbd1")
		Expect(m.group().Stop(ctx)).To(Succeed())
		Expect(m.group().Start(ctx)).To(MatchError(
			"look for volume group my_vg: not on /dev/drbd1; vgscan says: nothing"))
		Expect(m.group().Activate(ctx)).To(MatchError(ContainSubstring(`Volume group "my_vg" not found`)))
	})

	It("is unknown when LVM can't answer", func(ctx SpecContext) {
		m.broken = "config-parse-error"
		state, text, err := m.group().Status(ctx)
		Expect(state).To(Equal(failover.Unknown))
		Expect(text).To(ContainSubstring("Failed to load config file"))
		Expect(err).To(MatchError(And(HavePrefix("status of volume group my_vg: lvs "),
			HaveSuffix("exit status 4: Parse error at byte 36 (line 1): expected a value; "+
				"Failed to load config file /etc/lvm/lvmlocal.conf"))))
		Expect(m.group().Stop(ctx)).NotTo(Succeed())
	})

	It("is unknown when LVM hangs", func(ctx SpecContext) {
		g := m.group()
		g.Run = func(context.Context, command.Program) (command.Result, error) {
			return command.Result{Code: -1}, command.ErrStuck
		}
		state, _, err := g.Status(ctx)
		Expect(state).To(Equal(failover.Unknown))
		Expect(err).To(MatchError(command.ErrStuck))
		Expect(g.Stop(ctx)).To(MatchError(command.ErrStuck))
	})

	DescribeTable("is what the attributes say", func(ctx SpecContext, attrs []string, want failover.State, said string) {
		g := m.group()
		g.Run = func(_ context.Context, p command.Program) (command.Result, error) {
			out := `{"report":[{"lv":[{"vg_name":"other","lv_name":"x","lv_attr":"-wi-ao----"}`
			for i, attr := range attrs {
				out += `,{"vg_name":"my_vg","lv_name":"web` + string(rune('1'+i)) + `","lv_attr":"` + attr + `"}`
			}
			return command.Exited(p, 0, []byte(out+"]}]}"), nil)
		}
		state, text, err := g.Status(ctx)
		Expect(err != nil).To(Equal(want == failover.Unknown))
		Expect(state).To(Equal(want))
		Expect(text).To(Equal(said))
	},
		Entry("partly active", []string{"-wi-a-----", "-wi-------"}, failover.Running, "active are only web1"),
		Entry("suspended", []string{"-wi-s-----"}, failover.Running, "1 logical volumes, all active"),
		Entry("mapped without a table", []string{"-wi-d-----"}, failover.Running, "1 logical volumes, all active"),
		Entry("the kernel was not asked", []string{"-wi-XX----"}, failover.Unknown,
			`lvs shows the attributes "-wi-XX----" for web1`),
		Entry("cut", []string{"-wi"}, failover.Unknown, `lvs shows the attributes "-wi" for web1`),
		Entry("only other groups", nil, failover.Stopped, "no logical volumes seen on /dev/drbd1"),
	)

	It("is unknown when the report is none", func(ctx SpecContext) {
		for _, out := range []string{"", "{}", "[1]", "  LV VG\n"} {
			g := m.group()
			g.Run = func(_ context.Context, p command.Program) (command.Result, error) {
				return command.Exited(p, 0, []byte(out), nil)
			}
			state, _, err := g.Status(ctx)
			Expect(err).To(HaveOccurred())
			Expect(state).To(Equal(failover.Unknown))
		}
	})

	It("fails to start when duplicates are seen, or nothing became active", func(ctx SpecContext) {
		g := m.group()
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			if p.Name == "vgchange" {
				return m.answer(p, "dup-vgchange-ay")
			}
			return m.run(ctx, p)
		}
		Expect(g.Start(ctx)).To(MatchError(HaveSuffix(
			"Cannot activate LVs in VG my_vg while PVs appear on duplicate devices.")))
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			if p.Name == "vgchange" {
				return m.answer(p, "vgchange-ay")
			}
			return m.run(ctx, p)
		}
		Expect(g.Start(ctx)).To(MatchError(
			"activate volume group my_vg: vgchange succeeded, but test_lv is not active (-wi-------)"))
	})
})

var _ = Describe("A volume group that is in use", func() {
	var m *machine
	BeforeEach(func() {
		m = newMachine()
		m.active, m.open = true, true
	})

	It("stays active, and the refusal says who uses it", func(ctx SpecContext) {
		m.write("sys/bus/xen-backend/devices/vbd-4-51712/physical_device", "fd:0\n")
		m.write("sys/bus/xen-backend/devices/vbd-5-51712/physical_device", "fd:1\n")
		m.write("proc/self/mountinfo", "36 35 98:0 / /a rw - ext3 /dev/root rw\n40 35 253:0 / /mnt rw - ext3 /dev/x rw\n")
		m.write("sys/block/dm-0/holders/dm-3", "")
		m.write("proc/4711/comm", "dd\n")
		m.write("proc/4711/fd/x", "")
		Expect(os.Symlink("/dev/mapper/my_vg-test_lv", filepath.Join(m.root, "proc/4711/fd/9"))).To(Succeed())
		Expect(os.Symlink("/dev/dm-0", filepath.Join(m.root, "proc/4711/fd/8"))).To(Succeed())
		Expect(m.group().Stop(ctx)).To(MatchError(And(
			HavePrefix("deactivate volume group my_vg: vgchange "),
			ContainSubstring("exit status 5: Logical volume my_vg/test_lv in use.;"),
			HaveSuffix(": in use: test_lv by Xen domain test (4), a mount on /mnt, block device dm-3, process 4711 (dd)"))))
		Expect(m.active).To(BeTrue())
	})

	It("says so when the user can't be found", func(ctx SpecContext) {
		Expect(m.group().Stop(ctx)).To(MatchError(HaveSuffix("in use: test_lv by a user that was not found")))
	})
})

var _ = Describe("A volume group that is active on a device which was given up", func() {
	var m *machine
	BeforeEach(func() {
		m = newMachine()
		m.active = true
		m.volume("dm-0", "my_vg-test_lv", "nbd0")
		m.write("sys/block/nbd0/backend", kernel.IdentifierPrefix+"r1\n")
		m.write("sys/block/nbd1/backend", kernel.IdentifierPrefix+"r1\n")
		m.write("dev/nbd1", "")
		Expect(os.Symlink("nbd1", filepath.Join(m.root, "dev/drbd1"))).To(Succeed())
	})

	It("does not run: the resource has another one", func(ctx SpecContext) {
		state, text, err := m.group().Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(failover.Stopped))
		Expect(text).To(Equal("active, but not here: test_lv on nbd0, which was given up"))
	})

	It("is made active anew", func(ctx SpecContext) {
		Expect(m.group().Start(ctx)).To(Succeed())
		Expect(m.calls).To(ContainElements("vgchange -an my_vg", "vgchange -aey my_vg"))
		Expect(m.active).To(BeTrue())
	})

	It("is not while somebody holds it", func(ctx SpecContext) {
		m.open = true
		Expect(m.group().Start(ctx)).To(MatchError(And(
			HavePrefix("activate volume group my_vg: it is still active on a device that was given up: vgchange "),
			HaveSuffix("in use: test_lv by a user that was not found"))))
		Expect(m.calls).NotTo(ContainElement("vgchange -aey my_vg"))
	})

	It("is taken out of the kernel when the group is stopped", func(ctx SpecContext) {
		Expect(m.group().Stop(ctx)).To(Succeed())
		Expect(m.calls).To(ContainElement("vgchange -an my_vg"))
	})

	It("runs when the device only waits", func(ctx SpecContext) {
		Expect(os.Remove(filepath.Join(m.root, "dev/drbd1"))).To(Succeed())
		state, _, err := m.group().Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(failover.Running))
	})
})

var _ = Describe("A volume group whose device was lost", func() {
	var m *machine
	BeforeEach(func() {
		m = newMachine()
		m.visible = false
		m.write("sys/block/dm-0/dm/name", "my_vg-test_lv\n")
		m.write("sys/block/dm-0/dm/uuid", "LVM-GvmGBfrF0vGhMydR16U07KGLp1GDhMq1q4AVxOTHsPPNZB5Ra4gXnwSYc5QTR8Kr\n")
		m.write("sys/block/dm-1/dm/name", "my_vg--2-test_lv\n")
		m.write("sys/block/dm-1/dm/uuid", "LVM-other\n")
		m.write("sys/block/dm-2/dm/name", "my_vg-crypt\n")
		m.write("sys/block/dm-2/dm/uuid", "CRYPT-x\n")
	})

	It("still runs, because the kernel has it", func(ctx SpecContext) {
		state, text, err := m.group().Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(failover.Running))
		Expect(text).To(Equal("the device is lost, but the kernel still has my_vg-test_lv"))
	})

	It("is stopped by taking it out of the kernel", func(ctx SpecContext) {
		Expect(m.group().Stop(ctx)).To(Succeed())
		Expect(m.calls).To(ContainElement("dmsetup remove my_vg-test_lv"))
	})

	It("is unknown if the kernel can't be asked either", func(ctx SpecContext) {
		g := m.group()
		g.Root = filepath.Join(m.root, "elsewhere")
		state, _, err := g.Status(ctx)
		Expect(err).To(MatchError(os.ErrNotExist))
		Expect(state).To(Equal(failover.Unknown))
	})

	It("fails to stop while somebody holds it", func(ctx SpecContext) {
		g := m.group()
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			if p.Name == "dmsetup" {
				return command.Exited(p, 1, nil, []byte("device-mapper: remove ioctl on my_vg-test_lv failed: busy\n"))
			}
			return m.run(ctx, p)
		}
		err := g.Stop(ctx)
		var exit *command.ExitError
		Expect(errors.As(err, &exit)).To(BeTrue())
		Expect(err).To(MatchError(ContainSubstring("remove ioctl")))
	})
})
