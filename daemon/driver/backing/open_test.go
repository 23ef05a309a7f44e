package backing_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/backing"
)

// loop makes a block device of a file, or skips.
func loop(t *testing.T, size int64) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for losetup")
	}
	out, err := exec.Command("losetup", "--find", "--show", "--direct-io=on", newFile(t, size)).CombinedOutput()
	if err != nil {
		t.Skipf("needs a free loop device (losetup of util-linux, module loop): %v: %s", err, out)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", path).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach %s: %v: %s", path, err, out)
		}
	})
	return path
}

func TestABlockDeviceIsADisk(t *testing.T) {
	path := loop(t, diskSize)
	exercise(t, path)
}

func TestABlockDeviceHasOneUser(t *testing.T) {
	g := NewWithT(t)
	path := loop(t, diskSize)
	d := open(t, path)
	g.Expect(d.Direct()).To(BeTrue())
	g.Expect(d.Sectors()).To(BeEquivalentTo(diskSize / 512))
	_, err := backing.Open(path, backing.Options{})
	g.Expect(err).To(MatchError(backing.ErrInUse))
	g.Expect(err).To(MatchError(fmt.Sprintf("open disk %s: in use by process %d (backing.test)", path, os.Getpid())))
	g.Expect(d.Close()).To(Succeed())
	open(t, path)
}

func TestAMountedDeviceIsInUseByItsFileSystem(t *testing.T) {
	g := NewWithT(t)
	path := loop(t, diskSize)
	if out, err := exec.Command("mkfs.ext4", "-q", path).CombinedOutput(); err != nil {
		t.Skipf("needs mkfs.ext4 (e2fsprogs): %v: %s", err, out)
	}
	where := t.TempDir()
	if out, err := exec.Command("mount", path, where).CombinedOutput(); err != nil {
		t.Skipf("needs to mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", where).Run() })
	_, err := backing.Open(path, backing.Options{})
	g.Expect(err).To(MatchError(fmt.Sprintf("open disk %s: in use by the file system mounted on %s", path, where)))
}

func TestAFileHasOneUser(t *testing.T) {
	g := NewWithT(t)
	path := newFile(t, diskSize)
	d := open(t, path)
	other := filepath.Join(t.TempDir(), "other name")
	g.Expect(os.Symlink(path, other)).To(Succeed())
	_, err := backing.Open(other, backing.Options{})
	g.Expect(err).To(MatchError(backing.ErrInUse))
	g.Expect(err).To(MatchError(fmt.Sprintf("open disk %s: in use by process %d (backing.test)", other, os.Getpid())))
	g.Expect(d.Close()).To(Succeed())
	g.Expect(d.Close()).To(Succeed(), "a second Close is no error")
	open(t, path)
}

func TestWhatIsNoDisk(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/null":        "open disk /dev/null: neither a block device nor a file",
		"/nowhere":         "open disk /nowhere: no such file or directory",
		"/proc/sys/kernel": "open disk /proc/sys/kernel: neither a block device nor a file",
	} {
		t.Run(path, func(t *testing.T) {
			_, err := backing.Open(path, backing.Options{})
			NewWithT(t).Expect(err).To(MatchError(want))
		})
	}
}
