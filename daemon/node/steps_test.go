package node_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

func TestWordsOfGuests(t *testing.T) {
	for word, want := range map[string]string{
		"xenHA":                         "",
		"xenHA::/etc/xen/web.d":         "",
		"xenHA::web.d":                  "want no more than the directory of the guests' files",
		"xenHA::/etc/xen/a::/etc/xen/b": "want no more than the directory of the guests' files",
	} {
		err := node.CheckGroups(&config.Site{
			Dir: "/etc", HA: &haconf.HA{}, Groups: haconf.Resources{{
				Node: "milo1", Resources: []haconf.Resource{{Script: "xenHA", Text: word}},
			}},
		})
		if want == "" {
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), word)
			continue
		}
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), word)
	}
}

func TestScriptsGetWhatHaCfSays(t *testing.T) {
	g := NewWithT(t)
	ha, err := haconf.ParseHA("ha.cf", []byte("node milo1 milo2\nucast eth0 192.168.0.2\ndeadtime 90\nenv CUSTOMER=acme\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(node.ScriptEnv(&config.Site{HA: ha, Node: "milo1"})).To(
		ContainElements("HA_CURHOST=milo1", "HA_deadtime=90", "HA_CUSTOMER=acme"))
}
