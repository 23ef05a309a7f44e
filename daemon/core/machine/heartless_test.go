package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/format/haconf"
)

var _ = Describe("A node whose peer counts as dead and has used the data", func() {
	It("does not take over when the connection of the data is cut as well: the peer may run on", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.deaf, milo2.deaf = true, true
		p.pass(5 * time.Minute)
		p.cut = true
		p.breakLink()
		p.pass(10 * time.Minute)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
		Expect(milo2.running).To(BeEmpty())
	})

	It("takes its groups back when that is heard again", func() {
		p := newPairOf(func(c *machine.Config) { c.Failover.Failback = haconf.FailbackOn })
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo2.group(failover.Input{Order: failover.OrderTakeover, Set: failover.All, ID: 9})
		p.pass(30 * time.Second)
		Expect(milo2.running).To(Equal(map[int]bool{1: true, 2: true}))
		milo1.deaf, milo2.deaf = true, true
		p.pass(5 * time.Minute)
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("failed"), "the peer is Primary")
		milo1.deaf, milo2.deaf = false, false
		p.pass(10 * time.Minute)
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("running"),
			milo2.core.Status().Failover.Failback)
	})

	It("starts its groups when that is heard again, and has stopped them", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo2.group(failover.Input{Order: failover.OrderTakeover, Set: failover.All, ID: 9})
		p.pass(30 * time.Second)
		milo1.deaf, milo2.deaf = true, true
		p.pass(5 * time.Minute)
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("failed"), "the peer is Primary")
		milo2.group(failover.Input{Order: failover.OrderStop, Set: failover.All, ID: 10})
		p.pass(time.Minute)
		Expect(milo2.running).NotTo(ContainElement(true))
		p.breakLink()
		milo1.deaf, milo2.deaf, p.cut = false, false, false
		milo2.comesBack()
		p.pass(10 * time.Minute)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
		Expect(milo2.running).To(BeEmpty())
	})
})
