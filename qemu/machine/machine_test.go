package machine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/block"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

// orphan makes this test binary boot a machine, say its process number, and
// stay: the suite kills it.
const orphan = "POLLUX_TEST_ORPHAN"

func TestMachine(t *testing.T) {
	if os.Getenv(orphan) != "" {
		bootAndStay(t)
		return
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "qemu/machine")
}

var _ = BeforeSuite(func() {
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
})

var _ = Describe("A plain machine", Label("vm"), Ordered, func() {
	var m *machine.Machine

	BeforeAll(func(ctx SpecContext) {
		mine := filepath.Join(GinkgoT().TempDir(), "mine")
		Expect(os.WriteFile(mine, []byte("#!/bin/sh\necho we came along\n"), 0o755)).To(Succeed())
		plain, err := image.Plain(ctx, "6.1", image.Files{"/usr/bin/mine": mine})
		Expect(err).NotTo(HaveOccurred())
		begin := time.Now()
		m, err = machine.Boot(ctx, GinkgoT(), machine.Config{Name: "milo1", Image: plain})
		Expect(err).NotTo(HaveOccurred())
		AddReportEntry("seconds to boot", time.Since(begin).Seconds())
	}, NodeTimeout(5*time.Minute))

	It("is who it was told to be", func(ctx SpecContext) {
		Expect(m.Output(ctx, "uname", "-n", "-r")).To(MatchRegexp(`^milo1 6\.1\.`))
	})

	It("tells a program's outputs and status apart", func(ctx SpecContext) {
		Expect(m.Run(ctx, "/bin/sh", "-c", "echo out; echo err >&2; exit 3")).
			To(Equal(agent.Result{Status: 3, Stdout: "out\n", Stderr: "err\n"}))
	})

	It("has the programs that the test gave it", func(ctx SpecContext) {
		Expect(m.Output(ctx, "mine")).To(Equal("we came along\n"))
	})

	It("takes and gives files", func(ctx SpecContext) {
		content := []byte(strings.Repeat("0123456789abcdef", 1<<14))
		Expect(m.Put(ctx, "/tmp/some/file", content, 0o600)).To(Succeed())
		Expect(m.Get(ctx, "/tmp/some/file")).To(Equal(content))
	})

	It("has the tools and modules of the scenarios", func(ctx SpecContext) {
		Expect(m.Shell(ctx, "modprobe drbd && modprobe nbd && cat /proc/drbd")).To(ContainSubstring("8.4.11"))
		Expect(m.Output(ctx, "lvm", "version")).To(ContainSubstring("2.03.16"))
		Expect(m.Output(ctx, "drbdadm", "--version")).To(ContainSubstring("DRBDADM_VERSION=9.22.0"))
	})

	It("keeps its clock with this machine's", func(ctx SpecContext) {
		uptime := func() time.Duration {
			text, err := m.Output(ctx, "cat", "/proc/uptime")
			Expect(err).NotTo(HaveOccurred())
			seconds, err := strconv.ParseFloat(strings.Fields(text)[0], 64)
			Expect(err).NotTo(HaveOccurred())
			return time.Duration(seconds * float64(time.Second))
		}
		begin, there := time.Now(), uptime()
		Expect(m.Output(ctx, "sleep", "3")).To(BeEmpty())
		Expect(uptime() - there).To(BeNumerically("~", time.Since(begin), 500*time.Millisecond))
	})

	It("does nothing while it is paused", func(ctx SpecContext) {
		p, err := m.Start("/bin/bash", "-c", "while true; do echo tick; sleep 0.05; done")
		Expect(err).NotTo(HaveOccurred())
		Eventually(p.Stdout).WithContext(ctx).Should(ContainSubstring("tick"))
		Expect(m.Pause(ctx)).To(Succeed())
		length := func() int { return len(p.Stdout()) }
		var said int
		Eventually(func(g Gomega) { // what was on its way may still arrive
			said = length()
			g.Consistently(length).WithTimeout(300 * time.Millisecond).Should(Equal(said))
		}).WithContext(ctx).WithTimeout(5 * time.Second).Should(Succeed())
		Expect(m.Resume(ctx)).To(Succeed())
		Eventually(length).WithContext(ctx).WithTimeout(10 * time.Second).Should(BeNumerically(">", said))
	})

	It("powers off in an orderly way, and then answers no more", func(ctx SpecContext) {
		Expect(m.PowerOff(ctx)).To(Succeed())
		_, err := m.Run(ctx, "/bin/true")
		Expect(err).To(MatchError(agent.ErrGone))
	}, SpecTimeout(time.Minute))
})

