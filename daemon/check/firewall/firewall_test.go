package firewall_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/check/firewall"
)

// load reads a recording of nft 1.0.6 or iptables 1.8.9.
func load(t *testing.T, name string) *firewall.Ruleset {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	var rules *firewall.Ruleset
	if filepath.Ext(name) == ".json" {
		rules, err = firewall.ParseNFT(text)
	} else {
		rules, err = firewall.ParseIPTables(text, false)
	}
	g.Expect(err).NotTo(HaveOccurred())
	return rules
}

// beat is a heartbeat of an address; "" is one that is not known.
func beat(from string) firewall.Packet {
	p := firewall.Packet{Protocol: "udp", Port: 694, Interface: "xen-br0", Dest: netip.MustParseAddr("192.168.0.1")}
	if from != "" {
		p.Source = netip.MustParseAddr(from)
	}
	return p
}

// connect is a connection of the peer to a port.
func connect(port uint16) firewall.Packet {
	p := beat("192.168.0.2")
	p.Protocol, p.Port = "tcp", port
	return p
}

func by(p firewall.Packet, device string) firewall.Packet {
	p.Interface = device
	return p
}

func TestJudge(t *testing.T) {
	passed := firewall.Verdict{Fate: firewall.Passed}
	dropped := func(table, base, chain, rule string) firewall.Verdict {
		return firewall.Verdict{Fate: firewall.Dropped, Table: table, Base: base, Chain: chain, Rule: rule}
	}
	unclear := func(table, base, chain, rule string) firewall.Verdict {
		return firewall.Verdict{Fate: firewall.Unclear, Table: table, Base: base, Chain: chain, Rule: rule}
	}
	for name, tc := range map[string]struct {
		file   string
		packet firewall.Packet
		want   firewall.Verdict
	}{
		"nft: a rule that rejects the port": {
			"nft.json", beat("192.168.0.2"), dropped("inet filter", "input", "input", "its rule with handle 25"),
		},
		"nft: an address outside of a network": {
			"nft.json", beat("172.16.0.2"), dropped("inet filter", "input", "input", "its rule with handle 20"),
		},
		"nft: an address that is not known may be outside": {
			"nft.json", beat(""), dropped("inet filter", "input", "input", "its rule with handle 25"),
		},
		"nft: a range in a set": {"nft.json", connect(7789), passed},
		"nft: a named set of addresses and one of port ranges": {
			"nft.json", connect(7005), passed,
		},
		"nft: the last rule, after a limit that only logs": {
			"nft.json", connect(7700), dropped("inet filter", "input", "input", `its rule with handle 26 ("the rest")`),
		},
		"nft: the loopback interface": {"nft.json", by(beat("192.168.0.2"), "lo"), passed},
		"nft: other UDP ports":        {"nft.json", func() firewall.Packet { p := beat("192.168.0.2"); p.Port = 695; return p }(), passed},

		"firewalld lets in what it lists": {"firewalld.json", connect(7789), passed},
		"firewalld rejects the rest, behind a goto": {
			"firewalld.json", beat("192.168.0.2"), dropped("inet firewalld", "filter_INPUT", "filter_INPUT", "its rule with handle 15"),
		},

		"nft: a concatenation, before the connection tracking": {
			"odd.json", beat("192.168.0.2"), dropped("inet filter", "early", "early", "its rule with handle 6"),
		},
		"nft: a concatenation of another address; a limit that a heartbeat may be over": {
			"odd.json", beat("192.168.0.3"), unclear("inet filter", "input", "input", "its rule with handle 10"),
		},
		"nft: an interface that is not known": {
			"odd.json", by(beat("192.168.0.2"), ""), unclear("inet filter", "early", "early", "its rule with handle 6"),
		},
		"nft: a mark that decides": {
			"odd.json", connect(7789), unclear("inet filter", "input", "input", "its rule with handle 8"),
		},
		"nft: SYN alone, and a table that sleeps": {"odd.json", connect(7790), passed},

		"ufw lets in what it lists": {"ufw.rules", connect(7789), passed},
		"ufw drops the rest by policy": {
			"ufw.rules", beat("192.168.0.2"), dropped("filter", "INPUT", "INPUT", "its policy drop"),
		},

		"iptables: a chain that rejects, by interface": {
			"iptables.rules", by(beat("192.168.0.2"), "eth0"), dropped("filter", "INPUT", "services",
				`-A services -i eth+ -p udp -m state --state NEW -m udp --dport 690:700 -m comment --comment "heart beats" `+
					`-j REJECT --reject-with icmp-port-unreachable`),
		},
		"iptables: a rule with not, then the policy; a rule that is not understood drops as well": {
			"iptables.rules", beat("192.168.0.2"), dropped("filter", "INPUT", "INPUT", "its policy drop"),
		},
		"iptables: another address": {
			"iptables.rules", beat("192.168.0.3"), dropped("filter", "INPUT", "INPUT",
				"-A INPUT ! -s 192.168.0.2/32 -p udp -m udp --dport 694 -j DROP"),
		},
		"iptables: several ports": {"iptables.rules", connect(7789), passed},
		"iptables: a port of none": {
			"iptables.rules", connect(7800), dropped("filter", "INPUT", "INPUT", "its policy drop"),
		},
		"iptables-legacy": {
			"legacy.rules", beat(""), dropped("filter", "INPUT", "INPUT", "-A INPUT -p udp -m udp --dport 694 -j DROP"),
		},
		"iptables's rules as nft prints them, with a match that it can't": {
			"nft-of-iptables.json", connect(7789), unclear("ip filter", "INPUT", "INPUT", "its rule with handle 3"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(load(t, tc.file).Judge(tc.packet)).To(Equal(tc.want))
		})
	}
}

