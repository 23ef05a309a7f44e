package check_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/node"
)

// tools plays recordings instead of the programs of a machine.
func tools(t *testing.T, recordings map[string]string) command.Runner {
	t.Helper()
	return func(_ context.Context, p command.Program) (command.Result, error) {
		file, ok := recordings[p.Name]
		if !ok {
			return command.Result{Code: -1}, fmt.Errorf("%s: %w", p, command.ErrNotFound)
		}
		text, err := os.ReadFile(filepath.Join("firewall", "testdata", file))
		if err != nil {
			return command.Exited(p, 1, nil, []byte("Operation not permitted (you must be root)\n"))
		}
		return command.Exited(p, 0, text, nil)
	}
}

// live is a daemon on milo1 to which the peer is connected, with heartbeats or
// without.
func live(heard, settled bool) *node.Status {
	return &node.Status{
		Node: "milo1", Peer: "milo2",
		Resources: []node.ResourceStatus{{Name: "r1", PeerRole: "Secondary", Connection: "Connected"}},
		Cluster:   &node.ClusterStatus{CommsUp: settled, Links: []node.LinkStatus{{Medium: "xen-br0", Up: heard}}},
	}
}

func TestTheHostsOwnFirewall(t *testing.T) {
	for name, tc := range map[string]struct {
		files      []string // as of seed
		recordings map[string]string
		live       *node.Status
		want       []string // what is said of the firewall
	}{
		"without one": {},
		"nft rejects heartbeats": {
			recordings: map[string]string{"nft": "nft.json"},
			want: []string{"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: " +
				"nft, table inet filter, chain input, its rule with handle 25. Let them in, now and in what loads the rules at boot: " +
				"nft insert rule inet filter input ip saddr 192.168.0.2 udp dport 694 accept"},
		},
		"but not at the port of udpport": {
			files:      []string{"ha.cf", "ucast xen-br0 192.168.0.1", "udpport 695\nucast xen-br0 192.168.0.1"},
			recordings: map[string]string{"nft": "nft.json"},
		},
		"firewalld": {
			recordings: map[string]string{"nft": "firewalld.json"},
			want: []string{"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: " +
				"nft, table inet firewalld, chain filter_INPUT, its rule with handle 15. Let them in, now and in what loads the " +
				"rules at boot: firewall-cmd --permanent --add-rich-rule='rule family=ipv4 source address=192.168.0.2 port port=694 " +
				"protocol=udp accept' && firewall-cmd --reload"},
		},
		"ufw": {
			recordings: map[string]string{"iptables-save": "ufw.rules"},
			want: []string{"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: " +
				"iptables, table filter, chain INPUT, its policy drop. Let them in, now and in what loads the rules at boot: " +
				"ufw allow proto udp from 192.168.0.2 to any port 694"},
		},
		"iptables": {
			recordings: map[string]string{"iptables-save": "legacy.rules"},
			want: []string{"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: " +
				"iptables, table filter, chain INPUT, -A INPUT -p udp -m udp --dport 694 -j DROP. Let them in, now and in what loads " +
				"the rules at boot: iptables -I INPUT -s 192.168.0.2 -p udp --dport 694 -j ACCEPT"},
		},
		"the replication's port": {
			files:      []string{"drbd.conf", ":7789", ":7800"},
			recordings: map[string]string{"iptables-save": "iptables.rules"},
			want: []string{
				"MEND  resource r1: connections of 192.168.0.2 (TCP port 7800) are dropped by this host's firewall: " +
					"iptables, table filter, chain INPUT, its policy drop. Let them in, now and in what loads the rules at boot: " +
					"iptables -I INPUT -s 192.168.0.2 -p tcp --dport 7800 -j ACCEPT",
				"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: " +
					"iptables, table filter, chain INPUT, its policy drop. Let them in, now and in what loads the rules at boot: " +
					"iptables -I INPUT -s 192.168.0.2 -p udp --dport 694 -j ACCEPT",
			},
		},
		"iptables's rules are told once, in its own words": {
			recordings: map[string]string{"iptables-save": "iptables.rules", "nft": "nft-of-iptables.json"},
			want:       []string{"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped by this host's firewall: iptables, "},
		},
		"broadcasts": {
			files:      []string{"ha.cf", "ucast xen-br0 192.168.0.2", "bcast xen-br0"},
			recordings: map[string]string{"iptables-save": "legacy.rules"},
			want:       []string{"iptables -I INPUT -i xen-br0 -p udp --dport 694 -j ACCEPT"},
		},
		"rules that are not understood": {
			recordings: map[string]string{"nft": "odd.json"},
			want: []string{
				"note  resource r1: connections of 192.168.0.2 (TCP port 7789) may be dropped by this host's firewall, which depends on " +
					"what pollux does not judge: nft, table inet filter, chain input, its rule with handle 8. To be sure: " +
					"nft insert rule inet filter input ip saddr 192.168.0.2 tcp dport 7789 accept",
				"MEND  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) are dropped",
			},
		},
		"what still comes": {
			recordings: map[string]string{"nft": "odd.json"},
			live:       live(true, true),
			want:       []string{"note  ha.cf:6: heartbeats of milo2 over xen-br0 (UDP port 694) come still, and new ones are dropped"},
		},
		"rules that can't be read": {
			recordings: map[string]string{"nft": "no such recording"},
			want: []string{"note  firewall: its rules are not known: nft -j list ruleset: exit status 1: Operation not permitted " +
				"(you must be root)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			host := milo1(t)
			host.Filters = check.Machine(t.Context(), tools(t, tc.recordings)).Filters
			host.Live = tc.live
			var lines []string
			for _, f := range check.Site(seed(t, tc.files...), host) {
				if strings.Contains(f.Text, "this host's firewall") || f.Where == "firewall" {
					lines = append(lines, f.String())
				}
			}
			g := NewWithT(t)
			g.Expect(lines).To(HaveLen(len(tc.want)), strings.Join(lines, "\n"))
			for i, want := range tc.want {
				g.Expect(lines[i]).To(ContainSubstring(want))
			}
		})
	}
}

