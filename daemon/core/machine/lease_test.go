package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// Nothing of such a group takes time: each step is done when it is asked for.
var _ = Describe("A group that is a role alone, when its lease ends", func() {
	It("is stopped once, and not started while the rest of the lease lasts", func() {
		p := newPairOf(func(c *machine.Config) {
			groups, err := haconf.ParseResources("haresources", []byte("milo1 drbddisk::r1\n"), []string{"milo1", "milo2"})
			Expect(err).NotTo(HaveOccurred())
			c.Failover.Groups = groups
			c.Witness = witness.Config{Policy: witness.ByWitness, Cluster: "site", Lease: 30 * time.Second}
		})
		milo1, milo2 := p.nodes[0], p.nodes[1]
		role := func() drbdwire.Role { return milo1.core.Resource(0).State().Role }
		Expect(role()).To(Equal(drbdwire.Primary), "by the vote of milo2; nobody is at the third place")
		milo2.dead = true
		p.breakLink()
		p.pass(time.Minute)
		Expect(role()).To(Equal(drbdwire.Secondary))
		ok, why := milo1.core.MayRun(0)
		Expect(ok).To(BeFalse())
		Expect(why).To(ContainSubstring("milo2 does not answer"))
	})
})
