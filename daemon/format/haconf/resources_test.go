package haconf_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

var milos = []string{"milo1", "milo2"}

func TestTheFirstHaresources(t *testing.T) {
	g := NewWithT(t)
	groups, err := haconf.ParseResources("haresources", read(t, "testdata/seed/haresources"), milos)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(groups).To(Equal(haconf.Resources{{
		Node: "milo1", Line: 3,
		Resources: []haconf.Resource{
			{Script: "drbddisk", Args: []string{"r1"}, Text: "drbddisk::r1"},
			{Script: "LVM", Args: []string{"vg"}, Text: "LVM::vg"},
			{Script: "xenHA", Args: []string{}, Text: "xenHA"},
		},
	}}))
	g.Expect(groups[0].Key()).To(Equal("drbddisk::r1"))
}

func TestHaresources(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want map[string]string // key of each group: its node and the scripts, as they were understood
	}{
		"nothing":               {"# only a comment\n\n", nil},
		"the case of the node":  {"MILO2 a", map[string]string{"a": "milo2 a[]"}},
		"a comment in the line": {"milo1 a # b c", map[string]string{"a": "milo1 a[]"}},
		"lines that are joined": {
			"milo1 a \\\n\tb::1 \\\n c\nmilo2 d\\",
			map[string]string{"a": "milo1 a[] b[1] c[]", "d": "milo2 d[]"},
		},
		"a comment joins no line, even with a \\ at its end": {
			"# milo1 b \\\nmilo1 a", map[string]string{"a": "milo1 a[]"},
		},
		"an address": {"milo1 10.0.0.1", map[string]string{"10.0.0.1": "milo1 IPaddr[10.0.0.1]"}},
		"an address with all": {
			"milo1 10.0.0.1/24/eth0/10.0.0.255 a",
			map[string]string{"10.0.0.1/24/eth0/10.0.0.255": "milo1 IPaddr[10.0.0.1/24/eth0/10.0.0.255] a[]"},
		},
		"arguments with colons and slashes": {
			"milo1 Filesystem::/dev/drbd1::/mnt::ext3::a:b",
			map[string]string{"Filesystem::/dev/drbd1::/mnt::ext3::a:b": "milo1 Filesystem[/dev/drbd1 /mnt ext3 a:b]"},
		},
		"an agent of OCF": {
			"milo1 ocf:heartbeat:Xen::xmfile=/etc/xen/web1", map[string]string{
				"ocf:heartbeat:Xen::xmfile=/etc/xen/web1": "milo1 ocf:heartbeat:Xen[xmfile=/etc/xen/web1]",
			},
		},
		"line ends of another system": {"milo1 a\r\nmilo2 b\r\n", map[string]string{"a": "milo1 a[]", "b": "milo2 b[]"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			groups, err := haconf.ParseResources("haresources", []byte(tc.text), milos)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(groups).To(HaveLen(len(tc.want)))
			for _, group := range groups {
				got := []string{group.Node}
				for _, r := range group.Resources {
					got = append(got, fmt.Sprint(r.Script, r.Args))
				}
				g.Expect(strings.Join(got, " ")).To(Equal(tc.want[group.Key()]))
			}
		})
	}
}

func TestHaresourcesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"milo3 a":  "haresources:1:1: found 'milo3', want the preferred node, one of ha.cf: milo1, milo2",
		"\n milo1": "haresources:2:7: found nothing, want the resources of milo1, as: milo1 drbddisk::r1",
		"milo1 a\nmilo2 a b": "haresources:2:7: found 'a', want a first resource that no other group has: it" +
			" is the group's name, and line 1 has the same",
		"milo1 a \\\n b /bin/c": "haresources:2:4: found '/bin/c', want the name of a script in the resource directory",
		"milo1 ::x":             "found '::x', want the name of a script",
		"milo1 drbddisk:r1":     "found 'drbddisk:r1', want '::' between a script and its arguments",
		"milo1 ocf:heartbeat":   "found 'ocf:heartbeat', want '::' between a script and its arguments",
		"milo1 a::":             "found 'a::', want an argument behind each '::'",
		"milo1 a::::b":          "want an argument behind each '::'",
		"milo1 10.0.0.256":      "found '10.0.0.256', want an address as a.b.c.d",
		"milo1 10.0.0.1/33":     "want an address",
		"milo1 10.0.0.1/":       "want an address",
		"milo1 a \\ \n b":       `haresources:1:9: found '\', want '\' as the very last character of the line`,
		"milo1 a \\ # b\n b":    "as the very last character of the line",
	} {
		_, err := haconf.ParseResources("haresources", []byte(text), milos)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), text)
	}
}
