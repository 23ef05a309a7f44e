package check_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/lvm"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/node"
)

// seed loads the files of the page for milo1, with changes: file, old, new.
func seed(t *testing.T, changes ...string) *config.Site {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.Mkdir(filepath.Join(dir, "ha.d"), 0o755)).To(Succeed())
	for _, name := range []string{"drbd.conf", "ha.cf", "haresources", "authkeys"} {
		text, err := os.ReadFile(filepath.Join("testdata", "seed", name))
		g.Expect(err).NotTo(HaveOccurred())
		for i := 0; i < len(changes); i += 3 {
			if changes[i] == name {
				g.Expect(string(text)).To(ContainSubstring(changes[i+1]))
				text = []byte(strings.ReplaceAll(string(text), changes[i+1], changes[i+2]))
			}
		}
		path := filepath.Join(dir, "ha.d", name)
		if name == "drbd.conf" {
			path = filepath.Join(dir, name)
		}
		g.Expect(os.WriteFile(path, text, 0o600)).To(Succeed())
	}
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	return site
}

// milo1 is a machine on which the page's files work.
func milo1(t *testing.T) check.Host {
	t.Helper()
	text, err := os.ReadFile("testdata/seed/lvm.conf")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	view, err := lookAt(t, string(text))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return check.Host{
		Interfaces: []string{"lo", "eth0", "xen-br0"},
		Bridges:    map[string]string{"eth0": "xen-br0"},
		Addresses:  []string{"127.0.0.1", "192.168.0.1"},
		Devices:    map[string]string{"127.0.0.1": "lo", "192.168.0.1": "xen-br0"},
		Resolve:    func(string) ([]string, error) { return []string{"192.168.0.1"}, nil },
		Disk:       func(config.Resource) check.Disk { return check.Disk{Metadata: "DRBD 8.4 metadata"} },
		Groups:     func(*config.Site) error { return nil },
		LVM:        view,
		HasUser:    func(name string) bool { return name == "root" },
		HasGroup:   func(name string) bool { return name == "root" || name == "haclient" },
	}
}

// TestThePage holds what somebody is told who does all that the page says.
// lookAt is what LVM with that lvm.conf looks at.
func lookAt(t *testing.T, text string) (lvm.View, error) {
	t.Helper()
	root := t.TempDir()
	NewWithT(t).Expect(os.MkdirAll(filepath.Join(root, "etc/lvm"), 0o700)).To(Succeed())
	NewWithT(t).Expect(os.WriteFile(filepath.Join(root, "etc/lvm/lvm.conf"), []byte(text), 0o600)).To(Succeed())
	return lvm.Look(root)
}

func TestThePage(t *testing.T) {
	g := NewWithT(t)
	site := seed(t)
	findings := check.Site(site, milo1(t))
	g.Expect(check.Count(findings)).To(BeZero())
	var told []string
	for _, f := range findings {
		told = append(told, strings.ReplaceAll(f.String(), site.Dir, ""))
	}
	g.Expect(told).To(HaveExactElements(
		HavePrefix("note  configuration: /drbd.conf:4:4: incon-degr-cmd is read as handler pri-on-incon-degr"),
		HavePrefix("note  configuration: /drbd.conf:14:5: syncer rate is read as disk { resync-rate; }"),
		HavePrefix("note  configuration: /drbd.conf:15:5: syncer group 2 is ignored"),
		HavePrefix("note  configuration: /drbd.conf:2:2: resource r1 was written for DRBD 0.7, whose defaults were different"),
		HavePrefix("note  configuration: /drbd.conf:2:2: resource r1: DRBD 0.7 kept meta-disk internal in the last 128 MiB"),
		HavePrefix("note  configuration: /ha.d/authkeys: crc signs nothing"),
		Equal("note  ha.cf: neither a witness nor fencing is configured: if the link is cut for longer than deadtime (1m30s), "+
			"both nodes will run the guests, and one side's changes will have to be given up"),
		HavePrefix("note  ha.cf: no monitor is configured: a guest or service that dies while its node lives stays down"),
	))
	watched := check.Site(seed(t, "ha.cf", "deadtime 90", "deadtime 90\nmonitor 30"), milo1(t))
	g.Expect(watched).NotTo(ContainElement(HaveField("Text", ContainSubstring("no monitor"))))
}

