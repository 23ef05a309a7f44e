package lvm_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/lvm"
)

// etc makes a root directory with those files of LVM.
func etc(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, "etc/lvm", name)
		NewWithT(t).Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	}
	return root
}

// entry is of a real list of devices, as lvmdevices 2.03.16 writes it.
const entry = "# LVM uses devices listed in this file.\nVERSION=1.1.1\n" +
	"IDTYPE=devname IDNAME=/dev/vda DEVNAME=/dev/vda PVID=cdAMMVvKIWwRInDGhOKN8q4fp225KI4G\n" +
	"IDTYPE=sys_wwid IDNAME=naa.5000 DEVNAME=/dev/sdb PVID=.\n"

func TestWhatTheHostsLVMSees(t *testing.T) {
	const search = `, and in section devices of lvm.conf search_for_devnames = "none", since LVM puts the disk back into ` +
		"/etc/lvm/devices/system.devices when it finds the volume there"
	for name, tc := range map[string]struct {
		files map[string]string
		disk  string
		hide  string // "": it is not seen
	}{
		"without a file, all": {
			disk: "/dev/sda3", hide: `global_filter = [ "r|^/dev/sda3$|" ] in section devices of /etc/lvm/lvm.conf`,
		},
		"the seed's filter": {
			files: map[string]string{"lvm.conf": `devices { filter = [ "r|/dev/sda3|", "a|/dev/drbd1|" ] }`}, disk: "/dev/sda3",
		},
		"a global filter, which is kept": {
			files: map[string]string{"lvm.conf": `devices/global_filter = [ "r|/dev/cdrom|" ]`}, disk: "/dev/sda.3",
			hide: `global_filter = [ "r|^/dev/sda[.]3$|", "r|/dev/cdrom|" ] in section devices of /etc/lvm/lvm.conf`,
		},
		"what lvmlocal.conf says": {
			files: map[string]string{
				"lvm.conf": `devices/global_filter = [ "r|.*|" ]`, "lvmlocal.conf": `devices/global_filter = [ "a|.*|" ]`,
			},
			disk: "/dev/sda3",
			hide: `global_filter = [ "r|^/dev/sda3$|", "a|.*|" ] in section devices of /etc/lvm/lvmlocal.conf`,
		},
		"what is on the list": {
			files: map[string]string{"devices/system.devices": entry, "lvm.conf": `devices { filter = [ "r|.*|" ] }`}, disk: "/dev/vda",
			hide: "lvmdevices --deldev /dev/vda" + search,
		},
		"what is on it by another identifier": {
			files: map[string]string{"devices/system.devices": entry}, disk: "/dev/sdb", hide: "lvmdevices --deldev /dev/sdb" + search,
		},
		"nothing else": {
			files: map[string]string{"devices/system.devices": entry}, disk: "/dev/sda3",
		},
		"not what is on a list that is not used": {
			files: map[string]string{
				"devices/system.devices": entry, "lvm.conf": `devices { use_devicesfile = 0 global_filter = [ "r|.*|" ] }`,
			},
			disk: "/dev/vda",
		},
		"all, when the list is not there": {
			files: map[string]string{"lvm.conf": `devices { use_devicesfile = 1 }`}, disk: "/dev/sda3",
			hide: `global_filter = [ "r|^/dev/sda3$|" ] in section devices of /etc/lvm/lvm.conf`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v, err := lvm.Look(etc(t, tc.files))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(v.Found).To(Equal(tc.files["lvm.conf"] != ""))
			g.Expect(v.Hide(tc.disk)).To(Equal(tc.hide))
			g.Expect(v.Judge(tc.disk).Accepted).To(Equal(tc.hide != ""))
		})
	}
	volumes := etc(t, map[string]string{"../../sys/block/dm-3/dm/uuid": "LVM-x\n", "../../dev/dm-3": ""})
	g := NewWithT(t)
	g.Expect(os.MkdirAll(filepath.Join(volumes, "dev/vg0"), 0o700)).To(Succeed())
	g.Expect(os.Symlink("../dm-3", filepath.Join(volumes, "dev/vg0/r1"))).To(Succeed())
	v, err := lvm.Look(volumes)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(v.Hide("/dev/vg0/r1")).To(BeEmpty(), "LVM does not look into logical volumes")
	on := true
	v.Devices.ScanLVs = &on
	g.Expect(v.Hide("/dev/vg0/r1")).To(ContainSubstring("r|^/dev/vg0/r1$|"))
	_, err = lvm.Look(etc(t, map[string]string{"lvm.conf": "devices { filter = "}))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("/etc/lvm/lvm.conf:1")))
}

func TestWhatIsActivatedAtBoot(t *testing.T) {
	for list, want := range map[string]bool{
		"":                              true,
		`= [ "my_vg" ]`:                 true,
		`= [ "my_vg/web1" ]`:            true,
		`= [ "other", "@hosts" ]`:       true, // the group may have that tag
		`= [ "other" ]`:                 false,
		`= [ ]`:                         false,
		`= [ "my_vg2", "other/my_vg" ]`: false,
	} {
		text := ""
		if list != "" {
			text = "activation { auto_activation_volume_list " + list + " }"
		}
		v, err := lvm.Look(etc(t, map[string]string{"lvm.conf": text}))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(v.ActivatesAtBoot("my_vg")).To(Equal(want), list)
	}
}
