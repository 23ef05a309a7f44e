package input_test

import (
	"os"
	"os/exec"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

var _ = Describe("A mistake in a file", func() {
	var milo1 *local.Node

	BeforeEach(func() {
		milo1 = local.New(local.Options{Cluster: true, DiskSize: 2 << 20, Programs: programs}).Milo1
	})

	// refused runs the daemon and the check, which say the same.
	refused := func(ctx SpecContext, told string) {
		GinkgoHelper()
		before := milo1.Files()
		for _, cmd := range []*exec.Cmd{
			programs.Polluxd(milo1), programs.Pollux(milo1, "check"), programs.Pollux(milo1, "create-md", "r1"),
		} {
			s := end(ctx, cmd)
			Expect(s.ExitCode()).To(Equal(exitConfig), "%v", cmd.Args)
			Expect(string(s.Err.Contents())).To(ContainSubstring(told))
		}
		Expect(milo1.Files()).To(Equal(before), "nothing is written")
	}

	DescribeTable("ends with status 2, the place, what was found, and what would be right",
		func(ctx SpecContext, file, old, with, told string) {
			milo1.Replace(file, old, with)
			refused(ctx, milo1.Path(file)+told)
		},
		Entry("a protocol that there is not", "drbd.conf", "protocol C", "protocol D",
			":3:13: found 'protocol D', want one of A, B, C"),
		Entry("a word that is misspelt", "drbd.conf", "protocol C", "protokol C",
			":3:4: found 'protokol', want a statement of a resource (did you mean 'protocol'?)"),
		Entry("a statement without its end", "drbd.conf", "protocol C;", "protocol C",
			":4:4: found 'incon-degr-cmd', want ';' after 'C'"),
		Entry("a disk error that nobody knows how to handle", "drbd.conf", "on-io-error   detach", "on-io-error explode",
			":10:18: found 'on-io-error explode', want one of pass_on, call-local-io-error, detach"),
		Entry("a number out of range", "drbd.conf", "al-extents 257", "al-extents 65535",
			":16:16: found 'al-extents 65535', want 7 to 65534"),
		Entry("a node that is not this one", "drbd.conf", "on milo1", "on milo3",
			":2:2: found resource r1 on milo3 and milo2, want a section 'on milo1': node names must be what uname -n says"),
		Entry("two Primaries, which are not for this version", "drbd.conf", "protocol C;",
			"protocol C; net { allow-two-primaries; }", ":2:2: found allow-two-primaries in resource r1, want no"),
		Entry("a time that is none", "ha.cf", "deadtime 3", "deadtime soon",
			":4:10: found 'soon', want a time"),
		Entry("a deadtime that every pause exceeds", "ha.cf", "deadtime 3", "deadtime 400ms",
			":4: found 'deadtime 400ms', want more than twice keepalive (250ms)"),
		Entry("a directive that is misspelt", "ha.cf", "keepalive", "keepaliv",
			":3:1: found 'keepaliv', want a directive of ha.cf (did you mean 'keepalive'?)"),
		Entry("a peer that drbd.conf does not know", "ha.cf", "node milo1 milo2", "node milo1 milo3",
			": found peer milo3, but drbd.conf names milo2"),
		Entry("a cluster of three", "ha.cf", "node milo1 milo2", "node milo1 milo2 milo3",
			": found nodes milo1, milo2, milo3, want two"),
		Entry("a group of a node that there is not", "haresources", "milo1 drbddisk", "milo3 drbddisk",
			":3:1: found 'milo3', want the preferred node, one of ha.cf: milo1, milo2"),
		Entry("a group with a resource that there is not", "haresources", "drbddisk::r1", "drbddisk::r2",
			":3: found 'drbddisk::r2', want a resource of drbd.conf: drbddisk::r1"),
		Entry("a key without its secret", "authkeys", "1 crc", "1 sha1",
			":2:7: found nothing, want a key behind sha1"),
		Entry("a key that there is not", "authkeys", "auth 1", "auth 2",
			":1:6: found '2', want the number of a key that stands below"),
	)

	It("is that authkeys can be read by others", func(ctx SpecContext) {
		Expect(os.Chmod(milo1.Path("authkeys"), 0o644)).To(Succeed())
		refused(ctx, ": found 'mode 0644', want mode 0600, as others can read the keys: chmod 600 "+milo1.Path("authkeys"))
	})

	It("is that there is no drbd.conf", func(ctx SpecContext) {
		Expect(os.Remove(milo1.Path("drbd.conf"))).To(Succeed())
		refused(ctx, milo1.Path("drbd.conf")+": no such file or directory")
	})

	It("is a script that is nowhere: the daemon does not start, and the check says so", func(ctx SpecContext) {
		milo1.Replace("haresources", "drbddisk::r1", "drbddisk::r1 Teleport")
		told := milo1.Path("haresources") + `:3: resource "Teleport": no executable file Teleport in `
		before := milo1.Files()
		daemon := end(ctx, programs.Polluxd(milo1))
		Expect(daemon.ExitCode()).To(Equal(exitConfig))
		Expect(string(daemon.Err.Contents())).To(ContainSubstring(told))
		Expect(string(end(ctx, programs.Pollux(milo1, "check")).Out.Contents())).To(ContainSubstring(told))
		Expect(milo1.Files()).To(Equal(before), "nothing is written, not even a generation counted")
	})

	It("is a node name that is not what uname -n says", func(ctx SpecContext) {
		name, err := os.Hostname()
		Expect(err).NotTo(HaveOccurred())
		s := end(ctx, exec.Command(programs.Path("polluxd"), "--config-dir", milo1.ConfigDir(),
			"--state-dir", milo1.StateDir(), "--run-dir", milo1.RunDir()))
		Expect(s.ExitCode()).To(Equal(exitConfig))
		Expect(string(s.Err.Contents())).To(ContainSubstring(
			"found resource r1 on milo1 and milo2, want a section 'on " + name + "': node names must be what uname -n says"))
	})
})