func TestEachTrapIsOneFinding(t *testing.T) {
	disk := func(d check.Disk) func(*check.Host) {
		return func(h *check.Host) { h.Disk = func(config.Resource) check.Disk { return d } }
	}
	conf := func(text string) func(*check.Host) {
		return func(h *check.Host) { h.LVM, h.LVMErr = lookAt(t, text) }
	}
	carries := func(text string, pv lvm.PV) func(*check.Host) {
		return func(h *check.Host) {
			h.LVM, h.LVMErr = lookAt(t, text)
			h.Disk = func(config.Resource) check.Disk {
				return check.Disk{Metadata: "DRBD 8.4 metadata", HasLVM: true, PV: pv}
			}
		}
	}
	for name, tc := range map[string]struct {
		files []string // as of seed
		host  func(*check.Host)
		want  check.Finding // Text is a part of it
	}{
		"an address that is not this machine's": {
			host: func(h *check.Host) { h.Addresses = []string{"127.0.0.1", "192.168.0.7"} },
			want: check.Finding{
				Mend: true, Where: "resource r1", Text: "address 192.168.0.1 of this node is on none of its interfaces",
			},
		},
		"an interface that is not there": {
			host: func(h *check.Host) { h.Interfaces = []string{"lo", "eth0"} },
			want: check.Finding{
				Mend: true, Where: "ha.cf:5", Text: "interface xen-br0 is not there (found lo, eth0); in a dom0 it is the bridge",
			},
		},
		"an interface that is a port of a bridge": {
			files: []string{"ha.cf", "ucast xen-br0 192.168.0.2", "ucast eth0 192.168.0.2"},
			want: check.Finding{
				Mend: true, Where: "ha.cf:6", Text: "interface eth0 is a port of the bridge xen-br0",
			},
		},
		"an address as a resource": {
			files: []string{"haresources", "drbddisk::r1", "192.168.0.9/24 drbddisk::r1"},
			want:  check.Finding{Where: "haresources:3", Text: "an address is not needed for guests that bring their own"},
		},
		"nobody but root may ask": {
			host: func(h *check.Host) { h.HasGroup = func(string) bool { return false } },
			want: check.Finding{Where: "ha.cf", Text: "only root may ask polluxd for its status: apiauth lets group haclient do it too, " +
				"and this host has none of these. For others, who still may give no orders: 'groupadd --system haclient', "},
		},
		"users and groups that there are not": {
			files: []string{"ha.cf", "apiauth cl_status uid=root", "apiauth anon uid=nagios gid=ops"},
			want:  check.Finding{Where: "ha.cf", Text: "apiauth lets user nagios and group ops do it too, and this host has none"},
		},
		"a daemon that may not be asked": {
			host: func(h *check.Host) { h.LiveErr = errors.New("no permission") },
			want: check.Finding{Where: "polluxd", Text: "it could not be asked: no permission"},
		},
		"a name that does not resolve": {
			host: func(h *check.Host) {
				h.Resolve = func(name string) ([]string, error) {
					if name == "milo2" {
						return nil, errors.New("no such host")
					}
					return nil, nil
				}
			},
			want: check.Finding{Where: "ha.cf", Text: "node name milo2 does not resolve: put it into /etc/hosts on both nodes"},
		},
		"LVM that scans the disk below": {
			host: conf(`devices { filter = [ "a|.*|" ] }`),
			want: check.Finding{Where: "lvm.conf", Text: "LVM also sees the physical volume on /dev/sda3, below resource r1. pollux " +
				"never lets it; to keep this host's own commands from it: global_filter = [ \"r|^/dev/sda3$|\" ] in section devices of " +
				"/etc/lvm/lvm.conf"},
		},
		"LVM that may activate the group there": {
			host: carries(`devices { filter = [ "a|.*|" ] }`, lvm.PV{Group: "vg"}),
			want: check.Finding{Where: "lvm.conf", Text: "Until then a boot may make volume group vg active there, and pollux refuses " +
				"the disk; that is also ruled out by 'vgchange --setautoactivation n vg'"},
		},
		"a group of another name": {
			host: carries(`devices { filter = [ "r|/dev/sda3|" ] }`, lvm.PV{Group: "my_vg"}),
			want: check.Finding{Mend: true, Where: "haresources:3", Text: "there is no volume group vg: r1 has my_vg"},
		},
		"a group that is active on the disk below": {
			host: disk(check.Disk{Metadata: "DRBD 8.4 metadata", Held: errors.New("volume group vg is active on /dev/sda3 itself")}),
			want: check.Finding{Mend: true, Where: "resource r1", Text: "volume group vg is active on /dev/sda3 itself"},
		},
		"LVM that does not see the device": {
			host: conf("devices {\n filter = [ \"r|.*|\" ]\n}"),
			want: check.Finding{Where: "lvm.conf:2", Text: `LVM does not see /dev/drbd1, the replicated device: accept it with "a|/dev/drbd1|"`},
		},
		"an lvm.conf that can't be read": {
			host: conf(`devices { filter = `),
			want: check.Finding{Mend: true, Where: "lvm.conf", Text: "/etc/lvm/lvm.conf:1"},
		},
		"a disk that is not there": {
			host: disk(check.Disk{Err: os.ErrNotExist}),
			want: check.Finding{Mend: true, Where: "resource r1", Text: "file does not exist"},
		},
		"a disk without metadata": {
			host: disk(check.Disk{}),
			want: check.Finding{
				Mend: true, Where: "resource r1", Text: "/dev/sda3 carries no metadata: write it with 'pollux create-md r1'",
			},
		},
		"a disk of DRBD 0.7": {
			host: disk(check.Disk{Metadata: "DRBD 0.7 metadata", Problem: drbdmeta.ErrV07}),
			want: check.Finding{Mend: true, Where: "resource r1", Text: "this disk carries DRBD 0.7 meta-data (v07)"},
		},
		"a disk with LVM's data, which can be kept": {
			host: disk(check.Disk{HasLVM: true}),
			want: check.Finding{Where: "resource r1", Text: "which can be kept if the metadata fits behind it"},
		},
		"a group that means nothing": {
			host: func(h *check.Host) {
				h.Groups = func(*config.Site) error { return errors.New("haresources:3: no such script") }
			},
			want: check.Finding{Mend: true, Where: "haresources", Text: "no such script"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			host := milo1(t)
			if tc.host != nil {
				tc.host(&host)
			}
			known := check.Site(seed(t), milo1(t))
			var found []check.Finding
			for _, f := range check.Site(seed(t, tc.files...), host) {
				if f.Mend == tc.want.Mend && f.Where == tc.want.Where && strings.Contains(f.Text, tc.want.Text) {
					found = append(found, f)
				}
			}
			g.Expect(found).To(HaveLen(1))
			g.Expect(known).NotTo(ContainElement(found[0]), "it is told only to those who fell into it")
		})
	}
}

