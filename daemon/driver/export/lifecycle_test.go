package export_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
)

var _ = Describe("A device", func() {
	var d *device

	BeforeEach(func() { d = newDevice(GinkgoT(), 1<<20) })

	It("is there while it is exposed, for its owner only", func() {
		info, err := os.Stat(d.socket)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
		Expect(d.Withdraw(false)).To(Succeed())
		Expect(d.socket).NotTo(BeAnExistingFile())
		Expect(d.Withdraw(false)).To(Succeed(), "it is gone already")
		Expect(d.Expose(d.spec)).To(Succeed())
		dial(GinkgoT(), d.socket).open()
	})

	It("stays as long as somebody uses it", func() {
		Expect(d.Users()).To(BeZero())
		Expect(d.Holder()).To(BeEmpty())
		c := dial(GinkgoT(), d.socket).open()
		self := fmt.Sprintf("process %d (export.test)", os.Getpid())
		Eventually(d.Holder).Should(Equal(self))
		Expect(d.Withdraw(false)).To(MatchError("withdraw r0: in use by " + self))
		dial(GinkgoT(), d.socket).open()
		Eventually(d.Users).Should(Equal(2))
		Expect(d.Withdraw(false)).To(MatchError("withdraw r0: in use by 2 clients, one of them " + self))

		c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 1}.Append(nil))
		Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 1}), "a refusal disturbs nobody")
	})

	It("is taken from its users by force, even if requests hang", func() {
		d.gate = make(chan bool)
		c := dial(GinkgoT(), d.socket).open()
		c.send(nbd.Request{Command: nbd.CommandRead, Length: 4096}.Append(nil),
			nbd.Request{Command: nbd.CommandWrite, Length: 4096}.Append(nil), make([]byte, 4096))
		Eventually(func() int { return export.BudgetLeft(d.Server) }).Should(Equal(32<<20 - 8192))
		Expect(d.Withdraw(true)).To(Succeed())
		Expect(d.Users()).To(BeZero())
		Expect(c.ended()).To(BeTrue())

		By("and can be exposed again at once")
		Expect(d.Expose(d.spec)).To(Succeed())
		dial(GinkgoT(), d.socket).open()
		Eventually(d.Users).Should(Equal(1))

		By("and the late answers harm nobody")
		close(d.gate)
		Eventually(func() int { n, _ := d.pool.InUse(); return n }).Should(BeZero())
		Eventually(func() int { return export.BudgetLeft(d.Server) }).Should(Equal(32 << 20))
	})

	It("is withdrawn from under a handshake without ado", func() {
		c := dial(GinkgoT(), d.socket)
		c.greet(nbd.FixedNewstyle)
		Expect(d.Withdraw(false)).To(Succeed())
		Expect(c.ended()).To(BeTrue())
	})

	It("ends a client that waits for memory", func() {
		var all []uint32
		for b := d.pool.TryGet(1 << 20); b != 0; b = d.pool.TryGet(1 << 20) {
			all = append(all, uint32(b))
		}
		Expect(all).To(HaveLen(64))
		c := dial(GinkgoT(), d.socket).open()
		c.send(nbd.Request{Command: nbd.CommandWrite, Length: 4096}.Append(nil), make([]byte, 4096))
		Eventually(func() int { return export.BudgetLeft(d.Server) }).Should(Equal(32<<20 - 4096))
		Expect(d.Close()).To(Succeed())
		Expect(export.BudgetLeft(d.Server)).To(Equal(32 << 20))
	})

	It("may grow under its users, not shrink", func() {
		c, err := nbdclient.Dial(d.socket, "r0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		larger, smaller := d.spec, d.spec
		larger.Sectors, smaller.Sectors = 4096, 1024
		Expect(d.Expose(larger)).To(Succeed())
		Expect(c.Size()).To(BeEquivalentTo(1 << 20))
		again, err := nbdclient.Dial(d.socket, "r0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(again.Close)
		Expect(again.Size()).To(BeEquivalentTo(2 << 20))
		Expect(d.Expose(smaller)).To(MatchError(HavePrefix(
			"expose r0: it cannot shrink from 4096 to 1024 sectors under 2 clients",
		)))
	})

	It("turns away more clients than anybody needs", func() {
		for range 64 {
			dial(GinkgoT(), d.socket).open()
		}
		Expect(dial(GinkgoT(), d.socket).ended()).To(BeTrue())
	})
})

var _ = Describe("The place of the socket", func() {
	var path string
	spec := export.Spec{Name: "r0", Sectors: 8, LogicalBlock: 512, PhysicalBlock: 4096}

	BeforeEach(func() { path = filepath.Join(GinkgoT().TempDir(), "r0.nbd") })

	expose := func(path string, spec export.Spec) error {
		s := export.NewServer(export.Config{Socket: path})
		DeferCleanup(s.Close)
		return s.Expose(spec)
	}

	It("is cleared of what a dead daemon left", func() {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		Expect(err).NotTo(HaveOccurred())
		l.SetUnlinkOnClose(false)
		Expect(l.Close()).To(Succeed())
		Expect(path).To(BeAnExistingFile())
		Expect(expose(path, spec)).To(Succeed())
	})

	It("is not taken from a daemon that lives", func() {
		Expect(expose(path, spec)).To(Succeed())
		Expect(expose(path, spec)).To(MatchError("expose r0: somebody serves on " + path + " already"))
	})

	It("is not taken from something else", func() {
		Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
		Expect(expose(path, spec)).To(MatchError("expose r0: " + path + " is in the way: it is no socket"))
	})

	It("needs a folder", func() {
		Expect(expose("/nowhere/r0.nbd", spec)).To(MatchError(ContainSubstring("no such file or directory")))
	})

	DescribeTable("is not used for a device that makes no sense",
		func(spec export.Spec, want string) { Expect(expose(path, spec)).To(MatchError("expose r0: " + want)) },
		Entry("no block", export.Spec{Name: "r0", Sectors: 8},
			"logical block of 0 bytes, want 512, 1024, 2048 or 4096"),
		Entry("a crooked block", export.Spec{Name: "r0", Sectors: 8, LogicalBlock: 512, PhysicalBlock: 520},
			"physical block of 520 bytes, want a power of two from 512 to 1048576"),
		Entry("half a block", export.Spec{Name: "r0", Sectors: 9, LogicalBlock: 4096, PhysicalBlock: 4096},
			"size of 9 sectors, want a multiple of 8 up to 2^53"),
	)
})
