package ipaddr_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/ipaddr"
)

func TestParse(t *testing.T) {
	ip, broadcast := netip.MustParseAddr("192.168.0.9"), netip.MustParseAddr("192.168.0.255")
	for name, tc := range map[string]struct {
		args []string
		want ipaddr.Address
	}{
		"an address alone":   {[]string{"192.168.0.9"}, ipaddr.Address{IP: ip, Bits: -1}},
		"with its network":   {[]string{"192.168.0.9/24"}, ipaddr.Address{IP: ip, Bits: 24}},
		"with its interface": {[]string{"192.168.0.9/24/eth0"}, ipaddr.Address{IP: ip, Bits: 24, Interface: "eth0"}},
		"with all": {
			[]string{"192.168.0.9/24/eth0:1/192.168.0.255"},
			ipaddr.Address{IP: ip, Bits: 24, Interface: "eth0:1", Broadcast: broadcast},
		},
		"with a broadcast address in the interface's place": {
			[]string{"192.168.0.9/24/192.168.0.255"}, ipaddr.Address{IP: ip, Bits: 24, Broadcast: broadcast},
		},
		"IPv6, cut at its colons": {
			[]string{"2001:db8", "9/64/eth0"},
			ipaddr.Address{IP: netip.MustParseAddr("2001:db8::9"), Bits: 64, Interface: "eth0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(ipaddr.Parse(tc.args)).To(Equal(tc.want))
		})
	}
	for _, wrong := range []string{
		"", "web1", "192.168.0.9/33", "192.168.0.9/24/", "192.168.0.9/24/eth0/x", "192.168.0.9/24/eth0/192.168.0.255/x",
		"192.168.0.9/24/-f", "fe80::1%eth0", "2001:db8::9/64/eth0/192.168.0.255", "2001:db8::9/129",
	} {
		_, err := ipaddr.Parse([]string{wrong})
		NewWithT(t).Expect(err).To(HaveOccurred(), wrong)
	}
}
