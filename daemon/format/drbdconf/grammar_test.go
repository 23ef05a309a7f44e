package drbdconf_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

func TestRefused(t *testing.T) {
	const host = "device /dev/drbd1; disk /dev/sda3; address 192.168.0.1:7789; meta-disk internal;"
	const peer = " on b { device /dev/drbd1; disk /dev/hdd3; address 192.168.0.2:7789; meta-disk internal; }"
	for name, tc := range map[string]struct{ text, want string }{
		// Words and blocks.
		"an unknown section": {
			"resorce r1 { }",
			":1:1: found 'resorce', want resource, global, common, include or skip (did you mean 'resource'?)",
		},
		"an equals sign": {
			"resource r1 {\n  protocol = C;\n}",
			":2:12: found '=', want letters, digits, / . _ - or a quoted text",
		},
		"a missing semicolon": {
			resource("protocol C\n  startup { wfc-timeout 3; }"), ":3:3: found 'startup', want ';' after 'C'",
		},
		"a value without a semicolon at the end of its block": {
			resource("net { timeout 60 }"), ":2:18: found '}', want ';' or '{' after '60'",
		},
		"a missing brace": {
			"resource r1 {\n net {", ":2:7: found 'end of file', want '}' to close 'net {' of line 2",
		},
		"a brace too many": {
			"resource r1 { } }", ":1:17: found '}', want resource, global, common, include or skip",
		},
		"an open quote": {
			resource("handlers { split-brain \"x; }\n"),
			":2:24: found '\"x; }', want a closing quote before the end of the line",
		},
		"a word of 129 characters": {
			"resource " + strings.Repeat("r", 129) + " { }", "want a word of at most 128 characters, or quotes around it",
		},
		"quotes around too much": {
			resource(`handlers { split-brain "` + strings.Repeat("x", 256) + `"; }`), "want at most 255 characters in quotes",
		},
		"blocks without end":   {strings.Repeat("a { ", 20), "want at most 16 blocks in blocks"},
		"skip without a block": {"skip resource r1;", ":1:17: found ';', want '{' after 'skip'"},
		"skip that does not end": {
			"\nskip { {", ":2:9: found 'end of file', want '}' to close 'skip {' of line 2",
		},

		// Options.
		"a misspelt option": {
			resource("net { shared-secert x; }"),
			":2:7: found 'shared-secert', want an option of section net (did you mean 'shared-secret'?)",
		},
		"an option of another section": {
			resource("disk { timeout 60; }"), ":2:8: found 'timeout', want an option of section disk",
		},
		"an unknown handler":    {resource("handlers { split-brian x; }"), "(did you mean 'split-brain'?)"},
		"a number with letters": {resource("net { timeout 10Q; }"), "found 'timeout 10Q', want 1 to 600 tenths of a second"},
		"a number that overflows": {
			resource("disk { size 99999999999999999G; }"), "found 'size 99999999999999999G', want 0 to 2199023255552 sectors",
		},
		"an option without its value": {resource("net { timeout; }"), ":2:14: found ';', want a value of 'timeout'"},
		"two values":                  {resource("net { timeout 1 2; }"), ":2:17: found '2', want ';' after '1'"},
		"a flag that is neither":      {resource("net { use-rle maybe; }"), "found 'use-rle maybe', want yes or no"},
		"no- before a number":         {resource("net { no-timeout; }"), "found 'no-timeout', want an option of section net"},
		"a secret too long is not shown": {
			resource("net { shared-secret " + strings.Repeat("s", 64) + "; }"),
			"found 'shared-secret', want at most 63 characters",
		},
		"discard-my-data, which is for one connect only": {
			resource("net { discard-my-data; }"), "found 'discard-my-data', want an option of section net",
		},
		"a mask that is none": {resource("options { cpu-mask xyz; }"), "found 'cpu-mask xyz', want hexadecimal digits"},
		"a second net section": {
			resource("net { }\n  net { }"), ":3:3: found 'second section net', want one: the first is at /etc/drbd.conf:2:1",
		},
		"a second common": {
			"common { }\ncommon { }",
			":2:1: found 'second section common', want one: the first is at /etc/drbd.conf:1:1",
		},
		"a second global":         {"global { }\nglobal { }", ":2:1: found 'second section global', want one"},
		"global after a resource": {resource("") + "global { }", "want it before the first resource"},
		"a host in common": {
			"common { on a { } }",
			":1:10: found 'on', want net, disk, startup, options, handlers",
		},
		"a resource name to hide behind": {"resource ../x { }", "found '../x', want the name of a resource"},
		"the same name twice": {
			resource("") + "resource r1 { }",
			"found 'second resource r1', want another name: the first is at /etc/drbd.conf:1:1",
		},

		// Hosts and devices.
		"one host": {
			"resource r1 { on a { " + host + " } }",
			"found 'resource r1 with 1 host', want two: 'on' or 'floating'",
		},
		"three hosts": {
			resource("on milo3 { }"), ":4:3: found 'resource r1 with 3 hosts', want two: 'on' or 'floating'",
		},
		"stacked": {
			resource("stacked-on-top-of r0 { }"),
			":2:1: found 'stacked-on-top-of', want no stacked resource: a resource has two nodes here, a third copy is not",
		},
		"no address": {
			"resource r1 { on a { device /dev/drbd1; disk /dev/sda3; meta-disk internal; }" + peer + " }",
			"found 'on a of resource r1 without an address', want address IP:PORT;",
		},
		"no disk and no meta-disk": {
			"resource r1 { on a { device /dev/drbd1; address 192.168.0.1:7789; }" + peer + " }",
			"found 'volume 0 of on a in resource r1 without disk, meta-disk', want device, disk and meta-disk for every volume",
		},
		"a volume that only one host has": {
			"resource r1 { on a { volume 0 { device /dev/drbd1; disk /dev/x; meta-disk internal; } " +
				"volume 1 { device /dev/drbd2; disk /dev/y; meta-disk internal; } address 192.168.0.1:7789; }" + peer + " }",
			"found 'on b of resource r1 without volume 1', want it on both hosts",
		},
		"a device beside a volume section": {
			"resource r1 { volume 1 { device /dev/drbd2; } on a { " + host + " }" + peer + " }",
			"found 'on a of resource r1 with and without volume sections', want all its devices in volume sections, or none",
		},
		"two addresses": {
			"resource r1 { on a { " + host + " address 10.0.0.1:1; }" + peer + " }", "found 'second address of on a', want one",
		},
		"two disks": {
			"resource r1 { on a { " + host + " disk /dev/x; }" + peer + " }", "found 'second disk', want one: the first is at",
		},
		"port 0":     {"resource r1 { on a { address 192.168.0.1:0; } }", "found '0', want a port, 1 to 65535"},
		"port 65536": {"resource r1 { on a { address 192.168.0.1:65536; } }", "found '65536', want a port, 1 to 65535"},
		"no port":    {"resource r1 { on a { address 192.168.0.1; } }", "found ';', want ':' and a port after '192.168.0.1'"},
		"a host name for an address": {
			"resource r1 { on a { address milo1:7789; } }",
			"found 'milo1', want an address such as 192.168.0.1:7789 or ipv6 [fd00::1]:7789",
		},
		"an address that is octal to some": {"resource r1 { on a { address 192.168.0.010:7789; } }", "found '192.168.0.010'"},
		"an IPv6 address with two gaps": {
			"resource r1 { on a { address ipv6 [fd00::1::2]:7789; } }", "found 'fd00::1::2', want an IPv6 address",
		},
		"InfiniBand":   {"resource r1 { on a { address sdp 10.0.0.1:7789; } }", "found 'sdp', want ipv4 or ipv6"},
		"a wrong name": {"resource r1 { on a { device /dev/nb1; } }", "found '/dev/nb1', want a device /dev/drbdN"},
		"a name without a minor": {
			"resource r1 { on a { device /dev/drbd_x; } }", "want a device /dev/drbdN, or /dev/drbd_NAME minor N",
		},
		"a name and a minor that disagree": {
			"resource r1 { on a { device /dev/drbd1 minor 2; } }", "found '/dev/drbd1', want /dev/drbd2, or no minor 2",
		},
		"a minor too high": {
			"resource r1 { on a { device minor 1048576; } }", "found '1048576', want a minor number, 0 to 1048575",
		},
		"a volume too high": {
			"resource r1 { on a { volume 65536 { } } }", "found '65536', want the number of a volume, 0 to 65535",
		},
		"an index that is none": {
			"resource r1 { on a { meta-disk /dev/m[x]; } }", "found 'x', want the number of a slot on the metadata device",
		},
		"a brace for a node-id": {"resource r1 { on a { node-id x; } }", "found 'x', want a number"},

		// What DRBD 9 has and two nodes cannot.
		"a mesh of three": {
			resource("connection-mesh { hosts milo1 milo2 milo3; }"),
			"found 'host milo3', want the host of a section 'on milo3'",
		},
		"two connections": {
			resource("connection { host milo1; host milo2; }\n  connection { host milo1; host milo2; }"),
			":3:3: found 'second section connection', want one between two hosts: the first is at /etc/drbd.conf:2:1",
		},
		"a connection of one": {
			resource("connection { host milo1; }"), "found 'connection of resource r1 with 1 host', want its two hosts",
		},
		"a connection with itself": {
			resource("connection { host milo1; host milo1; }"), "want its two hosts",
		},
		"a connection without a block": {resource("connection x;"), ":2:13: found ';', want '{' after 'connection'"},
		"a proxy on the way": {
			resource("connection { host milo1 address 10.0.0.1:1 via proxy on x { } }"),
			":2:44: found 'via', want ';' after the host: a proxy is not supported",
		},
		"a host of a connection without a name": {
			resource("connection { host; }"), ":2:18: found ';', want a host name",
		},
		"a port of a connection that is none": {
			resource("connection { host milo1 port x; }"), "found 'x', want a port, 1 to 65535",
		},
		"something else in a path": {
			resource("connection { path { net { } } }"), ":2:21: found 'net', want host in path",
		},
		"something else in a connection": {
			resource("connection { address 10.0.0.1:1; }"), "found 'address', want host, path, net, disk or volume",
		},
		"a device in a connection": {
			resource("connection { volume 0 { device /dev/drbd1; } }"), "want disk { } in a volume of a connection",
		},
		"a volume that no host has": {
			resource("connection-mesh { volume 3 { disk { } } }"),
			"found 'connection of resource r1 with volume 3', want a volume of the hosts",
		},
		"an address that stays open": {
			"resource r1 { on a { address ipv6 [fd00::1; } }", ":1:43: found ';', want ']' after an IPv6 address",
		},
		"an address with a block": {
			"resource r1 { on a { address 10.0.0.1:1 { } } }", "found '{', want ';' after the address",
		},
		"an old option of syncer that never was": {
			resource("syncer { grup 1; }"), "found 'grup', want an option of section syncer (did you mean 'group'?)",
		},
		"a group out of range": {resource("syncer { group 1001; }"), "found 'group 1001', want 0 to 1000"},
		"a reaction that never was": {
			resource("net { on-disconnect explode; }"), "found 'explode', want stand_alone, reconnect or freeze_io",
		},
		"a list of nothing": {
			resource("startup { become-primary-on; }"), "found ';', want a value of 'become-primary-on'",
		},
		"a list of no names":   {resource("startup { become-primary-on a/b; }"), "found 'a/b', want a host name"},
		"an option as a block": {resource("net { timeout { } }"), "found '{', want ';' after option 'timeout'"},
		"a control character": {
			resource("handlers { split-brain \"a\x01\"; }"), "found '\\x01', want no control characters in quotes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := parse(tc.text)
			g.Expect(err).To(MatchError(ContainSubstring(tc.want)))
			g.Expect(err.Error()).To(HavePrefix(conf + ":"))
		})
	}
}

