package haconf_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

func TestGuests(t *testing.T) {
	for lines, want := range map[string]haconf.Guests{
		"":                   {},
		"guests_at_once 4\n": {AtOnce: 4},
		"displace milo2 /etc/xen/batch.cfg /etc/xen/test,1.cfg # at night\ndisplace MILO1 /etc/xen/batch.cfg\n": {
			Displaced: []haconf.Displaced{
				{Node: "milo2", Files: []string{"/etc/xen/batch.cfg", "/etc/xen/test,1.cfg"}, Line: 4},
				{Node: "milo1", Files: []string{"/etc/xen/batch.cfg"}, Line: 5},
			},
		},
	} {
		h, err := haconf.ParseHA("ha.cf", []byte(aPair+lines))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred(), lines)
		g.Expect(h.Guests).To(Equal(want), lines)
	}
	for lines, want := range map[string]string{
		"guests_at_once 0":                     "a number from 1 to 64",
		"displace milo2":                       "NODE and files of guests, as milo2 /etc/xen/batch.cfg behind displace",
		"displace milo2 batch.cfg":             "a path that starts with '/'",
		"displace milo3 /etc/xen/batch.cfg":    "a node of this file: milo1, milo2",
		"displace milo2 /a\ndisplace milo2 /a": "each file once; it is on line 4 too",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(aPair+lines))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), lines)
	}
}
