package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// part cuts the connection, and no other comes about before join.
func (p *pair) part() {
	p.cut = true
	p.breakLink()
}

func (p *pair) join() {
	p.cut = false
	p.meet()
	p.run()
	p.wait()
	p.wait()
	p.wait()
}

// loseDisk makes the next write find out that the disk is bad.
func (e *end) loseDisk(id uint64) {
	GinkgoHelper()
	e.bad = true
	e.write(id, 800, 'l', 4096)
	e.pair.run()
	Expect(e.core.State().Disk).To(Equal(drbdwire.Diskless))
}

// attachesAsSecondary lets the first node step down and take its disk back, which is old: users' 'x' comes from the peer.
func (p *pair) attachesAsSecondary() {
	GinkgoHelper()
	p.a.mustOrder(replica.OrderSecondary, false)
	p.a.mustOrder(replica.OrderAttach, false)
	p.join()
	Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
	Expect(p.a.disk[4096]).To(Equal(byte('x')))
}

// servesAlone makes a node Primary without its peer, and Secondary again after a write.
func (e *end) servesAlone() {
	GinkgoHelper()
	e.mustOrder(replica.OrderPrimary, false)
	e.write(900, 16, 'z', 4096)
	e.pair.run()
	Expect(e.done[900].Failed).To(BeFalse())
	e.mustOrder(replica.OrderSecondary, false)
}