func TestIPv4TablesDoNotDropIPv6(t *testing.T) {
	p := beat("")
	p.IPv6, p.Dest = true, netip.Addr{}
	g := NewWithT(t)
	g.Expect(load(t, "legacy.rules").Judge(p).Fate).To(Equal(firewall.Passed))
	g.Expect(load(t, "nft-of-iptables.json").Judge(p).Fate).To(Equal(firewall.Passed))
	g.Expect(load(t, "nft.json").Judge(p).Fate).To(Equal(firewall.Dropped))
}

func TestTablesAreLeftOut(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("testdata/nft-of-iptables.json")
	g.Expect(err).NotTo(HaveOccurred())
	rules, err := firewall.ParseNFT(text, "ip filter")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rules.Judge(beat("192.168.0.3"))).To(Equal(firewall.Verdict{Fate: firewall.Passed}))
}

func TestRulesThatCallEachOtherEnd(t *testing.T) {
	rules, err := firewall.ParseIPTables([]byte("*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\n-A a -j a\n"), false)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rules.Judge(beat("")).Fate).To(Equal(firewall.Unclear))
}

func TestWhatIsNoRuleset(t *testing.T) {
	for _, text := range []string{"iptables-save: not found", "*filter\n-A INPUT -j DROP\n", "-A\n"} {
		_, err := firewall.ParseIPTables([]byte(text), false)
		NewWithT(t).Expect(err).To(HaveOccurred(), text)
	}
	_, err := firewall.ParseNFT([]byte("netlink: Error"))
	NewWithT(t).Expect(err).To(HaveOccurred())
}

// FuzzParse: whatever the tools print, judging it ends.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		if rules, err := firewall.ParseNFT(text); err == nil {
			rules.Judge(beat("192.168.0.2"))
			rules.Judge(connect(7789))
		}
		if rules, err := firewall.ParseIPTables(text, false); err == nil {
			rules.Judge(beat("192.168.0.2"))
			rules.Judge(connect(7789))
		}
	})
}
