package check_test

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/node"
)

// of97MiB is a disk of 97 MiB: with extents of 4 MiB it is full to the end.
func of97MiB(pv lvm.PV, err error) check.Disk {
	return check.Disk{HasLVM: true, PV: pv, PVErr: err, Sectors: 198656, Room: 198576}
}

// said is what the findings say that milo1 does not say without a change.
func said(t *testing.T, host check.Host, files ...string) (lines []string) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range check.Site(seed(t), milo1(t)) {
		known[f.Where+f.Text] = true
	}
	for _, f := range check.Site(seed(t, files...), host) {
		if !known[f.Where+f.Text] && f.Where != "configuration" {
			lines = append(lines, f.String())
		}
	}
	return lines
}

func TestLVMThatIsOnTheDiskAlready(t *testing.T) {
	const (
		carries = "/dev/sda3 carries an LVM physical volume, which can be kept"
		need    = carries + ". The metadata need the last 80 of its 198656 sectors"
		create  = "'pollux create-md r1', and when both daemons run, here 'pollux primary --force r1'"
		off     = "with its guests stopped 'vgchange -an my_vg', "
		shrink  = "'pvresize --yes --setphysicalvolumesize 198576s /dev/sda3', "
		other   = "Or keep the metadata on another disk, of 256 sectors or more: in drbd.conf 'meta-disk DISK;' instead of " +
			"'meta-disk internal;'"
	)
	for name, tc := range map[string]struct {
		files  []string
		disk   check.Disk
		spared bool // fresh metadata does no harm
		want   string
	}{
		"a physical volume in no group": {
			disk: of97MiB(lvm.PV{Size: 198656, Start: 2048}, nil),
			want: need + ", and no volume of it has them: " + shrink + create,
		},
		"one in no group, resized already": {
			disk:   of97MiB(lvm.PV{Size: 198576, Start: 2048}, nil),
			spared: true,
			want:   need + ", and LVM leaves them alone: " + create,
		},
		"free extents at the end": {
			disk: of97MiB(lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 24, Used: 15, Free: 9, Last: "web1"}, nil),
			want: need + ", and no volume of it has them: " + off + shrink + create,
		},
		"resized already": {
			disk:   of97MiB(lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 23, Used: 15, Free: 8, Last: "web1"}, nil),
			spared: true,
			want:   need + ", and LVM leaves them alone: " + off + create,
		},
		"a volume at the end, and free extents before": {
			disk: of97MiB(lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 24, Used: 24, Free: 5, Last: "web3"}, nil),
			want: need + ", and web3 has extents 23 to 23 there: move them with 'pvmove --alloc anywhere /dev/sda3:23-23 " +
				"/dev/sda3:0-22', then " + off + shrink + create + ". " + other,
		},
		"a full one": {
			disk: of97MiB(lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 24, Used: 24, Last: "web3"}, nil),
			want: need + ", and web3 has extents 23 to 23 there, and no free extents to move to: make a volume of my_vg smaller by " +
				"1 extents of 8192 sectors first (lvreduce --resizefs). " + other,
		},
		"LVM that says nothing": {
			disk: of97MiB(lvm.PV{}, errors.New("pvs: not found")),
			want: need + "; LVM does not say whether they are free (pvs: not found). " + shrink + create,
		},
		"metadata elsewhere": {
			files:  []string{"drbd.conf", "meta-disk  internal", "meta-disk /dev/sdb1[0]"},
			disk:   of97MiB(lvm.PV{Group: "my_vg", Start: 2048, Extent: 8192, Count: 24, Used: 24, Last: "web3"}, nil),
			spared: true,
			want:   carries + ": the metadata are elsewhere. " + create,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			host := milo1(t)
			host.Disk = func(config.Resource) check.Disk { return tc.disk }
			lines := strings.Join(said(t, host, tc.files...), "\n")
			g.Expect(lines).To(ContainSubstring("note  resource r1: " + tc.want))
			err := check.Spares(tc.disk, seed(t, tc.files...).Resources[0])
			if tc.spared {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError("resource r1: " + tc.want))
		})
	}
}

func TestDisksOfDifferentSize(t *testing.T) {
	live := func(size, own, peer uint64) *node.Status {
		return &node.Status{Resources: []node.ResourceStatus{{
			Name: "r1", PeerRole: "Unknown", SizeKiB: size, RoomKiB: own, PeerRoomKiB: peer,
		}}}
	}
	fresh := check.Disk{Metadata: "DRBD 8.4 metadata", Sectors: 2048, Room: 1968}
	used := check.Disk{Metadata: "DRBD 8.4 metadata", Sectors: 2048, Room: 1968, Last: 1968}
	for name, tc := range map[string]struct {
		files []string
		disk  check.Disk
		live  *node.Status
		want  []string
	}{
		"a fresh disk": {
			disk: fresh,
			want: []string{"note  resource r1: /dev/sda3 has room for 984 KiB of data. The device will have what the smaller one of " +
				"both disks has: compare with milo2, and let both nodes connect before one is made Primary. A device that was " +
				"filled alone does not fit on a smaller disk later"},
		},
		"a fresh disk, and the size is agreed on": {
			files: []string{"drbd.conf", "on-io-error", "size 900K;\n    on-io-error"},
			disk:  fresh,
		},
		"a size that does not fit": {
			files: []string{"drbd.conf", "on-io-error", "size 1000K;\n    on-io-error"},
			disk:  fresh,
			want:  []string{"MEND  resource r1: drbd.conf wants a size of 1000 KiB, /dev/sda3 has room for 984 KiB"},
		},
		"a disk in use":        {disk: used},
		"a peer with the same": {disk: used, live: live(984, 984, 984)},
		"a peer with less": {
			disk: used, live: live(900, 984, 900),
			want: []string{"note  resource r1: the disks differ: the device has 900 KiB, as milo2 has room for no more, and 84 KiB of " +
				"/dev/sda3 are not used"},
		},
		"a peer with more": {
			disk: used, live: live(984, 984, 1000),
			want: []string{"note  resource r1: the disks differ: the device has 984 KiB, as /dev/sda3 has room for no more, and 16 KiB " +
				"of the disk of milo2 are not used"},
		},
		"a peer with less than there is data": {
			disk: used, live: live(984, 984, 900),
			want: []string{"MEND  resource r1: the device has 984 KiB, the disk of milo2 has room for 900 KiB only, so the nodes stay " +
				"apart. Give milo2 a bigger disk; or make what is on the device 84 KiB smaller, write 'size 900K;' into the disk " +
				"section on both nodes, end polluxd here, and begin with 'pollux create-md --force r1' and 'pollux primary --force r1'"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := milo1(t)
			host.Disk = func(config.Resource) check.Disk { return tc.disk }
			host.Live = tc.live
			NewWithT(t).Expect(said(t, host, tc.files...)).To(BeEquivalentTo(tc.want))
		})
	}
}