var _ = Describe("A Primary whose disk has failed", func() {
	It("goes on over the peer's copy, also after a broken connection", func() {
		p := synced()
		p.a.loseDisk(1)
		Expect(p.a.done[1].Failed).To(BeFalse())
		p.part()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		p.a.mustWrite(2, 8, 'x')
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("is told of a write that was under way when the peer has on record that it alone has it", func() {
		p := synced()
		p.a.write(0, 16, 'w', 4096) // its extent is in the activity log from now on
		p.run()
		p.a.hold[replica.Write], p.b.hold[replica.MetaWrite] = true, true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.bad = true
		p.a.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))
		p.b.release()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	DescribeTable("is told of no write before its peer has a generation of its own on record", func(suspend bool) {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.write(0, 8, 'w', 4096) // its extent is in the peer's activity log from now on
		p.run()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		p.a.mustOrder(replica.OrderPrimary, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		if suspend {
			p.b.mustOrder(replica.OrderSuspendIO, false)
		}
		p.b.hold[replica.MetaWrite] = true
		p.a.loseDisk(1)
		p.a.write(2, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(2)), "after a crash of both nodes the disk that failed would count as the newest")
		p.b.release()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
	}, Entry("at once", false), Entry("while the peer's own I/O is suspended", true))

	DescribeTable("leaves marks on its peer's disk, that a crash there does not undo once its log counts no more", func(ends func(p *pair)) {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.mustWrite(1, 8, 'x')
		ends(p)
		Expect(p.b.super().Flags&drbdmeta.MDPrimaryInd).To(BeZero(), "else its activity log would say so")
		p.b.crash()
		p.b.up()
		marked, known := p.b.core.OutOfSync(8, 4096)
		Expect([]bool{marked, known}).To(Equal([]bool{true, true}))
	},
		Entry("it steps down", func(p *pair) { p.a.mustOrder(replica.OrderSecondary, false) }),
		Entry("it is gone", func(p *pair) { p.part(); p.run() }),
	)

	It("leaves a mark for what its peer had only received, whenever that crashes", func() {
		const all = 9 // more than there are
		for writes := range all {
			p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
			p.a.mustOrder(replica.OrderDetach, false)
			p.a.write(1, 8, 'w', 4096)
			p.run()
			p.b.hold[replica.MetaWrite] = true // the write waits for the activity log
			p.a.mustWrite(2, 8192, 'x')
			Expect(p.b.disk[8192*512]).NotTo(Equal(byte('x')))
			p.part()
			if writes > 0 {
				p.b.writes = writes
				p.b.release()
			}
			written := p.b.disk[8192*512] == 'x'
			Expect(written || writes < all-1).To(BeTrue(), "what was acknowledged is written in the end")
			p.b.crash()
			p.b.up()
			marked, _ := p.b.core.OutOfSync(8192, 4096)
			Expect(marked || !written).To(BeTrue(), "the Primary's disk lacks it, and %d writes of metadata were done", writes)
		}
	})

	It("sends what that disk alone had to a copy that a resync has made whole meanwhile", func() {
		p := synced()
		p.a.hold[replica.Write] = true
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		write := p.a.held[0]
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{replica.MetaWrite: true}
		p.join()
		write()
		p.run()
		for p.a.core.State().PeerDisk != drbdwire.UpToDate {
			Expect(p.a.held).NotTo(BeEmpty(), p.a.status())
			meta := p.a.held[0]
			p.a.held = p.a.held[1:]
			meta()
			p.run()
		}
		Expect(p.a.done).To(BeEmpty(), "the superblock is being written, which would tell that the peer lacked it")
		p.a.bad = true
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
	})

	It("does not acknowledge what that disk alone had", func() {
		p := synced()
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty(), "written here, and on its way there")
		p.a.loseDisk(2)
		p.part()
		Expect(p.a.done[1].Failed).To(BeTrue())
	})

	It("parts from a copy that lacks what it wrote alone", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.loseDisk(2)
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.a.core.Status().Note).To(ContainSubstring("can only connect to data with current UUID"))
	})

	It("parts from a peer that was promoted meanwhile and made its first own generation", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true // the generation of a Primary alone never gets there
		p.part()
		p.a.write(1, 8, 'w', 4096)
		p.a.bad = true
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.b.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.a.core.Status().Note).To(ContainSubstring("can only connect to data with current UUID"))
	})

	DescribeTable("parts from a peer whose disk it used and that was promoted meanwhile", func(between func(p *pair)) {
		p := synced()
		p.a.loseDisk(1)
		p.a.mustWrite(2, 8, 'x')
		p.part()
		between(p)
		p.b.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.a.core.Status().Note).To(ContainSubstring("can only connect to data with current UUID"))

		By("the old disk is brought up to date by what is marked, no more")
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	},
		Entry("at once", func(*pair) {}),
		Entry("after it was started again", func(p *pair) {
			p.b.crash()
			p.b.comesUp(func(c *replica.Config) { c.WFCTimeout = time.Second })
			p.wait()
			p.wait()
			Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
		}),
	)

	It("parts from a copy that lacks what it wrote alone as the source of a resync", func() {
		p := synced()
		p.b.hold[replica.MetaWrite] = true // the target never begins
		p.b.order(replica.OrderInvalidate, false)
		p.part()
		p.b.crash()
		p.a.mustWrite(1, 8, 'x')
		p.a.loseDisk(2)
		p.b.up()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone))
		Expect(p.a.core.Status().Note).To(ContainSubstring("can only connect to data with current UUID"))
	})

	It("goes on with a copy that was to be overwritten by order, and has all that users wrote", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true // the source never begins
		p.b.order(replica.OrderInvalidate, false)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary StartingSyncS UpToDate/Consistent"))
		p.a.bad = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 1, Sector: 8, Size: 4096})
		p.a.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
	})

	It("attaches only the data that it has served", func() {
		p := synced()
		p.a.loseDisk(1)
		p.a.bad = false
		p.part()
		answer := p.a.order(replica.OrderAttach, false)
		Expect(answer.Text).To(ContainSubstring("can only attach to data with current UUID"))
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
	})

	It("does not take its disk back after writes to an Outdated peer that it found again", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true // the generation of a Primary alone never gets there
		p.part()
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.bad = true
		p.a.write(1, 8, 'w', 4096)
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.a.bad = false
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		p.a.mustWrite(2, 8, 'x')
		p.part()
		Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("can only attach"))
		p.attachesAsSecondary()
	})

	It("has its disk again when nothing was written since", func() {
		p := synced()
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.loseDisk(2)
		Expect(p.a.done[2].Failed).To(BeTrue(), "there is no other copy")
		p.a.bad = false
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))
		p.a.mustWrite(3, 8, 'y')
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
	})

	It("has its disk again in the size that its users have seen, though the disk was lost before it said so", func() {
		p := synced()
		p.b.crash()
		p.b.enlarge(8 * mib)
		p.b.up()
		p.wait()
		p.part()
		p.a.enlarge(8 * mib)
		Expect(p.a.resize().Code).To(Equal(drbdwire.NeedConnection))
		p.a.hold[replica.MetaWrite] = true
		p.join()
		p.a.bad = true
		p.a.release()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		p.part()
		p.a.bad = false
		p.a.write(1, of40-8, 'x', 4096)
		Expect(p.a.done[1].Failed).To(BeTrue(), "there is no other copy")
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustWrite(2, of40-8, 'y')
		Expect(p.a.super().Size).To(BeEquivalentTo(of40))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(HaveLen(of40 * 512))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("begins a generation when it has its disk again and goes on alone, for the peer has begun one", func() {
		p := synced()
		p.b.hold[replica.MetaWrite] = true // it tells nobody of a generation that it has not on record
		p.a.mustOrder(replica.OrderDetach, false)
		p.part()
		p.b.release()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustWrite(1, 8, 'x')
		p.a.crash()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.disk[4096]).To(Equal(byte('x')), "the peer's generation has nothing that this node lacks")
	})

	DescribeTable("reports a flush done over the peer's copy", func(protocol drbdwire.WireProtocol) {
		p := synced(func(c *replica.Config) { c.Protocol = protocol })
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.bad = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpFlush, ID: 2})
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
		p.a.mustWrite(3, 8, 'y')
	}, Entry("A", drbdwire.ProtocolA), Entry("B", drbdwire.ProtocolB), Entry("C", drbdwire.ProtocolC))
})

