package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

var _ = Describe("What a node says that it goes on alone with", func() {
	order := func(n *node, kind replica.OrderKind, id uint64) {
		n.replica(replica.Input{Kind: replica.Order, Order: kind, ID: id})
	}

	// together is a pair of two Secondaries that are connected, and no part of the cluster yet.
	together := func(change func(c *machine.Config)) *pair {
		p := makePair(change)
		for i, n := range p.nodes {
			n.attach()
			p.run()
			n.connect(uint64(2 + i))
		}
		p.run()
		Expect(p.nodes[1].core.Resource(0).State().PeerDisk).To(Equal(drbdwire.UpToDate))
		return p
	}

	// waiting is a pair that hears each other and gets no connection. Each waits for that: milo1 for a minute, milo2
	// for ten.
	waiting := func(keepalive time.Duration) *pair {
		p := makePair(func(c *machine.Config) {
			c.Liveness.Keepalive = keepalive
			c.Resources[0].WFCTimeout = time.Minute
			if c.Liveness.Node == "milo2" {
				c.Resources[0].WFCTimeout = 10 * time.Minute
			}
		})
		p.cut = true
		p.begin()
		return p
	}

	It("counts for a node that was told to leave its peer before that was promoted", func() {
		p := together(func(*machine.Config) {})
		milo1, milo2 := p.nodes[0], p.nodes[1]
		order(milo2, replica.OrderDisconnect, 9)
		p.run()
		for _, n := range p.nodes {
			n.join()
		}
		p.pass(30 * time.Second)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}))
		milo1.write(7)
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Conn).To(Equal(drbdwire.StandAlone))
		milo1.dead = true
		p.pass(100 * time.Second)
		Expect(milo2.running).To(BeEmpty(), "its data are old")
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is asked for anew when the heartbeats are back, which did not bring it", func() {
		p := waiting(5 * time.Second)
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.deaf, milo2.deaf = true, true
		p.pass(120 * time.Second)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}), "it has waited for its peer")
		Expect(milo2.running).To(BeEmpty())
		milo1.write(7)
		milo1.deaf, milo2.deaf = false, false
		p.pass(30 * time.Second)
		milo1.dead = true
		p.pass(15 * time.Minute)
		Expect(milo2.running).To(BeEmpty(), "its data are old")
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is said again by one that did not hear the question, as soon as it hears its peer", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		p.goesOnAlone()
		milo1.dead = true
		p.cut = true
		milo1.comesBack()
		milo1.deaf = true
		p.pass(10 * time.Second)
		milo2.comesBack()
		p.pass(10 * time.Second)
		Expect(milo2.core.Status().Liveness.Peer.State).NotTo(Equal(liveness.Dead))
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Consistent), "nobody has told it")
		milo1.deaf = false
		p.pass(30 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is asked for when more was lost than can be sent again", func() {
		p := waiting(100 * time.Millisecond)
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo2.deaf = true
		p.pass(60 * time.Second) // which is less than deadtime
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}), "it has waited for its peer")
		milo1.write(7)
		milo2.deaf = false
		p.pass(30 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is asked for when the peer can't send it again, as it has said too much since", func() {
		p := waiting(5 * time.Second)
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo2.deaf = true
		p.pass(60 * time.Second)
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}), "it has waited for its peer")
		milo1.write(7)
		p.pass(time.Second)
		milo2.deaf = false
		for range 600 {
			milo1.step(machine.Input{Part: machine.Liveness, Liveness: liveness.Input{
				Kind: liveness.Say, Message: hbwire.Message{hbwire.Text(hbwire.FieldType, machine.MsgShell)},
			}})
		}
		p.pass(20 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is not forgotten when both meet while this node has no disk", func() {
		p := together(func(c *machine.Config) { c.Resources[0].WFCTimeout = time.Minute })
		milo1, milo2 := p.nodes[0], p.nodes[1]
		p.breakLink()
		order(milo2, replica.OrderDetach, 9)
		p.run()
		for _, n := range p.nodes {
			n.join()
			n.step(machine.Input{Part: machine.Failover, Failover: failover.Input{
				Kind: failover.Order, Order: failover.OrderMaintenanceOn, ID: 9,
			}})
		}
		p.pass(10 * time.Second)
		order(milo1, replica.OrderPrimary, 10)
		p.run()
		milo1.write(7)
		p.pass(10 * time.Second)
		order(milo1, replica.OrderSecondary, 11)
		p.pass(10 * time.Second)
		Expect(milo1.core.Resource(0).State().Role).To(Equal(drbdwire.Secondary))
		Expect(milo1.core.Resource(0).Ahead()).To(BeTrue())
		p.mend()
		Expect(milo2.core.Resource(0).State().Conn).To(Equal(drbdwire.Connected))
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Diskless))
		milo1.dead = true
		p.breakLink()
		milo2.attach()
		p.pass(5 * time.Minute)
		ok, _ := milo2.core.MayStart(0)
		Expect(ok).To(BeFalse(), "its data are old")
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	DescribeTable("says nothing any more, if it comes late", func(before bool) {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		comes := func() {
			milo2.deaf = false
			p.pass(30 * time.Second) // it is sent again
		}
		milo2.deaf = true
		p.breakLink()
		p.mend()
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate))
		if before {
			comes()
		}
		order(milo1, replica.OrderDetach, 9)
		p.pass(5 * time.Second)
		Expect(milo1.core.Resource(0).State().Disk).To(Equal(drbdwire.Diskless))
		if !before {
			comes()
		}
		milo1.dead = true
		p.breakLink()
		p.pass(100 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate), "nobody else has data")
		Expect(milo2.running).To(Equal(map[int]bool{1: true, 2: true}))
	}, Entry("when both have met", true), Entry("when this node alone has gone on since they have met", false))

	// records changes the generations on a node's disk.
	records := func(n *node, change func(u *drbdmeta.UUIDs)) {
		GinkgoHelper()
		l, err := drbdmeta.Internal(sectors, 1, 8)
		Expect(err).NotTo(HaveOccurred())
		super, err := drbdmeta.DecodeSuperblock(n.disk[l.Superblock : l.Superblock+4096])
		Expect(err).NotTo(HaveOccurred())
		change(&super.UUIDs)
		copy(n.disk[l.Superblock:], super.Append(nil))
	}

	It("counts for the source of a resync that has crashed before it had the end of that on record", func() {
		p := newPair()
		milo2 := p.nodes[1]
		p.goesOnAlone()
		records(milo2, func(u *drbdmeta.UUIDs) {
			Expect(u.Bitmap).To(BeZero())
			u.Bitmap = 0x9000
		})
		milo2.comesBack()
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("counts for a node with changes of its own, of which the peer knows that nobody was told of anything in them", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		p.goesOnAlone()
		milo1.dead = true
		p.cut = true
		records(milo1, func(u *drbdmeta.UUIDs) { u.History0, u.Bitmap = u.Bitmap, 0xB000 })
		records(milo2, func(u *drbdmeta.UUIDs) { u.Bitmap = 0x9000 })
		milo1.comesBack()
		milo2.comesBack()
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})
})

var _ = Describe("A report of what the peer holds", func() {
	It("is asked for when more was lost than can be sent again", func() {
		p := makePair(func(c *machine.Config) { c.Liveness.Keepalive = 100 * time.Millisecond })
		milo1, milo2 := p.nodes[0], p.nodes[1]
		milo1.hangs = 2
		p.begin()
		Expect(milo1.ends).NotTo(BeNil(), "the guest is being started")
		milo2.deaf = true
		milo1.ends()
		p.pass(60 * time.Second) // which is less than deadtime
		Expect(milo1.core.Status().Failover.Settled).To(BeTrue())
		milo2.deaf = false
		p.pass(10 * time.Minute)
		milo2.step(machine.Input{Part: machine.Failover, Failover: failover.Input{
			Kind: failover.Order, Order: failover.OrderTakeover, Set: failover.All, ID: 9,
		}})
		p.pass(30 * time.Second)
		Expect(milo2.running).To(Equal(map[int]bool{1: true, 2: true}), "else no order moves a group any more")
	})
})
