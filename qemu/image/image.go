// Package image makes what the test machines boot: kernels and initramfs, of
// Debian's packages and programs of ours, without root. An image is found by
// its content in the cache folder, so that a changed program makes another
// image, and an unchanged one costs only the looking.
//
// There are three: a plain Linux machine, a Xen dom0, and the guest that a dom0
// starts. Nothing of systemd runs in them: program vminit is their first
// process and carries out the orders of package agent.
package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/optionc/pollux/qemu/debian"
)

// Kernels are the versions of Linux that images can be made of: Debian 12's and
// that of its backports.
var Kernels = []string{"6.1", "6.12"}

// DefaultKernel is the version that a suite's machines run: POLLUX_KERNEL, or
// Debian 12's own.
func DefaultKernel() string {
	if v := os.Getenv("POLLUX_KERNEL"); v != "" {
		return v
	}
	return Kernels[0]
}

// Image is what QEMU is given. All fields but Version are names of files.
type Image struct {
	Version string // of Linux: one of Kernels
	Kernel  string // an ELF file
	Initrd  string
	Xen     string // the hypervisor, an ELF file; empty in a plain machine
	// GuestDisk is a read-only file system that a dom0 mounts on /boot: kernel
	// and initramfs of its guests. Empty in a plain machine.
	GuestDisk string
}

// Files are the caller's additions to an image: from their names there, to
// files of this machine.
type Files map[string]string

// tools is where the programs of all images come from, so that there is one
// set of libraries to unpack.
func tools(ctx context.Context, archive *debian.Archive) (debian.Quarry, error) {
	return archive.Tools(ctx, "bash", "bridge-utils", "busybox-static", "drbd-utils", "e2fsprogs", "iproute2",
		"lvm2", "nbd-client", "util-linux", "xen-utils-4.17", "xen-utils-common", "xenstore-utils")
}

// common puts what a plain machine and a dom0 have both.
func (t tree) common(ctx context.Context, q debian.Quarry, files Files) error {
	programs := []string{
		"/bin/bash", "/usr/bin/flock", "/bin/ip", "/bin/ss", "/sbin/tc", "/sbin/dmsetup", "/sbin/lvm", "/usr/sbin/nbd-client",
		"/usr/sbin/drbdadm", "/usr/sbin/drbdsetup", "/usr/sbin/drbdmeta",
		"/lib/drbd/drbdadm-84", "/lib/drbd/drbdsetup-84",
		"/sbin/mke2fs", "/sbin/mkfs.ext4", "/sbin/e2fsck", "/sbin/fsck.ext4", "/sbin/dumpe2fs", "/sbin/debugfs",
	}
	for _, command := range []string{
		"lvchange", "lvcreate", "lvremove", "lvs", "pvcreate", "pvremove", "pvs", "pvscan",
		"vgchange", "vgcreate", "vgdisplay", "vgremove", "vgs", "vgscan",
	} {
		programs = append(programs, "/sbin/"+command)
	}
	if err := t.programs(q, programs...); err != nil {
		return err
	}
	t.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
	t.text("/etc/group", "root:x:0:\ndisk:x:6:\n")
	t.text("/etc/mke2fs.conf", "[defaults]\n\tbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr\n"+
		"[fs_types]\n\text4 = {\n\t\tfeatures = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize\n\t}\n"+
		"\tsmall = {\n\t\tinode_ratio = 4096\n\t}\n")
	// No udevd runs: LVM must make its device nodes, and look at /dev, itself.
	t.text("/etc/lvm/lvm.conf", "activation { udev_sync=0 udev_rules=0 }\ndevices { obtain_device_list_from_udev=0 }\n")
	if err := t.goProgram(ctx, "/init", "vminit"); err != nil {
		return err
	}
	if err := t.goProgram(ctx, "/usr/bin/recorder", "recorder"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := t.file(name, files[name]); err != nil {
			return err
		}
	}
	return t.busybox(q)
}

// goProgram builds one of the programs beside this package and puts it.
func (t tree) goProgram(ctx context.Context, name, program string) error {
	dir, err := os.MkdirTemp("", "pollux-build")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, program)
	if err := build(ctx, out, "qemu/"+program); err != nil {
		return err
	}
	content, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	t.put(name, node{mode: 0o100755, content: content})
	return nil
}

// keep writes an archive of the tree to the cache, unless it is there.
func (t tree) keep(name string) (file string, err error) {
	var archive bytes.Buffer
	if err := t.archive(&archive); err != nil {
		return "", err
	}
	return keep(name+".cpio", archive.Bytes())
}

// unusedFor is how long an image stays in the cache when no test uses it.
const unusedFor = 3 * 24 * time.Hour

// store writes a file to the cache, unless it is there, and drops those that
// nobody used for long: each change of a program leaves an image behind.
func store(name string, produce func() ([]byte, error)) (file string, err error) {
	cache, err := debian.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "images")
	file = filepath.Join(dir, name)
	now := time.Now()
	if os.Chtimes(file, now, now) == nil {
		return file, nil
	}
	content, err := produce()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, o := range old {
		if info, err := o.Info(); err == nil && now.Sub(info.ModTime()) > unusedFor {
			_ = os.Remove(filepath.Join(dir, o.Name()))
		}
	}
	return file, debian.WriteFile(file, content, 0o644)
}

// keep writes a file to the cache under a name that says its content.
func keep(name string, content []byte) (file string, err error) {
	sum := sha256.Sum256(content)
	return store(hex.EncodeToString(sum[:8])+"-"+name, func() ([]byte, error) { return content, nil })
}