func TestAFirewallBetweenTheSites(t *testing.T) {
	const text = "r1 is connected to milo2, but no heartbeat of milo2 comes over xen-br0: a firewall between the nodes drops " +
		"UDP port 694, its ha.cf says another way, or polluxd does not run there"
	alone := live(false, true)
	alone.Resources[0].PeerRole = "Unknown"
	for name, tc := range map[string]struct {
		live *node.Status
		want []check.Finding
	}{
		"without a daemon":             {},
		"all is heard":                 {live: live(true, true)},
		"nobody is there":              {live: alone},
		"nothing is heard":             {live(false, true), []check.Finding{{Mend: true, Where: "ha.cf", Text: text}}},
		"nothing is heard at a start":  {live(false, false), []check.Finding{{Where: "ha.cf", Text: text + "; if it just started, look again in a moment"}}},
		"a daemon without the cluster": {live: &node.Status{}},
	} {
		t.Run(name, func(t *testing.T) {
			host := milo1(t)
			known := check.Site(seed(t), host)
			host.Live = tc.live
			var more []check.Finding
			for _, f := range check.Site(seed(t), host) {
				if !strings.Contains(fmt.Sprint(known), f.Text) && f.Where == "ha.cf" {
					more = append(more, f)
				}
			}
			NewWithT(t).Expect(more).To(Equal(tc.want))
		})
	}
}

func TestFilesThatThePeerHasOtherwise(t *testing.T) {
	host := milo1(t)
	host.Live = live(true, true)
	host.Live.Cluster.Differs = []string{"drbd.conf", "haresources", "xen/ha.d"}
	NewWithT(t).Expect(said(t, host)).To(HaveExactElements(
		HavePrefix("note  drbd.conf: milo2 has another one, or differs in its spaces or comments: copy it to both"),
		HavePrefix("MEND  haresources: milo2 has another one: the nodes may start a group twice, or in no place. Copy it to both"),
		And(HavePrefix("MEND  xen/ha.d: milo2 has other files of guests: "), HaveSuffix("/xen/ha.d and copy it to both")),
	))
}
