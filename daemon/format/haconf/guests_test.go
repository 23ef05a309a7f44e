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
	} {
		h, err := haconf.ParseHA("ha.cf", []byte(aPair+lines))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred(), lines)
		g.Expect(h.Guests).To(Equal(want), lines)
	}
	for lines, want := range map[string]string{
		"guests_at_once 0": "a number from 1 to 64",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(aPair+lines))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), lines)
	}
}
