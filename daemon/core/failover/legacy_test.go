package failover_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// besideLegacy is a node with "auto_failback legacy" whose peer is a Heartbeat with that.
func besideLegacy(which int) *facing {
	f := faceWith(which, haconf.FailbackLegacy)
	f.step(failover.Input{Kind: failover.PeerUp})
	f.step(failover.Input{Kind: failover.CommsUp})
	f.pass(2 * time.Second)
	return f
}

func TestFacingALegacyHeartbeat(t *testing.T) {
	for name, story := range map[string]func(g Gomega){
		"it does not say what it holds: it is asked for the group, again and again": func(g Gomega) {
			f := besideLegacy(0)
			f.pass(9 * time.Second)
			g.Expect(f.texts("ip-request", "ipaddr")).To(Equal([]string{"drbddisk::r1", "drbddisk::r1"}))
			g.Expect(f.running).To(BeEmpty())
		},
		"it gives the group": func(g Gomega) {
			f := besideLegacy(0)
			f.hear("t", "ip-request-resp", "dest", "milo1", "ipaddr", "drbddisk::r1", "weown", "yes", "ok", "OK")
			g.Expect(f.running).To(HaveLen(3))
		},
		"it is not asked for a group whose data this node may not use": func(g Gomega) {
			f := faceWith(0, haconf.FailbackLegacy)
			f.mayStart[0] = false
			f.step(failover.Input{Kind: failover.PeerUp})
			f.step(failover.Input{Kind: failover.CommsUp})
			f.pass(time.Minute)
			g.Expect(f.texts("ip-request", "ipaddr")).To(BeEmpty())
			f.mayStart[0] = true
			f.step(failover.Input{Kind: failover.Poke})
			g.Expect(f.texts("ip-request", "ipaddr")).To(HaveLen(1))
		},
		"its group does not start here while it lives, and does when it dies": func(g Gomega) {
			f := besideLegacy(1)
			f.pass(time.Hour)
			g.Expect(f.running).To(BeEmpty())
			g.Expect(f.texts("ip-request", "ipaddr")).To(BeEmpty())
			f.step(failover.Input{Kind: failover.PeerDied})
			g.Expect(f.running).To(HaveLen(3))
		},
		"it returns and asks for its group: it is stopped, and given": func(g Gomega) {
			f := besideLegacy(1)
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerUp})
			f.said = nil
			f.hear("t", "ip-request", "ipaddr", "drbddisk::r1")
			g.Expect(f.running).To(BeEmpty())
			g.Expect(f.texts("ip-request-resp", "weown")).To(Equal([]string{"yes"}))
			f.pass(time.Hour)
			g.Expect(f.running).To(BeEmpty())
		},
		"it asks for a group that does not run here": func(g Gomega) {
			f := besideLegacy(1)
			f.said = nil
			f.hear("t", "ip-request", "ipaddr", "drbddisk::r1")
			g.Expect(f.texts("ip-request-resp", "weown")).To(Equal([]string{"no"}))
		},
		"it asks for a group while its copy is not fit: it has to wait": func(g Gomega) {
			f := besideLegacy(1)
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerUp})
			f.mayGive[0] = false
			f.hear("t", "ip-request", "ipaddr", "drbddisk::r1")
			f.pass(time.Minute)
			g.Expect(f.running).To(HaveLen(3))
			f.mayGive[0] = true
			f.pass(5 * time.Second)
			g.Expect(f.running).To(BeEmpty())
		},
		"it leaves: its group starts here": func(g Gomega) {
			f := besideLegacy(1)
			f.hear("t", "shutdone", "st", "dead")
			g.Expect(f.running).To(HaveLen(3))
		},
		"it is asked to move groups, and moves none: neither does this node": func(g Gomega) {
			f := besideLegacy(0)
			f.said = nil
			f.hear("t", "ask_resources", "rsc_hold", "all", "info", "me")
			f.hear("t", "hb_takeover", "rsc_hold", "all")
			g.Expect(f.texts("ask_resources", "info")).To(BeEmpty())
			f.step(failover.Input{Kind: failover.Order, ID: 1, Order: failover.OrderTakeover, Set: failover.All})
			g.Expect(f.answers[1]).To(ContainSubstring("auto_failback legacy"))
		},
		"it turns out to say what it holds after all": func(g Gomega) {
			f := besideLegacy(0)
			f.reports("none", "1")
			g.Expect(f.running).To(HaveLen(3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			RegisterTestingT(t)
			story(NewWithT(t))
		})
	}
}
