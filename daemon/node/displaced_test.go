package node_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

func TestDisplacedGuestsComeBackWhenNoOthersAreHere(t *testing.T) {
	groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1 xenHA\nmilo2 drbddisk::r2 db\n"),
		[]string{"milo1", "milo2"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	site := &config.Site{Groups: groups}
	for name, tc := range map[string]struct {
		stage           string
		first, second   bool // what is claimed
		maintenance, ok bool
	}{
		"nothing is here":           {stage: "stable", ok: true},
		"a group without guests is": {stage: "stable", second: true, ok: true},
		"one with guests is":        {stage: "stable", first: true},
		"the daemon has just begun": {stage: "looking at what runs here"},
		"the daemon leaves":         {stage: "stopping"},
		"an operator works on it":   {stage: "stable", maintenance: true},
	} {
		s := failover.Snapshot{
			Stage: tc.stage, Maintenance: tc.maintenance,
			Groups: []failover.GroupSnapshot{{Claimed: tc.first}, {Claimed: tc.second}},
		}
		NewWithT(t).Expect(node.NoGuestsIn(site, s)).To(Equal(tc.ok), name)
	}
}

func TestWhoIsDisplacedIsNamedForEachNode(t *testing.T) {
	site := &config.Site{Node: "Milo2"}
	NewWithT(t).Expect(site.Displaced()).To(BeEmpty())
	site.HA = &haconf.HA{Guests: haconf.Guests{Displaced: []haconf.Displaced{
		{Node: "milo2", Files: []string{"/etc/xen/a", "/etc/xen/b"}},
		{Node: "milo1", Files: []string{"/etc/xen/c"}},
		{Node: "milo2", Files: []string{"/etc/xen/d"}},
	}}}
	NewWithT(t).Expect(site.Displaced()).To(Equal([]string{"/etc/xen/a", "/etc/xen/b", "/etc/xen/d"}))
}
