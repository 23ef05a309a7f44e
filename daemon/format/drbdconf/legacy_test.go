package drbdconf_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

func TestOldWords(t *testing.T) {
	for name, tc := range map[string]struct {
		more  string
		check func(g *WithT, r *drbdconf.Resource)
		warn  string // part of a warning; empty if there must be none
	}{
		"0.7: a panic halts by handler": {
			"disk { on-io-error panic; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Disk.OnIOError).To(Equal(drbdconf.CallLocalIOError))
				g.Expect(r.Handlers).To(HaveKeyWithValue("local-io-error", ContainSubstring("halt -f")))
			},
			"on-io-error panic is read as call-local-io-error with a handler that halts this node",
		},
		"0.7: a handler of one's own is kept": {
			"disk { on-io-error panic; }\n  handlers { local-io-error /bin/mine; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Handlers).To(HaveKeyWithValue("local-io-error", "/bin/mine"))
			},
			"on-io-error panic is read",
		},
		"0.7: frozen I/O": {
			"net { on-disconnect freeze_io; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Hosts[0].Volumes[0].Options.Fencing).To(Equal(drbdconf.ResourceAndStonith))
			},
			"on-disconnect freeze_io is read as disk { fencing resource-and-stonith; }",
		},
		"0.7: alone for good": {
			"net { on-disconnect stand_alone; }", func(*WithT, *drbdconf.Resource) {}, "a node always reconnects today",
		},
		"0.7: too few extents": {
			"syncer { al-extents 7; }",
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Disk.ALExtents).To(Equal(67)) },
			"al-extents 7 is read as 67, the least today",
		},
		"8.3: a fixed rate": {
			"syncer { rate 10M; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Disk.ResyncRate).To(Equal(10240))
				g.Expect(r.Disk.CPlanAhead).To(BeZero())
			},
			"a fixed rate, as it was then",
		},
		"8.3: a rate to begin with": {
			"syncer { rate 10M; c-plan-ahead 15; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Disk.CPlanAhead).To(Equal(1500 * time.Millisecond))
			},
			"written for DRBD 8.3 or older, whose defaults were different: on-io-error is detach (was pass_on), " +
				"al-extents is 1237 (was 127), c-fill-target is 100 (was 0), c-min-rate is 250 (was 4096), " +
				"ko-count is 7 (was 0), use-rle is yes (was no)",
		},
		"8.3: the rest of syncer": {
			"syncer { verify-alg sha1; csums-alg md5; no-use-rle; cpu-mask f; on-no-data-accessible suspend-io; " +
				"delay-probe-volume 16k; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Net.VerifyAlg).To(Equal("sha1"))
				g.Expect(r.Net.CSumsAlg).To(Equal("md5"))
				g.Expect(r.Net.UseRLE).To(BeFalse())
				g.Expect(r.Options).To(Equal(drbdconf.ResourceOptions{
					CPUMask: "f", OnNoDataAccessible: drbdconf.SuspendIO,
				}))
			},
			"delay-probe-volume is ignored: it has no effect any more",
		},
		"8.3: the old name of fence-peer": {
			"handlers { outdate-peer /bin/f; }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Handlers).To(HaveKeyWithValue("fence-peer", "/bin/f"))
			},
			"written for DRBD 8.3",
		},
		"8.3: protocol in the resource": {
			"protocol B;",
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.Protocol).To(Equal(drbdconf.ProtocolB)) },
			"",
		},
		"9: a connection is the resource": {
			"connection { host milo1 address 10.9.0.1:7000; host milo2 port 7001; net { timeout 30; fencing resource-only; } " +
				"disk { c-max-rate 5M; bitmap yes; } volume 0 { disk { c-min-rate 1M; } } }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Hosts[0].Address.String()).To(Equal("10.9.0.1:7000"))
				g.Expect(r.Hosts[1].Address.String()).To(Equal("192.168.0.2:7001"))
				g.Expect(r.Net.Timeout).To(Equal(3 * time.Second))
				o := r.Hosts[1].Volumes[0].Options
				g.Expect(o.CMaxRate).To(Equal(5120))
				g.Expect(o.CMinRate).To(Equal(1024))
				g.Expect(o.Fencing).To(Equal(drbdconf.ResourceOnly))
			},
			"bitmap is ignored: it is a word of DRBD 9",
		},
		"9: the first path counts": {
			"connection x { path { host milo1 address 10.9.0.1:7000; host milo2 address 10.9.0.2:7000; } " +
				"path { host milo1 address 10.8.0.1:7000; host milo2 address 10.8.0.2:7000; } }",
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.Hosts[1].Address.String()).To(Equal("10.9.0.2:7000"))
			},
			"path is ignored: the first one is used",
		},
		"9: a mesh of two": {
			"connection-mesh { hosts milo1 milo2; net { protocol A; } }",
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.Protocol).To(Equal(drbdconf.ProtocolA)) },
			"",
		},
		"9: options": {
			"options { quorum majority; auto-promote no; }\n  handlers { quorum-lost /bin/q; }\n  net { transport tcp; }",
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Handlers).To(BeEmpty()) },
			"quorum is ignored: it is a word of DRBD 9",
		},
		"9: rr-conflict": {
			"net { rr-conflict retry-connect; }",
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.RRConflict).To(Equal(drbdconf.RRDisconnect)) },
			"rr-conflict retry-connect is read as disconnect",
		},
		"proxy": {
			"proxy { memlimit 100M; plugin { zlib level 9; } }", func(*WithT, *drbdconf.Resource) {}, "proxy is ignored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := parse(resource(tc.more))
			g.Expect(err).NotTo(HaveOccurred())
			tc.check(g, &c.Resources[0])
			if tc.warn == "" {
				g.Expect(c.Warnings).To(BeEmpty())
			} else {
				g.Expect(warnings(c)).To(ContainElement(ContainSubstring(tc.warn)))
			}
		})
	}
}