func TestAccepted(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		check func(g *WithT, r *drbdconf.Resource)
	}{
		"skip hides what it likes, anywhere": {
			"skip resource r0 { net { 'tis broken = } }\n" + resource("skip { it's = { 1 } } net { timeout 30; }"),
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.Timeout.Seconds()).To(Equal(3.0)) },
		},
		"comments and carriage returns": {
			"# a\r\n" + strings.ReplaceAll(resource("net { timeout 30; } # b"), "\n", "\r\n"),
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.Timeout.Seconds()).To(Equal(3.0)) },
		},
		"quotes with quotes in them": {
			resource(`net { cram-hmac-alg sha1; shared-secret "a\"b\\c{;"; }`),
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.SharedSecret).To(Equal(`a"b\c{;`)) },
		},
		"flags in every spelling": {
			resource("net { no-tcp-cork; always-asbp; use-rle no; allow-two-primaries yes; }\n  disk { no-md-flushes; }"),
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect([]bool{r.Net.TCPCork, r.Net.AlwaysASBP, r.Net.UseRLE, r.Net.AllowTwoPrimaries}).
					To(Equal([]bool{false, true, false, true}))
				g.Expect(r.Disk.MDFlushes).To(BeFalse())
			},
		},
		"IPv6, and a host with two names": {
			`resource r1 {
			  device minor 3; disk none; flexible-meta-disk /dev/m;
			  on a a.example { address ipv6 [fe80::1%eth0]:7789; }
			  on b { address ipv6 [::ffff:10.0.0.2]:7789; }
			}`,
			func(g *WithT, r *drbdconf.Resource) {
				h, ok := r.Host("a.example")
				g.Expect(ok).To(BeTrue())
				g.Expect(h.Address.String()).To(Equal("[fe80::1%eth0]:7789"))
				g.Expect(h.Volumes).To(HaveLen(1))
				g.Expect(h.Volumes[0].Device).To(Equal("/dev/drbd3"))
				g.Expect(h.Volumes[0].Disk).To(BeEmpty())
				g.Expect(h.Volumes[0].Meta).To(Equal(drbdconf.MetaDisk{Kind: drbdconf.MetaFlexible, Device: "/dev/m"}))
			},
		},
		"floating hosts are found by address": {
			`resource r1 {
			  device /dev/drbd1; disk /dev/a; meta-disk /dev/m[3];
			  floating ipv6 [fd00:0::1]:7789;
			  floating ipv6 [fd00::2]:7789 { disk /dev/b; }
			}`,
			func(g *WithT, r *drbdconf.Resource) {
				h, ok := r.Host("fd00::1")
				g.Expect(ok).To(BeTrue())
				g.Expect(h.Volumes[0].Disk).To(Equal("/dev/a"))
				g.Expect(h.Volumes[0].Meta).To(Equal(drbdconf.MetaDisk{
					Kind: drbdconf.MetaIndexed, Device: "/dev/m", Index: 3,
				}))
				p, ok := r.Peer("fd00::1")
				g.Expect(ok).To(BeTrue())
				g.Expect(p.Volumes[0].Disk).To(Equal("/dev/b"))
			},
		},
		"discard-node names a host": {
			resource("net { after-sb-0pri discard-node-milo2; }"),
			func(g *WithT, r *drbdconf.Resource) {
				g.Expect(r.AfterSB0Pri("milo2")).To(Equal(drbdconf.ASBDiscardLocal))
				g.Expect(r.AfterSB0Pri("milo1")).To(Equal(drbdconf.ASBDiscardRemote))
			},
		},
		"the last of two values counts": {
			resource("net { timeout 60; timeout 70; }"),
			func(g *WithT, r *drbdconf.Resource) { g.Expect(r.Net.Timeout.Seconds()).To(Equal(7.0)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := parse(tc.text)
			g.Expect(err).NotTo(HaveOccurred())
			tc.check(g, &c.Resources[0])
		})
	}
}
