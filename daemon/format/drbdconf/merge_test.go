package drbdconf_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

func TestVolumeOverResourceOverCommon(t *testing.T) {
	g := NewWithT(t)
	c, err := parse(`
common {
  disk { al-extents 100; resync-rate 1M; c-max-rate 1M; disk-timeout 1; }
  net { timeout 20; ping-int 3; }
  handlers { split-brain common; fence-peer common; }
  options { cpu-mask 1; on-no-data-accessible suspend-io; }
  startup { wfc-timeout 1; degr-wfc-timeout 1; }
}
resource r1 {
  startup { wfc-timeout 2; }
  disk { al-extents 200; c-max-rate 2M; disk-timeout 2; }
  net { timeout 30; }
  handlers { split-brain resource; }
  options { cpu-mask 2; }
  volume 3 { disk { c-max-rate 3M; disk-timeout 3; } device minor 3; meta-disk internal; disk /dev/x; }
  on milo1 { volume 3 { disk { disk-timeout 4; } disk /dev/y; } address 10.0.0.1:1; options { cpu-mask 4; } }
  on milo2 { address 10.0.0.2:1; }
}
`)
	g.Expect(err).NotTo(HaveOccurred())
	r := &c.Resources[0]
	v1, _ := r.Hosts[0].Volume(3)
	v2, _ := r.Hosts[1].Volume(3)
	g.Expect(v1.Options.ResyncRate).To(Equal(1024), "from common")
	g.Expect(v1.Options.ALExtents).To(Equal(200), "from the resource")
	g.Expect(v1.Options.CMaxRate).To(Equal(3072), "from the resource's volume")
	g.Expect(v1.Options.DiskTimeout).To(Equal(400*time.Millisecond), "from the host's volume")
	g.Expect(v2.Options.DiskTimeout).To(Equal(300 * time.Millisecond))
	g.Expect([]string{v1.Disk, v2.Disk}).To(Equal([]string{"/dev/y", "/dev/x"}))
	g.Expect(r.Net.Timeout).To(Equal(3 * time.Second))
	g.Expect(r.Net.PingInt).To(Equal(3 * time.Second))
	g.Expect(r.Handlers).To(Equal(map[string]string{"split-brain": "resource", "fence-peer": "common"}))
	g.Expect(r.Hosts[0].Options).To(Equal(drbdconf.ResourceOptions{CPUMask: "4", OnNoDataAccessible: drbdconf.SuspendIO}))
	g.Expect(r.Hosts[1].Options.CPUMask).To(Equal("2"))
	g.Expect(r.Startup.WFCTimeout).To(Equal(2 * time.Second))
	g.Expect(r.Startup.DegrWFCTimeout).To(Equal(time.Second))

	again, err := parse(c.Dump())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(withoutPlaces(again)).To(Equal(withoutPlaces(c)))
}

