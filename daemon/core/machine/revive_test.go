package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A daemon that comes back when its peer has taken over, and whose guest is still there", func() {
	It("stops what is left here, and the group that runs there goes on", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.dead = true
		p.breakLink()
		p.pass(100 * time.Second)
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("running"))

		p.cut = false
		milo1.restart()
		milo1.running = map[int]bool{1: true, 2: true}
		milo1.attach()
		p.run()
		milo1.connect(2)
		p.pass(20 * time.Second)
		Expect(milo1.core.State(0)).To(And(HaveField("Peer", drbdwire.Primary), HaveField("Disk", drbdwire.UpToDate)))
		milo1.join()
		p.pass(time.Minute)
		for _, d := range milo2.core.Status().Failover.Decisions {
			Expect(d.Outcome).NotTo(Equal("is given up here"), d.String())
		}
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("running"))
		Expect(milo1.running[2]).To(BeFalse())
	})
})

var _ = Describe("A daemon that was killed under a running guest, with a lease", func() {
	It("has half of one to get it again, though the copies are not compared yet", func() {
		leased := func(c *machine.Config) {
			c.Witness = witness.Config{Policy: witness.ByWitness, Cluster: "site", Lease: 30 * time.Second}
		}
		p := newPairOf(leased)
		milo1, milo2 := p.nodes[0], p.nodes[1]
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("running"), "by the vote of milo2")
		milo1.dead = true
		p.breakLink()
		p.pass(2 * time.Second)
		milo1.restartWith(leased)
		milo1.running = map[int]bool{1: true, 2: true}
		milo1.attach()
		milo1.join()
		undisturbed := func(d time.Duration) {
			for end := p.now + d; p.now < end; p.pass(time.Second) {
				Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
			}
		}
		undisturbed(5 * time.Second)
		p.cut = false
		milo1.connect(2)
		milo2.dialling = true
		p.meet()
		undisturbed(30 * time.Second)
		Expect(milo1.core.State(0)).To(And(HaveField("Conn", drbdwire.Connected), HaveField("Role", drbdwire.Primary)))
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("running"))
	})
})
