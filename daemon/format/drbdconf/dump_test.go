package drbdconf_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// load reads a file of testdata/drbdadm. The .dump files are what drbdadm 8.4
// of drbd-utils 9.22.0 printed for the .conf files.
func load(t *testing.T, name string) (*drbdconf.Config, string) {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join("testdata", "drbdadm", name)
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	c, err := drbdconf.Parse(path, os.ReadFile, filepath.Glob)
	g.Expect(err).NotTo(HaveOccurred())
	return c, string(text)
}

// drbdadm puts comments before each resource.
var comments = regexp.MustCompile(`(?m)^#.*\n`)

func TestDumpIsDrbdadms(t *testing.T) {
	for _, name := range []string{"r1.dump", "every-option.conf"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, _ := load(t, name)
			want, err := os.ReadFile(filepath.Join("testdata", "drbdadm", strings.TrimSuffix(name, ".conf")+
				map[bool]string{true: ".dump"}[strings.HasSuffix(name, ".conf")]))
			g.Expect(err).NotTo(HaveOccurred())
			_, ours, _ := strings.Cut("\n"+c.Dump(), "\nresource ")
			_, theirs, _ := strings.Cut("\n"+comments.ReplaceAllString(string(want), ""), "\nresource ")
			g.Expect(ours).To(Equal(theirs))
		})
	}
}

// What drbdadm makes of a file means to us what the file means.
func TestDrbdadmsDumpMeansTheSame(t *testing.T) {
	for _, name := range []string{"every-option", "common"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			source, _ := load(t, name+".conf")
			dumped, _ := load(t, name+".dump")
			// drbdadm leaves this one word out.
			dumped.Global.UdevAlwaysUseVNR = source.Global.UdevAlwaysUseVNR
			g.Expect(withoutPlaces(dumped).Global).To(Equal(withoutPlaces(source).Global))
			g.Expect(dumped.Resources).To(Equal(source.Resources))
		})
	}
}

func TestDumpOfOneResource(t *testing.T) {
	g := NewWithT(t)
	c, text := load(t, "r1.dump")
	_, want, _ := strings.Cut(text, "\nresource ")
	g.Expect(c.Resources[0].Dump()).To(Equal("resource " + strings.TrimSuffix(want, "\n")))
}

func TestDifference(t *testing.T) {
	base := "net { cram-hmac-alg sha1; shared-secret \"one\"; }\n  disk { al-extents 257; }\n  " +
		"handlers { split-brain x; }\n  ignore-on milo3;"
	for name, tc := range map[string]struct{ from, to, want string }{
		"nothing":       {"", "", ""},
		"a default":     {"al-extents 257;", "al-extents 257; c-plan-ahead 20;", ""},
		"a disk option": {"al-extents 257", "al-extents 67", "on milo1: volume 0: disk: al-extents: 257 here, 67 there"},
		"a net option":  {"net {", "net { protocol A;", "net: protocol: C here, A there"},
		"a secret":      {`"one"`, `"two"`, "net: shared-secret is not the same"},
		"a handler":     {"split-brain x", "split-brain y", "handlers: split-brain: x here, y there"},
		"an address":    {"192.168.0.2", "192.168.0.3", "on milo2: address: 192.168.0.2:7789 here, 192.168.0.3:7789 there"},
		"a backing device": {
			"/dev/hdd3", "none", "on milo2: volume 0: disk: /dev/hdd3 here, none there",
		},
		"a device": {
			"/dev/drbd1", "/dev/drbd2", "on milo1: volume 0: device: /dev/drbd1 minor 1 here, /dev/drbd2 minor 2 there",
		},
		"metadata": {
			"internal", "/dev/m[1]", "on milo1: volume 0: meta-disk: internal here, /dev/m [1] there",
		},
		"a host":      {"on milo2", "on milo4", "hosts: on milo2 here, on milo1 and on milo4 there"},
		"a host less": {"ignore-on milo3;", "", "ignore-on: milo3 here, none there"},
		"a name":      {"resource r1", "resource r2", "resource: r1 here, r2 there"},
		"startup":     {"net {", "startup { wfc-timeout 3; } net {", "startup: wfc-timeout: 0 here, 3 there"},
		"a volume": {
			"device /dev/drbd1;", "device /dev/drbd1;", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			mine, err := parse(resource(base))
			g.Expect(err).NotTo(HaveOccurred())
			theirs, err := parse(strings.ReplaceAll(resource(base), tc.from, tc.to))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(drbdconf.Difference(&mine.Resources[0], &theirs.Resources[0])).To(Equal(tc.want))
		})
	}
}

func TestDifferenceIgnoresTheOrderOfHosts(t *testing.T) {
	g := NewWithT(t)
	mine, err := parse(resource(""))
	g.Expect(err).NotTo(HaveOccurred())
	theirs, err := parse(resource(""))
	g.Expect(err).NotTo(HaveOccurred())
	r := &theirs.Resources[0]
	r.Hosts[0], r.Hosts[1] = r.Hosts[1], r.Hosts[0]
	g.Expect(drbdconf.Difference(&mine.Resources[0], r)).To(BeEmpty())
}
