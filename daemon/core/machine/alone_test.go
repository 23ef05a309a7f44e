package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("When the connection to the Primary breaks, the other node", func() {
	var (
		p            *pair
		milo1, milo2 *node
	)
	BeforeEach(func() {
		p = newPair()
		milo1, milo2 = p.nodes[0], p.nodes[1]
		Expect(milo1.running).To(Equal(map[int]bool{1: true, 2: true}), "the volume group and the guest")
		Expect(milo2.core.Resource(0).State().PeerDisk).To(Equal(drbdwire.UpToDate))
		ok, why := milo2.core.MayStart(0)
		Expect(ok).To(BeTrue(), why)
	})

	It("may not use its data while it does not know whether the Primary went on", func() {
		milo1.dead = true // and nobody knows yet
		p.breakLink()
		ok, why := milo2.core.MayStart(0)
		Expect(ok).To(BeFalse())
		Expect(why).To(ContainSubstring("the peer may have gone on alone"))
		p.pass(60 * time.Second)
		ok, _ = milo2.core.MayStart(0)
		Expect(ok).To(BeFalse())
		Expect(milo2.running).To(BeEmpty())
	})

	It("may once the Primary is dead, whose last heartbeat came before", func() {
		milo1.dead = true
		p.breakLink()
		p.pass(100 * time.Second)
		Expect(milo2.core.Resource(0).State().Role).To(Equal(drbdwire.Primary))
		Expect(milo2.running).To(Equal(map[int]bool{1: true, 2: true}))
	})

	It("may not when the Primary is heard on, not even after its death", func() {
		p.breakLink()
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
		milo1.dead = true
		p.pass(100 * time.Second)
		Expect(milo2.core.Resource(0).State().Role).To(Equal(drbdwire.Secondary))
		Expect(milo2.running).To(BeEmpty())
	})

	It("does not forget that the Primary went on while it had no disk", func() {
		milo2.replica(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 2})
		p.breakLink()
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Diskless))
		milo2.attach()
		p.pass(time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("tells a disk that failed before it is known that the Primary went on", func() {
		milo2.badMeta = 1
		p.cut = true
		milo2.replica(replica.Input{Kind: replica.LinkDown, Conn: milo2.conn}) // it is the first to notice
		p.run()
		p.breakLink()
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Diskless))
		p.pass(10 * time.Second)
		milo1.dead, milo2.dead = true, true
		p.pass(time.Second)
		milo2.restart()
		milo2.attach()
		p.pass(time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("asks when it has started, marks its copy as old, and is brought up meanwhile", func() {
		p.goesOnAlone()
		milo2.restart()
		milo2.follows = 9
		milo2.join()
		p.pass(10 * time.Second) // it has its answer before its disk
		milo2.attach()
		p.pass(10 * time.Second)
		Expect(milo2.answers[9].Code).To(Equal(drbdwire.Success), milo2.answers[9].Text)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
		Expect(milo2.core.Resource(0).State().Conn).To(Equal(drbdwire.WFConnection))
	})

	It("is told what the Primary went on with by one that has lost its disk since", func() {
		p.goesOnAlone()
		milo1.badDisk = true
		milo1.write(8)
		p.run()
		Expect(milo1.core.Resource(0).State().Disk).To(Equal(drbdwire.Diskless))
		milo2.comesBack()
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is told by one that went on alone and is no Primary any more: it may not fence that and take over", func() {
		p.goesOnAlone()
		milo1.dead = true
		p.cut = true
		for _, n := range p.nodes {
			n.comesBack()
		}
		p.pass(10 * time.Second)
		Expect(milo1.core.Resource(0).State().Role).To(Equal(drbdwire.Secondary))
		Expect(milo1.core.Resource(0).State().Disk).To(Equal(drbdwire.Consistent))
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	})

	// detaches lets milo1 let go of its disk, and the connection end when milo2 has just
	// begun a generation for that, of which milo1 does not hear.
	detaches := func() {
		milo1.step(machine.Input{Part: machine.Replica, Replica: replica.Input{
			Kind: replica.Order, Order: replica.OrderDetach, ID: 9,
		}})
		for milo2.core.Resource(0).State().PeerDisk != drbdwire.Diskless {
			p.queue[0]()
			p.queue = p.queue[1:]
		}
		p.breakLink()
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate))
		Expect(milo2.core.Resource(0).Ahead()).To(BeTrue())
		p.pass(10 * time.Second)
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate), "nobody else has data")
	}

	DescribeTable("is told what a Primary goes on with that was about to live on its copy", func(meanwhile func()) {
		detaches()
		meanwhile()
		milo1.attach()
		p.pass(10 * time.Second)
		Expect(milo1.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate))
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.Outdated))
	},
		Entry("while it looks for that", func() {}),
		Entry("when it was told to leave that", func() {
			milo2.replica(replica.Input{Kind: replica.Order, Order: replica.OrderDisconnect, ID: 11})
		}),
	)

	It("keeps what it has had from a Primary that lived on its copy, and has started since", func() {
		detaches()
		milo1.dead = true
		p.pass(time.Second)
		milo1.restart()
		milo1.attach()
		milo1.join()
		p.run()
		milo1.replica(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, Force: true, ID: 10})
		p.pass(10 * time.Second)
		Expect(milo1.core.Resource(0).State().Role).To(Equal(drbdwire.Primary))
		Expect(milo2.core.Resource(0).State().Disk).To(Equal(drbdwire.UpToDate))
	})
})
