package tools_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/local"
)

// A fused is a node's device as a file, by way of nbdfuse: what file system
// tools and a loop device can use, which is as near to a guest as one gets
// without a kernel driver.
type fused struct {
	node      *local.Node
	dir, file string
	process   *exec.Cmd
	ended     chan struct{}
	mounted   string // where its file system is mounted; "" is nowhere
}

// needMount skips what can't run where nobody may mount.
func needMount() {
	GinkgoHelper()
	need(libnbd, "nbdfuse")
	need(fuse, "fusermount3")
	need(ext4, "mkfs.ext4", "e2fsck")
	if os.Getuid() != 0 {
		Skip("needs root to mount a file system")
	}
	for _, path := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(path); err != nil {
			Skip("needs the kernel's modules fuse and loop: " + err.Error())
		}
	}
}

// open makes a file of the node's device.
func open(ctx context.Context, n *local.Node) *fused {
	GinkgoHelper()
	f := &fused{node: n, dir: GinkgoT().TempDir(), ended: make(chan struct{})}
	f.file = filepath.Join(f.dir, "device")
	f.process = exec.Command("nbdfuse", f.file, n.URI())
	said := &bytes.Buffer{}
	f.process.Stderr = said
	Expect(f.process.Start()).To(Succeed())
	go func() {
		defer close(f.ended)
		_ = f.process.Wait() // that it ended is all that is asked for
	}()
	DeferCleanup(f.drop)
	Eventually(f.file).WithContext(ctx).WithTimeout(20*time.Second).Should(BeAnExistingFile(),
		func() string { return "nbdfuse says: " + said.String() })
	return f
}

// mount mounts the file system on the device.
func (f *fused) mount(ctx context.Context) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	if out, err := exec.CommandContext(ctx, "mount", "-o", "loop", f.file, dir).CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("loop device")) {
			Skip("needs loop devices: " + string(out))
		}
		Fail("mount: " + string(out))
	}
	f.mounted = dir
	return dir
}

// unmount is a clean shutdown of whoever used the file system.
func (f *fused) unmount(ctx context.Context) {
	GinkgoHelper()
	run(ctx, "umount", f.mounted)
	f.mounted = ""
}

// close lets go of the device.
func (f *fused) close(ctx context.Context) {
	GinkgoHelper()
	run(ctx, "fusermount3", "-u", f.dir)
	Eventually(f.ended).WithContext(ctx).WithTimeout(20*time.Second).Should(BeClosed(), "nbdfuse ends")
	Eventually(f.node.Users).WithContext(ctx).WithTimeout(20*time.Second).Should(BeZero(), "the daemon sees it")
}

// drop lets go of everything, whatever state it is in: the guest's host is
// dead, or the spec is over.
func (f *fused) drop() {
	_ = f.process.Process.Kill() // first: nothing may wait for an answer of it
	if f.mounted != "" {
		_ = exec.Command("umount", "--lazy", f.mounted).Run()
		f.mounted = ""
	}
	_ = exec.Command("fusermount3", "-u", "-z", f.dir).Run()
	<-f.ended
}
