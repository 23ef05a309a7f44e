package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// files writes the page's files, with changes: file, old, new. A file that is
// replaced by nothing is left out.
func files(t *testing.T, changes ...string) string {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.Mkdir(filepath.Join(dir, "ha.d"), 0o755)).To(Succeed())
	for _, name := range []string{"drbd.conf", "ha.cf", "haresources", "authkeys"} {
		read, err := os.ReadFile(filepath.Join("testdata", "seed", name))
		g.Expect(err).NotTo(HaveOccurred())
		text := string(read)
		for i := 0; i < len(changes); i += 3 {
			switch {
			case changes[i] != name:
			case changes[i+1] == "":
				text = changes[i+2]
			default:
				g.Expect(text).To(ContainSubstring(changes[i+1]))
				text = strings.ReplaceAll(text, changes[i+1], changes[i+2])
			}
		}
		path := filepath.Join(dir, "ha.d", name)
		if name == "drbd.conf" {
			path = filepath.Join(dir, name)
		}
		if text != "" {
			g.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
		}
	}
	return dir
}

func TestThePagesFilesAreTheSameOnBothNodes(t *testing.T) {
	for node, want := range map[string]struct{ peer, disk, own, others string }{
		"milo1": {"milo2", "/dev/sda3", "192.168.0.1", "192.168.0.2"},
		"milo2": {"milo1", "/dev/hdd3", "192.168.0.2", "192.168.0.1"},
	} {
		t.Run(node, func(t *testing.T) {
			g := NewWithT(t)
			site, err := config.Load(files(t), node)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(site.Peer).To(Equal(want.peer))
			g.Expect(site.Resources).To(HaveLen(1))
			r := site.Resources[0]
			g.Expect(r.Conf.Name).To(Equal("r1"))
			g.Expect(r.Volume.Disk).To(Equal(want.disk))
			g.Expect(r.Own.Address.IP).To(Equal(want.own))
			g.Expect(r.Peer.Address.IP).To(Equal(want.others))
			g.Expect(site.Groups).To(HaveLen(1))
			g.Expect(site.Groups[0].Node).To(Equal("milo1"))
		})
	}
}