var _ = Describe("A snapshot of a machine", Label("vm"), func() {
	It("goes on, with all that ran in it, as often as one likes", func(ctx SpecContext) {
		plain, err := image.Plain(ctx, "6.1", nil)
		Expect(err).NotTo(HaveOccurred())
		dir, err := os.MkdirTemp("", "pollux")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(os.RemoveAll, dir)
		serve := func(d *block.Disk, name string) machine.Config {
			socket := filepath.Join(dir, name)
			Expect(d.Serve(socket)).To(Succeed())
			DeferCleanup(d.Close)
			return machine.Config{Name: "milo1", Image: plain, Disks: []machine.Disk{{Name: "data", Socket: socket}}}
		}
		disk := block.New(8 << 20)
		m, err := machine.Boot(ctx, GinkgoT(), serve(disk, "first"))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Shell(ctx, "mkfs.ext4 -q /dev/disk/data; mount /dev/disk/data /mnt; echo before > /mnt/file; sync")).Error().
			NotTo(HaveOccurred())
		Expect(m.Pause(ctx)).To(Succeed())
		saved := disk.Clone()
		begin := time.Now()
		Expect(m.Save(ctx, filepath.Join(dir, "memory"))).To(Succeed())
		AddReportEntry("seconds to save", time.Since(begin).Seconds())
		for _, name := range []string{"second", "third"} {
			begin = time.Now()
			m, err := machine.Restore(ctx, GinkgoT(), serve(saved.Clone(), name), filepath.Join(dir, "memory"))
			Expect(err).NotTo(HaveOccurred())
			Expect(m.Resume(ctx)).To(Succeed())
			Expect(m.Shell(ctx, "cat /mnt/file; echo after > /mnt/file; sync")).To(Equal("before\n"))
			AddReportEntry("seconds from restore to an answer", time.Since(begin).Seconds())
			m.Kill()
		}
	}, SpecTimeout(5*time.Minute))
})

var _ = Describe("A machine with the backported kernel", Label("vm"), func() {
	It("boots and has the drbd module", func(ctx SpecContext) {
		plain, err := image.Plain(ctx, "6.12", nil)
		Expect(err).NotTo(HaveOccurred())
		m, err := machine.Boot(ctx, GinkgoT(), machine.Config{Name: "milo1", Image: plain})
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Shell(ctx, "modprobe drbd && modprobe ublk_drv && uname -r")).To(HavePrefix("6.12."))
	}, SpecTimeout(5*time.Minute))
})

var _ = Describe("When the test's process is killed", Label("vm"), func() {
	It("takes its machine with it", func(ctx SpecContext) {
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		file := GinkgoT().TempDir() + "/pid"
		cmd := exec.CommandContext(ctx, self, "-test.run=TestMachine")
		cmd.Env = append(os.Environ(), orphan+"="+file)
		Expect(cmd.Start()).To(Succeed())
		Eventually(file).WithContext(ctx).WithTimeout(2 * time.Minute).Should(BeAnExistingFile())
		pid, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect("/proc/" + string(pid)).To(BeADirectory())
		Expect(cmd.Process.Kill()).To(Succeed())
		_ = cmd.Wait()
		Eventually("/proc/" + string(pid)).WithContext(ctx).WithTimeout(10 * time.Second).ShouldNot(BeADirectory())
	}, SpecTimeout(5*time.Minute))
})

func bootAndStay(t *testing.T) {
	t.Helper()
	plain, err := image.Plain(t.Context(), "6.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := machine.Boot(t.Context(), t, machine.Config{Name: "orphan", Image: plain})
	if err != nil {
		t.Fatal(err)
	}
	file := os.Getenv(orphan)
	if err := os.WriteFile(file+".part", []byte(strconv.Itoa(m.PID())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		t.Fatal(err)
	}
	select {} // until we are killed
}
