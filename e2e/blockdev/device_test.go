package blockdev_test

import (
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	equal     = "Connected Secondary/Secondary UpToDate/UpToDate"
	primary   = "Connected Primary/Secondary UpToDate/UpToDate"
	secondary = "Connected Secondary/Primary UpToDate/UpToDate"
	// lvm is how programs of LVM are told to see the device alone.
	lvm = `--config 'devices{filter=["a|^/dev/drbd1$|","r|.*|"] use_devicesfile=0}' `
)

// absent says that nobody finds a device.
func absent(ctx SpecContext) {
	GinkgoHelper()
	Expect(shell(ctx, "ls -d /dev/drbd1 /dev/pollux/r1 /sys/block/nbd*/backend 2>/dev/null || true")).To(BeEmpty())
}

// One story: each step goes on where the last one ended.
var _ = Describe("The device of a resource", Label("vm"), Ordered, func() {
	const device = "/dev/my_vg/web1"

	progress := func(ctx SpecContext) {
		GinkgoHelper()
		before := sectors(ctx, "nbd1")
		Eventually(func() int { return sectors(ctx, "nbd1") }).WithContext(ctx).WithTimeout(soon).
			WithPolling(100*time.Millisecond).Should(BeNumerically(">", before+8*40), milo1.log)
	}
	unharmed := func(r report) {
		GinkgoHelper()
		AddReportEntry("seconds of the longest write", r.Worst)
		AddReportEntry("writes", r.Writes)
		GinkgoWriter.Printf("milo1:\n%s\n", milo1.log())
		Expect(r).To(And(HaveField("Errors", 0), HaveField("Lost", 0), HaveField("FirstError", "")))
	}

	It("is not there on a Secondary", func(ctx SpecContext) {
		milo1.is(ctx, "Connected Secondary/Secondary Inconsistent/Inconsistent")
		absent(ctx)
	}, SpecTimeout(5*time.Minute))

	It("is a block device on a Primary", func(ctx SpecContext) {
		milo1.pollux(ctx, "primary", "--force", "r1")
		Expect(strings.Fields(shell(ctx, "readlink /dev/drbd1; readlink /dev/pollux/r1; cat /sys/block/nbd1/backend; cd "+
			"/sys/block/nbd1/queue; cat io_timeout max_sectors_kb logical_block_size write_cache fua; cat scheduler"))).
			To(Equal(strings.Fields("/dev/nbd1 /dev/nbd1 pollux:r1 10000 1024 512 write back 1 [none] mq-deadline")))
		Expect(shell(ctx, "cat /sys/block/nbd1/queue/discard_max_bytes")).NotTo(Equal("0\n"))
		milo1.is(ctx, primary)
		milo2.is(ctx, secondary)
	}, SpecTimeout(10*time.Minute))

	It("is served by a daemon that memory pressure can't stop", func(ctx SpecContext) {
		flags := shell(ctx, "pid=$(cat /var/lib/milo1/running); cat /proc/$pid/oom_score_adj; "+
			"grep VmLck /proc/$pid/status; cut -d')' -f2 /proc/$pid/task/*/stat | cut -d' ' -f8")
		lines := strings.Split(strings.TrimSpace(flags), "\n")
		Expect(lines[0]).To(Equal("-1000"))
		Expect(lines[1]).To(MatchRegexp(`VmLck:\s+[1-9]`))
		Expect(len(lines)).To(BeNumerically(">", 6))
		for _, thread := range lines[2:] {
			Expect(thread).To(WithTransform(isFlusher, BeTrue()), "flags of a thread: %s", thread)
		}
	})

	It("holds a file system, and then is not taken away", func(ctx SpecContext) {
		shell(ctx, "mkfs.ext4 -q /dev/drbd1 && mount /dev/drbd1 /mnt && seq 100000 >/mnt/numbers && sync")
		Expect(milo1.try(ctx, "secondary", "r1")).To(And(
			HavePrefix("exit status 11: "), ContainSubstring("in use by the mount on /mnt")))
		Expect(milo1.status(ctx).Users).To(Equal(1))
		Expect(milo1.state(ctx)).To(Equal(primary))
		shell(ctx, "seq 100000 | cmp - /mnt/numbers && umount /mnt")
	}, SpecTimeout(3*time.Minute))

	It("goes away when it is not in use any more", func(ctx SpecContext) {
		milo1.pollux(ctx, "secondary", "r1")
		absent(ctx)
		Expect(shell(ctx, "cat /sys/block/nbd1/size")).To(Equal("0\n"))
		milo1.is(ctx, equal)
	}, SpecTimeout(3*time.Minute))

	It("comes back with what was on it", func(ctx SpecContext) {
		milo1.pollux(ctx, "primary", "r1")
		shell(ctx, "e2fsck -fn /dev/drbd1 && mount /dev/drbd1 /mnt && seq 100000 | cmp - /mnt/numbers && umount /mnt")
	}, SpecTimeout(3*time.Minute))

	It("is not taken from a process that writes", func(ctx SpecContext) {
		l := write("/dev/drbd1")
		progress(ctx)
		Expect(milo1.try(ctx, "secondary", "r1")).To(MatchRegexp(`in use by process \d+ \(writer\)`))
		unharmed(l.stop(ctx))
	}, SpecTimeout(3*time.Minute))

	It("holds logical volumes, by the name in drbd.conf", func(ctx SpecContext) {
		shell(ctx, "wipefs -a /dev/drbd1 2>/dev/null || dd if=/dev/zero of=/dev/drbd1 bs=64k count=4 conv=fsync 2>/dev/null")
		for _, program := range []string{
			"pvcreate -y /dev/drbd1", "vgcreate my_vg /dev/drbd1", "lvcreate -y -L 24M -n web1 my_vg",
		} {
			words := strings.SplitN(program, " ", 2)
			shell(ctx, words[0]+" "+lvm+words[1])
		}
		Expect(milo1.try(ctx, "secondary", "r1")).To(ContainSubstring("in use by logical volume my_vg/web1"))
	}, SpecTimeout(3*time.Minute))

	It("keeps its users waiting while the daemon is killed and started again, who see no error", func(ctx SpecContext) {
		l := write(device)
		for range 2 {
			progress(ctx)
			milo1.signal(ctx, syscall.SIGKILL)
			milo1.end(ctx)
			milo1.start(ctx)
			milo1.eventually(ctx).Should(HavePrefix("Connected Primary/"), milo1.log)
			progress(ctx)
		}
		unharmed(l.stop(ctx))
		milo1.is(ctx, primary)
	}, SpecTimeout(8*time.Minute))

	It("keeps its users waiting while the program is replaced, who see no error", func(ctx SpecContext) {
		l := write(device)
		for range 3 {
			progress(ctx)
			replaced := strings.Count(milo1.log(), "running")
			milo1.signal(ctx, syscall.SIGUSR2)
			Eventually(milo1.log).WithContext(ctx).WithTimeout(soon).Should(
				WithTransform(func(log string) int { return strings.Count(log, "running") }, BeNumerically(">", replaced)))
			milo1.eventually(ctx).Should(HavePrefix("Connected Primary/"), milo1.log)
			progress(ctx)
		}
		unharmed(l.stop(ctx))
		milo1.is(ctx, primary)
	}, SpecTimeout(8*time.Minute))

	It("waits with its users for the next daemon when this one ends", func(ctx SpecContext) {
		l := write(device)
		progress(ctx)
		milo1.signal(ctx, syscall.SIGTERM)
		Expect(milo1.end(ctx)).To(Equal(1), "it can't end cleanly")
		milo1.start(ctx)
		milo1.eventually(ctx).Should(HavePrefix("Connected Primary/"), milo1.log)
		progress(ctx)
		unharmed(l.stop(ctx))
		milo1.is(ctx, primary)
	}, SpecTimeout(8*time.Minute))

	It("has equal disks below it", func(ctx SpecContext) {
		shell(ctx, "vgchange "+lvm+"-an my_vg")
		milo1.pollux(ctx, "secondary", "r1")
		milo1.is(ctx, equal)
		absent(ctx)
		size := milo1.status(ctx).SizeKiB
		digests := strings.Fields(shell(ctx, "for d in one two; do head -c "+kib(size)+" /dev/disk/$d | md5sum; done"))
		Expect(digests[0]).To(Equal(digests[2]))
	}, SpecTimeout(5*time.Minute))

	It("fails for users whose data is old, as the peer has taken over meanwhile", func(ctx SpecContext) {
		milo1.pollux(ctx, "primary", "r1")
		shell(ctx, "vgchange "+lvm+"-ay my_vg")
		l := write(device)
		progress(ctx)
		milo1.signal(ctx, syscall.SIGKILL)
		milo1.end(ctx)
		milo2.eventually(ctx).Should(HavePrefix("WFConnection"), milo2.log)
		milo2.pollux(ctx, "primary", "r1")
		before := milo2.status(ctx).Counters
		milo1.start(ctx)
		milo1.is(ctx, secondary)
		Eventually(milo1.log).WithContext(ctx).WithTimeout(soon).Should(ContainSubstring("is given up"))
		milo2.pollux(ctx, "secondary", "r1")
		milo1.is(ctx, equal) // and is not Primary again for users who got errors
		r := l.stop(ctx)
		Expect(r.Errors).To(BeNumerically(">=", 8), "every job, at once")
		Expect(r.FirstError).To(ContainSubstring("input/output error"))
		Expect(milo2.status(ctx).Counters.DiskWrittenBytes).To(Equal(before.DiskWrittenBytes), "nothing stale arrived")
		shell(ctx, "dmsetup remove my_vg-web1")
		absent(ctx)
	}, SpecTimeout(8*time.Minute))

	It("begins anew when the node is Primary again", func(ctx SpecContext) {
		milo1.pollux(ctx, "primary", "r1")
		shell(ctx, "vgchange "+lvm+"-ay my_vg")
		l := write(device)
		progress(ctx)
		unharmed(l.stop(ctx))
		shell(ctx, "vgchange "+lvm+"-an my_vg")
	}, SpecTimeout(5*time.Minute))
})