var _ = Describe("A Secondary", func() {
	It("whose data is old stays Outdated beside a peer without a disk", func() {
		p := synced()
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.crash()
		p.a.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected Outdated/Diskless"))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(BeNumerically("<", drbdwire.Success))
	})

	It("that is stopped under a Primary without a disk has the only copy, and that is not old", func() {
		p := synced()
		p.a.loseDisk(1)
		p.b.mustOrder(replica.OrderShutdown, false)
		p.b.crash()
		p.b.mustOrder(replica.OrderAttach, false)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Consistent))
		p.b.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	// letsGo is a pair whose first node has gone on alone, and has no disk any more
	// when both meet.
	letsGo := func(lose func(e *end)) *pair {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		lose(p.a)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
		return p
	}
	ordered := func(e *end) { e.mustOrder(replica.OrderDetach, false) }

	DescribeTable("that has let go of newer data than its peer's lets nobody go on with that", func(lose func(e *end)) {
		p := letsGo(lose)
		answer := p.b.order(replica.OrderPrimary, false)
		Expect(answer.Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(answer.Text).To(ContainSubstring("newer data"))
		answer = p.a.order(replica.OrderPrimary, false)
		Expect(answer.Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(answer.Text).To(ContainSubstring("newer data"))
		p.a.mustOrder(replica.OrderAttach, false)
		p.join()
		p.b.mustOrder(replica.OrderPrimary, false)
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	},
		Entry("by order", ordered),
		Entry("by order after a restart", func(e *end) {
			e.mustOrder(replica.OrderShutdown, false)
			e.crash()
			e.up()
			ordered(e)
		}),
	)

	It("that has let go of newer data obeys who forces the peer's", func() {
		p := letsGo(ordered)
		p.b.mustOrder(replica.OrderPrimary, true)
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.b.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
	})

	It("that has let go of newer data obeys who forces it", func() {
		p := letsGo(ordered)
		p.a.mustOrder(replica.OrderPrimary, true)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("whose disk fails during the attach says so", func() {
		p := synced()
		p.b.crash()
		p.b.hold[replica.MetaWrite] = true
		p.b.order(replica.OrderAttach, false)
		p.b.bad = true
		p.b.release()
		Expect(orderID).NotTo(BeZero())
		Expect(p.b.answers[orderID].Code).To(Equal(drbdwire.IsDiskless))
	})

	It("that acknowledged a write in memory and can't write it has it marked", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		p.b.bad = true
		p.b.release()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.core.Status().OutOfSync).To(BeNumerically(">=", 4))
	})

	It("that is far behind in protocol A makes writes wait, and none fails", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.b.hold[replica.Write] = true
		for id := range uint64(4100) {
			p.a.write(id, 8*id, 'x', 4096)
			p.run()
		}
		Expect(p.a.done).To(HaveLen(4096))
		p.part()
		Expect(p.a.done).To(HaveLen(4100))
		for _, answer := range p.a.done {
			Expect(answer.Failed).To(BeFalse())
		}
	})
})
