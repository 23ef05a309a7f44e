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