// What an old word implies gives way to what any section says in so many words.
func TestAnImpliedOptionGivesWay(t *testing.T) {
	g := NewWithT(t)
	c, err := parse("common { disk { c-plan-ahead 7; } }\n" + resource("syncer { rate 10M; }"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Resources[0].Disk.CPlanAhead).To(Equal(700 * time.Millisecond))
}

func TestCannotWork(t *testing.T) {
	r1 := resource("")
	for name, tc := range map[string]struct{ text, want string }{
		"two primaries need protocol C": {
			resource("net { protocol B; allow-two-primaries; }"),
			"found 'allow-two-primaries with protocol B in resource r1', want protocol C",
		},
		"stonith needs protocol B or C": {
			resource("net { protocol A; }\n  disk { fencing resource-and-stonith; }"),
			"found 'fencing resource-and-stonith with protocol A in resource r1', want protocol B or C",
		},
		"pulling ahead needs protocol A": {
			resource("net { on-congestion pull-ahead; }"),
			"found 'on-congestion pull-ahead with protocol C in resource r1', want protocol A",
		},
		"two to become Primary": {
			resource("startup { become-primary-on both; }"),
			"found 'become-primary-on both without allow-two-primaries in resource r1', want allow-two-primaries",
		},
		"to discard an unknown node": {
			resource("net { after-sb-0pri discard-node-milo3; }"), "want one of milo1, milo2",
		},
		"a resync after nothing": {
			resource("disk { resync-after r9; }"), "found 'resync-after r9/0 in resource r1', want the name of a resource",
		},
		"a resync after no volume": {
			r1 + numbered("r2", "2", "disk { resync-after r1/1; }"), "want a volume that resource r1 has",
		},
		"a resync after itself": {
			resource("disk { resync-after r1; }"),
			"want no circle of resources that wait for each other",
		},
		"a resync in a circle": {
			numbered("r2", "2", "disk { resync-after r3; }") + numbered("r3", "3", "disk { resync-after r2/0; }"),
			"found 'resync-after r3/0 in resource r2', want no circle of resources that wait for each other",
		},
		"an address twice": {
			r1 + strings.ReplaceAll(numbered("r2", "2", ""), "7002", "7789"),
			"found 'address 192.168.0.1:7789 of milo1 twice', want one use: the first is at /etc/drbd.conf:3:3",
		},
		"a minor twice": {
			r1 + strings.ReplaceAll(numbered("r2", "2", ""), "/dev/drbd2", "/dev/drbd_b minor 1"),
			"found 'minor 1 of milo1 twice'",
		},
		"a disk twice": {
			r1 + strings.ReplaceAll(numbered("r2", "2", ""), "/dev/sda2", "/dev/sda3"), "found 'disk /dev/sda3 of milo1 twice'",
		},
		"a metadata slot twice": {
			strings.ReplaceAll(r1, "internal", "/dev/m[0]") + strings.ReplaceAll(numbered("r2", "2", ""), "internal",
				"/dev/m [0]"),
			"found 'meta-disk /dev/m [0] of milo1 twice'",
		},
		"one address for both": {
			strings.ReplaceAll(r1, "192.168.0.2", "192.168.0.1"),
			"found 'address 192.168.0.1:7789 on both hosts of resource r1'",
		},
		"one host for both": {
			strings.ReplaceAll(r1, "milo2", "milo1"),
			"found 'on milo1 twice in resource r1', want two different hosts",
		},
		"two families": {
			strings.ReplaceAll(r1, "192.168.0.2", "ipv6 [fd00::2]"), "want both ipv4 or both ipv6",
		},
		"a floating host beside a fixed one": {
			strings.Replace(strings.ReplaceAll(r1, "on milo2", "floating 192.168.0.2:7789"), "address 192.168.0.2:7789;", "", 1),
			"found 'floating 192.168.0.2:7789 beside on milo1 in resource r1', want both of one kind",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := parse(tc.text)
			g.Expect(err).To(MatchError(ContainSubstring(tc.want)))
			var e *drbdconf.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(e.Line).To(BeNumerically(">", 0))
		})
	}
}

func TestWorksButBeWarned(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a secret that nobody asks for": {
			resource("net { shared-secret x; }"), "the shared-secret of resource r1 is not used: cram-hmac-alg is not given",
		},
		"a proof of nothing": {
			resource("net { cram-hmac-alg sha1; }"), "cram-hmac-alg of resource r1 proves nothing: shared-secret is not given",
		},
		"nothing to fence with": {
			resource("disk { fencing resource-only; }"),
			"fencing resource-only of resource r1 has no handler fence-peer to call",
		},
		"nobody told of an I/O error": {
			resource("disk { on-io-error call-local-io-error; }"),
			"on-io-error call-local-io-error of resource r1 has no handler local-io-error to call",
		},
		"a stranger to become Primary": {
			resource("startup { become-primary-on milo3; }"),
			"become-primary-on milo3 has no effect: resource r1 is on milo1, milo2",
		},
		"a resource ignored by its own host": {
			resource("ignore-on milo2;"), "resource r1 is ignored on milo2, which is one of its two hosts",
		},
		"a resync after one that is elsewhere": {
			resource("") + strings.ReplaceAll(numbered("r2", "2", "disk { resync-after r1; }"), "milo2", "milo3"),
			"resync-after r1/0 in resource r2 has no effect on milo3, where resource r1 is not",
		},
		"an option given twice": {resource("net { timeout 60; timeout 70; }"), "timeout is given twice, the last one counts"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := parse(tc.text)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(warnings(c)).To(Equal([]string{tc.want}))
			g.Expect(c.Warnings[0].String()).To(HavePrefix(conf + ":"))
		})
	}
}