func TestTheCoresGetWhatThePageSays(t *testing.T) {
	g := NewWithT(t)
	site, err := config.Load(files(t), "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	c := site.Machine(config.Identity{UUID: [16]byte{1}, Generation: 7, Seed: 3})
	g.Expect(c.Cluster).To(BeTrue())

	r := c.Resources[0]
	g.Expect(r.Name).To(Equal("r1"))
	g.Expect(r.Protocol).To(Equal(drbdwire.ProtocolC))
	g.Expect(r.Meta).To(Equal(drbdmeta.KindInternal))
	g.Expect(r.ALExtents).To(Equal(257))
	g.Expect(r.DegrWFCTimeout).To(Equal(90 * time.Second))
	g.Expect(r.WFCTimeout).To(BeZero())
	g.Expect(r.Resync.Rate).To(BeEquivalentTo(10 << 10))

	l := c.Liveness
	g.Expect(l.Node + " " + l.Peer).To(Equal("milo1 milo2"))
	g.Expect(l.Keepalive).To(Equal(5 * time.Second))
	g.Expect(l.Deadtime).To(Equal(90 * time.Second))
	g.Expect(l.Generation).To(BeEquivalentTo(7))
	g.Expect(l.Media).To(Equal([]string{"xen-br0", "xen-br0"}))

	g.Expect(c.Failover.Failback).To(Equal(haconf.FailbackOn))
	g.Expect(c.Failover.Groups[0].Key()).To(Equal("drbddisk::r1"))
}

func TestWithoutHaCfANodeOnlyReplicates(t *testing.T) {
	g := NewWithT(t)
	site, err := config.Load(files(t, "ha.cf", "", ""), "milo2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(site.HA).To(BeNil())
	g.Expect(site.Peer).To(Equal("milo1"))
	g.Expect(site.Machine(config.Identity{}).Cluster).To(BeFalse())
}

func TestWithoutDRBDConfANodeOnlyMovesGroups(t *testing.T) {
	g := NewWithT(t)
	site, err := config.Load(files(t, "drbd.conf", "", "", "haresources", "", "milo1 web\n"), "milo2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(site.Resources).To(BeEmpty())
	g.Expect(site.Peer).To(Equal("milo1"))
	for _, missed := range [][]string{{"ha.cf", "", ""}, nil} { // nobody, and haresources
		_, err = config.Load(files(t, append(missed, "drbd.conf", "", "")...), "milo2")
		g.Expect(err).To(MatchError(ContainSubstring("drbd.conf: no such file")))
	}
}

func TestFilesThatDifferHaveOtherDigests(t *testing.T) {
	g := NewWithT(t)
	digests := func(changes ...string) machine.Files {
		site, err := config.Load(files(t, changes...), "milo1")
		g.Expect(err).NotTo(HaveOccurred())
		return site.Files
	}
	same := digests()
	g.Expect(same.DRBD).To(HaveLen(16))
	g.Expect(digests()).To(Equal(same))
	other := digests("drbd.conf", "10M", "11M")
	g.Expect(other.DRBD).NotTo(Equal(same.DRBD))
	g.Expect(other.Resources).To(Equal(same.Resources))
	g.Expect(digests("haresources", " xenHA", "   xenHA # starts guests").Resources).To(Equal(same.Resources))
	g.Expect(digests("haresources", "xenHA", "xenHA xenHA2").Resources).NotTo(Equal(same.Resources))
}

func TestWhereTheGuestsAre(t *testing.T) {
	g := NewWithT(t)
	for words, want := range map[string][]string{
		"milo1 web":   nil,
		"milo1 xenHA": {"xen/ha.d"},
		"milo1 xenHA::/etc/xen/web.d\nmilo2 xenHA\nmilo2 LVM::vg xenHA::/etc/xen/web.d": {"/etc/xen/web.d", "xen/ha.d"},
	} {
		dir := files(t, "haresources", "", words+"\n")
		site, err := config.Load(dir, "milo1")
		g.Expect(err).NotTo(HaveOccurred())
		var dirs []string
		for _, d := range site.GuestDirs() {
			dirs = append(dirs, strings.TrimPrefix(d, dir+"/"))
		}
		g.Expect(dirs).To(Equal(want), words)
	}
}

func TestWhereAVolumeGroupIs(t *testing.T) {
	g := NewWithT(t)
	dir := files(t, "drbd.conf", "resource r1", "resource r2 {\n"+
		"on milo1 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.1:7790; meta-disk internal; }\n"+
		"on milo2 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.2:7790; meta-disk internal; }\n}\nresource r1",
		"haresources", "", "milo1 drbddisk::r1 LVM::vg\nmilo2 drbddisk::r2 LVM::vg2\nmilo2 LVM::vg3\n")
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	for group, want := range map[string][]string{
		"vg": {"r1"}, "vg2": {"r2"}, "vg3": {"r1", "r2"}, "none": {"r1", "r2"},
	} {
		var names []string
		for _, r := range site.ResourcesOf("LVM", group) {
			names = append(names, r.Conf.Name)
		}
		g.Expect(names).To(ConsistOf(want), group)
	}
}

func TestWhoMayAsk(t *testing.T) {
	g := NewWithT(t)
	site, err := config.Load(files(t, "ha.cf", "cl_status uid=root", "cl_status uid=nagios gid=ops,7"), "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	users, groups := site.Readers()
	g.Expect(users).To(Equal([]string{"nagios", "root"}))
	g.Expect(groups).To(Equal([]string{"ops", "7", "haclient"}))
	site, err = config.Load(files(t, "ha.cf", "", ""), "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	users, groups = site.Readers()
	g.Expect(append(users, groups...)).To(BeEmpty())
}

func TestAResourceOfOtherNodesIsLeftOut(t *testing.T) {
	g := NewWithT(t)
	other := `resource r2 {
	ignore-on milo1;
	on milo2 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.2:7790; meta-disk internal; }
	on milo3 { device /dev/drbd2; disk /dev/sdb; address 192.168.0.3:7790; meta-disk internal; }
}
resource r1 {`
	site, err := config.Load(files(t, "drbd.conf", "resource r1 {", other), "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(site.Resources).To(HaveExactElements(HaveField("Conf.Name", "r1")))
}

func TestMistakesNameTheirPlaceAndTheWayOut(t *testing.T) {
	for name, tc := range map[string]struct {
		node    string
		changes []string
		want    []string // after the directory
	}{
		"a node that the files do not know": {
			node: "milo3",
			want: []string{"/drbd.conf:2:2: found resource r1 on milo1 and milo2, want a section 'on milo3': " +
				"node names must be what uname -n says"},
		},
		"two Primaries": {
			changes: []string{"drbd.conf", "protocol C;", "protocol C; net { allow-two-primaries; }"},
			want:    []string{"/drbd.conf:2:2: found allow-two-primaries in resource r1, want no"},
		},
		"a digest that nobody can make": {
			changes: []string{"drbd.conf", "protocol C;", "protocol C; net { data-integrity-alg rot13; }"},
			want:    []string{"/drbd.conf:2:2: resource r1: data-integrity-alg: digest algorithm \"rot13\" is unknown"},
		},
		"a checksum that nobody can make": {
			changes: []string{"drbd.conf", "protocol C;", "protocol C; net { csums-alg rot13; }"},
			want:    []string{"/drbd.conf:2:2: resource r1: csums-alg: digest algorithm \"rot13\" is unknown"},
		},
		"a resource without a disk here": {
			changes: []string{"drbd.conf", "/dev/sda3", "none"},
			want:    []string{"found no disk in resource r1, want one"},
		},
		"two volumes": {
			changes: []string{"drbd.conf", "", `resource r1 {
	on milo1 { address 192.168.0.1:7789;
		volume 0 { device /dev/drbd0; disk /dev/sda; meta-disk internal; }
		volume 1 { device /dev/drbd1; disk /dev/sdb; meta-disk internal; } }
	on milo2 { address 192.168.0.2:7789;
		volume 0 { device /dev/drbd0; disk /dev/sda; meta-disk internal; }
		volume 1 { device /dev/drbd1; disk /dev/sdb; meta-disk internal; } }
}`},
			want: []string{"/drbd.conf:2:2: found 2 volumes in resource r1, want one"},
		},
		"an ha.cf of another pair": {
			changes: []string{"ha.cf", "node milo1 milo2", "node milo3 milo4", "haresources", "milo1", "milo3"},
			want:    []string{"/ha.d/ha.cf: found nodes milo3, milo4, want milo1 among them"},
		},
		"an ha.cf with another peer": {
			changes: []string{"ha.cf", "node milo1 milo2", "node milo1 milo3"},
			want:    []string{"/ha.d/ha.cf: found peer milo3, but drbd.conf names milo2"},
		},
		"an ha.cf of one": {
			changes: []string{"ha.cf", "node milo1 milo2", "node milo1"},
			want:    []string{"/ha.d/ha.cf: found node milo1 alone, want its peer too"},
		},
		"no haresources": {
			changes: []string{"haresources", "", ""},
			want:    []string{"/ha.d/haresources: no such file or directory"},
		},
		"groups with resources that there are not, all of them": {
			changes: []string{"haresources", "", "milo1 drbddisk::r2\nmilo2 drbddisk\nmilo2 drbddisk::r1::r2\n"},
			want: []string{
				"/ha.d/haresources:1: found 'drbddisk::r2', want a resource of drbd.conf: drbddisk::r1",
				"/ha.d/haresources:2: found 'drbddisk', want a resource of drbd.conf: drbddisk::r1",
				"/ha.d/haresources:3: found 'drbddisk::r1::r2', want a resource of drbd.conf: drbddisk::r1",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if tc.node == "" {
				tc.node = "milo1"
			}
			dir := files(t, tc.changes...)
			_, err := config.Load(dir, tc.node)
			g.Expect(err).To(HaveOccurred())
			for _, want := range tc.want {
				g.Expect(strings.ReplaceAll(err.Error(), dir, "")).To(ContainSubstring(want))
			}
		})
	}
}

func TestKeysThatOthersCanReadAreNoKeys(t *testing.T) {
	g := NewWithT(t)
	dir := files(t)
	g.Expect(os.Chmod(filepath.Join(dir, "ha.d", "authkeys"), 0o640)).To(Succeed())
	_, err := config.Load(dir, "milo1")
	g.Expect(err).To(MatchError(ContainSubstring("found 'mode 0640', want mode 0600")))
}

func TestWhatIsIgnoredIsToldAbout(t *testing.T) {
	for name, tc := range map[string]struct{ old, with, want string }{
		"fencing": {"on-io-error   detach;", "fencing resource-only;", "fencing without a handler fence-peer"},
		"reads of the peer's disk": {
			"on-io-error   detach;", "read-balancing round-robin;", "read-balancing has no effect",
		},
		"a log that is not kept": {"on-io-error   detach;", "al-updates no;", "al-updates no has no effect"},
		"processors":             {"protocol C;", "protocol C; options { cpu-mask 3; }", "cpu-mask has no effect"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			site, err := config.Load(files(t, "drbd.conf", tc.old, tc.with), "milo1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(site.Warnings).To(ContainElement(ContainSubstring("resource r1: " + tc.want)))
		})
	}
}
