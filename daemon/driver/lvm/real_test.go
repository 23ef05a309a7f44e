package lvm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
)

// loop makes a block device of a file, or skips.
func loop(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	NewWithT(t).Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
	NewWithT(t).Expect(os.Truncate(file, 16<<20)).To(Succeed())
	out, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
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

// on runs a program of LVM that sees no other devices.
func on(t *testing.T, devices, program string, args ...string) {
	t.Helper()
	config := `devices{filter=["a|^(` + devices + `)$|","r|.*|"] use_devicesfile=0 hints="none"}`
	out, err := exec.Command(program, append([]string{"--config", config, "--yes"}, args...)...).CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s %v: %s", program, args, out)
}

// TestRealLVM looks for groups with the real LVM, on two devices: what is on
// one of them comes as by replication, without LVM's being told. No device
// mapper is needed.
func TestRealLVM(t *testing.T) {
	if _, err := exec.LookPath("vgcreate"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root and the package lvm2")
	}
	g := NewWithT(t)
	t.Setenv("LVM_SYSTEM_DIR", t.TempDir()) // its notes about changes go there
	a, b := loop(t, "a"), loop(t, "b")
	group := func(name string) lvm.Group {
		return lvm.Group{Name: name, Devices: []string{a, b}, Run: command.Exec}
	}
	on(t, a, "pvcreate", "--quiet", a)
	on(t, a, "vgcreate", "--quiet", "my_vg", a)
	image, err := os.ReadFile(a)
	g.Expect(err).NotTo(HaveOccurred())
	on(t, a, "vgrename", "--quiet", "my_vg", "other_vg")
	g.Expect(group("other_vg").Scan(t.Context())).To(Succeed())
	g.Expect(group("my_vg").Scan(t.Context())).To(MatchError(ContainSubstring("not on " + a + ", " + b)))

	replicate := func(data []byte) {
		f, err := os.OpenFile(b, os.O_WRONLY, 0)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = f.Write(data)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.Sync()).To(Succeed())
		g.Expect(f.Close()).To(Succeed())
	}
	replicate(image)
	err = group("my_vg").Scan(t.Context())
	g.Expect(err).To(MatchError(And(ContainSubstring(a+" and "+b+" carry the same physical volume"))), "it is an old copy")

	replicate(make([]byte, len(image)))
	on(t, b, "pvcreate", "--quiet", b)
	on(t, b, "vgcreate", "--quiet", "my_vg", b)
	image, err = os.ReadFile(b)
	g.Expect(err).NotTo(HaveOccurred())
	replicate(make([]byte, len(image)))
	for range 2 { // LVM may note where it has seen a group, and where none
		g.Expect(group("other_vg").Activate(t.Context())).NotTo(Succeed())
	}
	replicate(image)
	g.Expect(group("my_vg").Scan(t.Context())).To(Succeed())
	g.Expect(group("my_vg").Activate(t.Context())).To(MatchError(ContainSubstring("it has no logical volumes")), "it was found")
	on(t, a, "vgrename", "--quiet", "other_vg", "my_vg")
	g.Expect(group("my_vg").Scan(t.Context())).To(MatchError(ContainSubstring("there are two of that name")))
}