func TestDRBD9AndOldGlobals(t *testing.T) {
	g := NewWithT(t)
	c, err := parse("global { require-drbd-module-version-ge 9.1; disable-io-hints; }\n" + strings.Replace(
		resource(""), "device /dev/drbd1;", "node-id 0; alternate-link-address 10.0.0.1:1; device /dev/drbd1;", 1,
	))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(warnings(c)).To(ContainElements(
		"require-drbd-module-version-ge is ignored: it is a word of DRBD 9",
		"disable-io-hints is ignored: it has no effect any more",
		"alternate-link-address is ignored: there is one link",
		ContainSubstring("written for DRBD 0.7"),
	))
}

// numbered is a resource of its own devices and port.
func numbered(name, minor, more string) string {
	return "resource " + name + " { " + more + strings.ReplaceAll(`
  on milo1 { device /dev/drbd#; disk /dev/sda#; address 192.168.0.1:700#; meta-disk internal; }
  on milo2 { device /dev/drbd#; disk /dev/sda#; address 192.168.0.2:700#; meta-disk internal; }
}
`, "#", minor)
}

func TestGroupsBecomeAChain(t *testing.T) {
	g := NewWithT(t)
	c, err := parse(numbered("late", "1", "syncer { group 7; }") + numbered("early", "2", "syncer { group 0; }") +
		numbered("middle", "3", "syncer { group 2; }") + numbered("too", "4", "syncer { group 7; }") +
		numbered("chosen", "5", "syncer { group 7; after early; }"))
	g.Expect(err).NotTo(HaveOccurred())
	after := map[string]string{}
	for _, r := range c.Resources {
		after[r.Name] = r.Hosts[1].Volumes[0].Options.ResyncAfter.String()
	}
	g.Expect(after).To(Equal(map[string]string{
		"early": "", "middle": "early/0", "late": "middle/0", "too": "middle/0", "chosen": "early/0",
	}))
	g.Expect(warnings(c)).To(ContainElements(
		"syncer group 7 is read as disk { resync-after middle/0; }",
		"syncer group 7 is ignored: resync-after is given",
	))
	again, err := parse(c.Dump())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(withoutPlaces(again)).To(Equal(withoutPlaces(c)))
}
