package replica_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// waitsASecond is the start-up wait of a node.
func waitsASecond(c *replica.Config) { c.WFCTimeout = time.Second }

// isOld expects that the copy of a node is no good without its peer, however long that is away.
func (e *end) isOld() {
	GinkgoHelper()
	e.pair.pass(3 * time.Second)
	Expect(e.core.State().Disk).To(BeNumerically("<=", drbdwire.Outdated))
	Expect(e.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
}

// loses lets a disk fail a write of users' data, once.
func (p *pair) loses(e *end) {
	GinkgoHelper()
	e.badData = true
	p.a.mustWrite(1, 8, 'x')
	Expect(e.core.State().Disk).To(Equal(drbdwire.Diskless))
	e.badData = false
	p.a.mustWrite(2, 16, 'y')
}

var _ = Describe("A disk that was let go, and is old", func() {
	for writes := range 2 {
		DescribeTable(fmt.Sprintf("is still known to be when its attach has failed after %d writes", writes), func(primary bool) {
			p := synced(waitsASecond)
			e := p.b
			if primary {
				e = p.a
			}
			p.loses(e)
			if primary {
				e.mustOrder(replica.OrderSecondary, false)
			}
			p.part()
			e.goodWrites, e.badWrites = writes, 1
			Expect(e.order(replica.OrderAttach, false).Code).To(Equal(drbdwire.IsDiskless))
			Expect(e.badWrites).To(BeZero())
			e.mustOrder(replica.OrderAttach, false)
			e.isOld()
		}, Entry("on the node that was Primary", true), Entry("on the other", false))
	}

	It("is known to be when the nodes parted in order while the order to detach it was written down", func() {
		p := synced(waitsASecond)
		p.b.hold[replica.MetaWrite] = true
		p.b.order(replica.OrderDetach, false)
		Expect(p.b.held).NotTo(BeEmpty())
		p.a.mustOrder(replica.OrderDisconnect, false)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
		p.a.mustWrite(1, 8, 'x')
		p.b.release()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.b.mustOrder(replica.OrderAttach, false)
		p.b.isOld()
	})

	DescribeTable("is known to be when it failed while it was about to become the target of a resync", func(writes int) {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.crash()
		p.b.comesUp(func(c *replica.Config) { c.WFCTimeout = 5 * time.Second })
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Consistent))
		p.b.goodWrites, p.b.badWrites = writes, 1
		p.heal()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.part()
		p.b.mustOrder(replica.OrderAttach, false)
		p.pass(6 * time.Second)
		p.b.isOld()
	}, Entry("at once", 0), Entry("a moment later", 1))

	It("is told so when it failed while an order to invalidate was written down, which fails then", func() {
		p := synced()
		p.part()
		p.b.mustOrder(replica.OrderDisconnect, false)
		p.b.badWrites = 1
		Expect(p.b.order(replica.OrderInvalidate, false).Code).To(Equal(drbdwire.IsDiskless))
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.b.crash()
		p.b.comesUp(waitsASecond)
		p.b.isOld()
	})

	It("is told so when it failed while users waited for the peer to be fenced, and that is back", func() {
		p := synced(func(c *replica.Config) { c.Fencing = replica.ResourceAndStonith })
		p.a.badWrites = 1
		p.part()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(1, 8, 'x')
		p.part()
		p.a.crash()
		p.a.comesUp(waitsASecond)
		p.a.isOld()
	})
})

var _ = Describe("A disk that was let go, and has the newest data", func() {
	It("is still known to have them when its attach has failed", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.mustOrder(replica.OrderDetach, false)
		Expect(p.a.core.LostOnlyCopy()).To(BeTrue())
		p.a.hold[replica.MetaRead] = true
		p.a.order(replica.OrderAttach, false)
		p.a.doesWhatItHolds() // the superblock
		p.a.bad = true
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.a.bad = false
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
	})

	It("is as good as before when it failed while an order to detach it was written down, and nobody was Primary since", func() {
		p := synced(waitsASecond)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.badWrites = 1
		Expect(p.b.order(replica.OrderDetach, false).Code).To(Equal(drbdwire.InTransientState))
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.part()
		p.a.crash()
		p.b.mustOrder(replica.OrderAttach, false)
		p.pass(3 * time.Second)
		p.b.mustOrder(replica.OrderPrimary, false)
	})

	It("is not old when it was the only one of a Primary without a disk, and that has died", func() {
		p := synced(waitsASecond)
		p.loses(p.a)
		p.b.badData = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 8, Size: 4096})
		p.run()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Diskless/Diskless"))
		Expect(p.b.core.LostOnlyCopy()).To(BeTrue())
		p.b.badData = false
		p.part()
		p.a.crash()
		p.b.mustOrder(replica.OrderAttach, false)
		p.pass(3 * time.Second)
		p.b.mustOrder(replica.OrderPrimary, false)
	})

	DescribeTable("has them no more when the target of its resync has had everything", func(primary bool) {
		p := synced()
		p.part()
		p.a.mustWrite(1, 64, 'w')
		if !primary {
			p.a.mustOrder(replica.OrderSecondary, false)
		}
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.a.hold[replica.MetaWrite] = p.a.hold[replica.MetaWrite] || cmd == drbdwire.CmdSyncUUID
		}
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd != drbdwire.CmdRSWriteAck {
				return
			}
			p.b.tap = nil
			p.queue = append(p.queue, func() { // before that arrives
				p.a.bad = true
				p.a.held[0]()
				fails := p.queue[len(p.queue)-1]
				p.queue = p.queue[:len(p.queue)-1]
				fails()
			})
		}
		p.heal()
		p.a.tap = nil
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.wait()
		Expect(p.a.core.State().PeerDisk).To(Equal(drbdwire.UpToDate))
		if !primary {
			p.b.mustOrder(replica.OrderPrimary, false)
			return
		}
		p.a.mustWrite(2, 8, 'x')
		p.part()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(3, 8, 'y')
	}, Entry("and its node is Primary", true), Entry("and its node is Secondary", false))
})
