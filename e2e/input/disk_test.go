package input_test

import (
	"os"
	"os/exec"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/optionc/pollux/e2e/local"
)

// formatted gives a disk the metadata that DRBD's own tool writes.
func formatted(version string, more ...string) func(SpecContext, *local.Node) {
	return func(ctx SpecContext, n *local.Node) {
		if _, err := exec.LookPath("drbdmeta"); err != nil {
			Skip("needs drbdmeta: apt-get install drbd-utils")
		}
		// The number is that of a minor that nobody has.
		args := append([]string{"--force", "1047", version, n.Disk, "internal", "create-md"}, more...)
		out, err := exec.CommandContext(ctx, "drbdmeta", args...).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", out)
	}
}

// sized makes the disk a file of that many bytes, all of them zero.
func sized(bytes int64) func(SpecContext, *local.Node) {
	return func(_ SpecContext, n *local.Node) {
		Expect(os.Truncate(n.Disk, 0)).To(Succeed())
		Expect(os.Truncate(n.Disk, bytes)).To(Succeed())
	}
}

// damaged has metadata of the right version that say impossible things.
func damaged(ctx SpecContext, n *local.Node) {
	formatted("v08")(ctx, n)
	f, err := os.OpenFile(n.Disk, os.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	Expect(err).NotTo(HaveOccurred())
	// The superblock is the last block; this is the offset of the log.
	_, err = f.WriteAt([]byte{0, 0, 0, 8}, info.Size()-4096+68)
	Expect(err).NotTo(HaveOccurred())
}

// missing takes the disk away.
func missing(_ SpecContext, n *local.Node) { Expect(os.Remove(n.Disk)).To(Succeed()) }

// sizeFor07 is large enough for what DRBD 0.7 kept at the end of a disk.
const sizeFor07 = 160 << 20

var _ = Describe("A disk that can't be used", func() {
	DescribeTable("is refused by all commands with the reason, and nothing is written on it",
		func(ctx SpecContext, prepare func(SpecContext, *local.Node), reason string) {
			milo1 := local.New(local.Options{DiskSize: 2 << 20, Programs: programs}).Milo1
			sized(sizeFor07)(ctx, milo1)
			prepare(ctx, milo1)
			before := milo1.Files()

			check := end(ctx, programs.Pollux(milo1, "check"))
			Expect(check.ExitCode()).To(Equal(exitFailed))
			Expect(check.Out).To(gbytes.Say("MEND .*" + reason))

			milo1.Start(ctx)
			Eventually(milo1.Note).WithContext(ctx).WithTimeout(moment).Should(MatchRegexp(reason), "attaching was tried")
			Expect(milo1.States(ctx)).To(Equal(local.States{Connection: "StandAlone", Disk: "Diskless", PeerDisk: "DUnknown"}))
			status := end(ctx, programs.Pollux(milo1, "status"))
			Expect(status).To(gexec.Exit(0))
			Expect(status.Out).To(gbytes.Say("last refusal or failure: .*" + reason))

			Expect(end(ctx, programs.Pollux(milo1, "attach", "r1")).ExitCode()).To(Equal(exitRefused))
			Expect(end(ctx, programs.Pollux(milo1, "primary", "--force", "r1")).ExitCode()).To(Equal(exitNoData))
			milo1.Stop(ctx)
			Expect(trace(milo1)).To(Equal(disk(before)))
		},
		Entry("too small", sized(64<<10), "device of 128 sectors .*want at least 2048 .*too small"),
		Entry("empty", sized(1<<20), "(no DRBD meta-data here|carries no metadata: ).*create-md"),
		Entry("of DRBD 0.7", formatted("v07"), `v07.*(drbdmeta|create-md)`),
		Entry("of DRBD 9", formatted("v09", "1"), `v09.*create meta-data anew`),
		Entry("with metadata that were damaged", damaged, "offset of the activity log is 8, want less than 0"),
		Entry("not there", missing, "no such file or directory"),
	)
})

// disk leaves of the digests of all files that of the disk.
func disk(files map[string]string) string { return files["disk.img"] }

// trace is what a node has on its disk.
func trace(n *local.Node) string {
	GinkgoHelper()
	return disk(n.Files())
}

var _ = Describe("Metadata that are there", func() {
	var milo1 *local.Node

	BeforeEach(func(ctx SpecContext) {
		milo1 = local.New(local.Options{Programs: programs}).Milo1
		sized(sizeFor07)(ctx, milo1)
	})

	DescribeTable("are overwritten by order only, whatever they are",
		func(ctx SpecContext, prepare func(SpecContext, *local.Node), found string) {
			prepare(ctx, milo1)
			before := trace(milo1)
			refused := end(ctx, programs.Pollux(milo1, "create-md", "r1"))
			Expect(refused.ExitCode()).To(Equal(exitFailed))
			Expect(refused.Err).To(gbytes.Say("found " + found + ": overwrite it with --force"))
			Expect(trace(milo1)).To(Equal(before), "nothing is written")
			Expect(end(ctx, programs.Pollux(milo1, "create-md", "--force", "r1")).ExitCode()).To(BeZero())
			milo1.Start(ctx)
			Eventually(milo1.States).WithContext(ctx).WithTimeout(moment).Should(
				HaveField("Disk", "Inconsistent"), "the disk is attached")
			milo1.Stop(ctx)
		},
		Entry("of DRBD 8.4", formatted("v08"), `DRBD 8.4 metadata \(.*\)`),
		Entry("of DRBD 0.7", formatted("v07"), "DRBD 0.7 metadata"),
		Entry("of DRBD 9", formatted("v09", "1"), "foreign metadata"),
		Entry("damaged", damaged, "foreign metadata"),
	)

	It("are taken over as they are, if they are of DRBD 8", func(ctx SpecContext) {
		formatted("v08")(ctx, milo1)
		milo1.Start(ctx)
		Eventually(milo1.States).WithContext(ctx).WithTimeout(moment).Should(
			HaveField("Disk", "Inconsistent"), "the disk is attached")
		milo1.Stop(ctx)
	})
})

var _ = Describe("What another daemon uses", func() {
	var milo1 *local.Node

	BeforeEach(func(ctx SpecContext) {
		milo1 = local.New(local.Options{Programs: programs, DiskSize: 2 << 20}).Milo1
		milo1.CreateMD()
		milo1.Start(ctx)
		Eventually(milo1.States).WithContext(ctx).WithTimeout(moment).Should(
			HaveField("Disk", "Inconsistent"), "the disk is attached")
	})

	It("a disk: the second daemon stays without, and names the first", func(ctx SpecContext) {
		second := milo1.Twin()
		second.Start(ctx)
		Eventually(second.Note).WithContext(ctx).WithTimeout(moment).Should(
			HaveSuffix("disk.img: in use by process %d (polluxd)", milo1.PID()), "attaching was tried")
		Expect(second.States(ctx)).To(HaveField("Disk", "Diskless"))
		Expect(milo1.States(ctx)).To(HaveField("Disk", "Inconsistent"))
		s := end(ctx, programs.Pollux(milo1, "create-md", "--force", "r1"))
		Expect(s.ExitCode()).To(Equal(exitFailed))
		Expect(s.Err).To(gbytes.Say(`in use by process .* \(polluxd\)`))
	})

	It("a state: the second daemon does not start", func(ctx SpecContext) {
		Eventually(milo1.Files).WithContext(ctx).WithTimeout(moment).Should(
			HaveKey(MatchRegexp(`/drbd-minor-[0-9]+\.lkbd$`)), "all that an attach writes is there")
		before := milo1.Files()
		s := end(ctx, programs.Polluxd(milo1, "--run-dir", GinkgoT().TempDir()))
		Expect(s.ExitCode()).To(Equal(exitConfig))
		Expect(s.Err).To(gbytes.Say("another polluxd runs with it"))
		Expect(milo1.Files()).To(Equal(before))
	})

	It("a socket: the second daemon does not start, and the first can be asked on", func(ctx SpecContext) {
		state := GinkgoT().TempDir()
		s := end(ctx, programs.Polluxd(milo1, "--state-dir", state))
		Expect(s.ExitCode()).To(Equal(exitFailed))
		Expect(s.Err).To(gbytes.Say("control.sock: another daemon is running and listens there"))
		Expect(os.ReadDir(state)).To(BeEmpty(), "a start that was refused is no run that crashed")
		Expect(milo1.States(ctx)).To(HaveField("Disk", "Inconsistent"))
	})
})