func TestWithoutAClusterThereIsLittleToSay(t *testing.T) {
	g := NewWithT(t)
	site := seed(t)
	site.HA, site.Warnings = nil, nil
	g.Expect(check.Site(site, milo1(t))).To(HaveExactElements(
		check.Finding{Where: "ha.d", Text: "no ha.cf: this node replicates, and moves nothing by itself"},
	))
}

func TestASignedLinkIsNotWarnedAbout(t *testing.T) {
	site := seed(t, "authkeys", "1 crc", "1 sha1 verysecret")
	NewWithT(t).Expect(check.Site(site, milo1(t))).NotTo(ContainElement(HaveField("Text", ContainSubstring("crc"))))
}

func TestLoopbackIsOwn(t *testing.T) {
	site := seed(t, "drbd.conf", "192.168.0.1:", "127.3.2.1:")
	NewWithT(t).Expect(check.Count(check.Site(site, milo1(t)))).To(BeZero())
}

// none is a machine without programs.
func none(_ context.Context, p command.Program) (command.Result, error) {
	return command.Result{}, fmt.Errorf("%s: %w", p, command.ErrNotFound)
}

// TestMachine looks at the machine that the test runs on.
func TestMachine(t *testing.T) {
	g := NewWithT(t)
	host := check.Machine(t.Context(), none)
	g.Expect(host.Interfaces).To(ContainElement("lo"))
	g.Expect(host.Addresses).To(ContainElement("127.0.0.1"))

	path := filepath.Join(t.TempDir(), "disk")
	site := seed(t, "drbd.conf", "/dev/sda3", path)
	r := site.Resources[0]
	g.Expect(host.Disk(r).Err).To(MatchError(os.ErrNotExist))
	g.Expect(os.WriteFile(path, make([]byte, 1<<20), 0o600)).To(Succeed())
	g.Expect(host.Disk(r)).To(Equal(check.Disk{Sectors: 2048, Room: 1968}), "an empty disk carries nothing")
	label := append(make([]byte, 512), "LABELONE"...)
	g.Expect(os.WriteFile(path, append(label, make([]byte, 1<<20-520)...), 0o600)).To(Succeed())
	d := host.Disk(r)
	g.Expect(d.HasLVM).To(BeTrue())
	g.Expect(d.PVErr).To(MatchError(command.ErrNotFound))
	g.Expect(check.Spares(d, r)).To(MatchError(ContainSubstring("The metadata need the last 80 of its 2048 sectors")))
	_, err := node.Format(r, 1, node.Striping{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(check.Spares(host.Disk(r), r)).To(Succeed())
}

func TestTwoResourcesWithTheSameVolumes(t *testing.T) {
	const other = "resource r2 {\n on milo1 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.1:7790; meta-disk internal; }\n" +
		" on milo2 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.2:7790; meta-disk internal; }\n}\nresource r1"
	vg := lvm.PV{UUID: "PV1", Group: "vg", GroupUUID: "VG1"}
	for name, tc := range map[string]struct {
		second lvm.PV
		want   string
	}{
		"none":         {lvm.PV{}, ""},
		"another one":  {lvm.PV{UUID: "PV2", Group: "vg2", GroupUUID: "VG2"}, ""},
		"of one group": {lvm.PV{UUID: "PV2", Group: "vg", GroupUUID: "VG1"}, ""},
		"a copy": {vg, "MEND  resource r1: r2 and r1 carry the same physical volume, PV1: one is a copy of the other, and a group on " +
			"both is refused. Give it an identity of its own, where it is Primary: 'vgimportclone --basevgname vg_copy /dev/drbd1'"},
		"of the same name": {lvm.PV{UUID: "PV2", Group: "vg", GroupUUID: "VG2"}, "MEND  resource r1: r2 and r1 carry two volume groups of " +
			"the name vg. Rename this one, where it is Primary: 'vgrename VG1 NAME'"},
	} {
		t.Run(name, func(t *testing.T) {
			host := milo1(t)
			host.Disk = func(r config.Resource) check.Disk {
				d := check.Disk{Metadata: "DRBD 8.4 metadata", PV: vg}
				if r.Conf.Name == "r2" {
					d.PV = tc.second
				}
				return d
			}
			var told []string
			for _, f := range check.Site(seed(t, "drbd.conf", "resource r1", other), host) {
				if f.Mend {
					told = append(told, f.String())
				}
			}
			if tc.want == "" {
				NewWithT(t).Expect(told).To(BeEmpty())
			} else {
				NewWithT(t).Expect(told).To(ConsistOf(tc.want))
			}
		})
	}
}
