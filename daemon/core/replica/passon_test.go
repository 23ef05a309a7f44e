package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A disk with errors and on-io-error pass_on", func() {
	var p *pair
	BeforeEach(func() {
		p = synced(func(c *replica.Config) { c.PassOn = true })
		p.a.write(1, 8, 'a', 4096) // its extent is in the activity log from now on
		p.run()
	})

	It("of a Secondary is kept, and its copy counts as Inconsistent", func() {
		p.b.badData = true
		p.a.mustWrite(2, 8, 'x')
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Inconsistent/UpToDate"))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Inconsistent"))
		p.b.badData = false
		p.a.write(3, 16, 'y', 4096)
		p.run()
		Expect(p.a.core.Status().OutOfSync).To(Equal(uint64(8)))
		p.breakLink()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("of a Secondary is kept for a Primary without a disk also when it comes after the connection has ended", func() {
		p.a.mustOrder(replica.OrderDetach, false)
		p.b.hold[replica.Write], p.b.hold[replica.Read] = true, true
		p.a.write(2, 8, 'x', 4096)
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 64, Size: 4096})
		p.run()
		p.part()
		p.b.badData = true
		p.b.release()
		p.b.badData = false
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
	})

	DescribeTable("of a Secondary is kept for a Primary without a disk also with what that had not logged here",
		func(lose func()) {
			p = synced(func(c *replica.Config) { c.PassOn, c.Protocol = true, drbdwire.ProtocolB })
			lose()
			Expect(p.a.done).To(HaveKey(uint64(2)), "the peer has received it")
			p.part()
			p.b.badData = true
			p.b.release()
			p.b.badData = false
			p.join()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
			Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		},
		Entry("and had not begun", func() {
			p.a.mustOrder(replica.OrderDetach, false)
			p.a.write(1, 8, 'w', 4096)
			p.run()
			p.b.hold[replica.MetaWrite] = true // the write waits for the activity log
			p.a.mustWrite(2, 8192, 'x')
		}),
		Entry("and had begun when that had a disk", func() {
			p.b.hold[replica.Write] = true
			p.a.mustWrite(2, 8, 'x')
			p.a.loseDisk(3)
		}),
	)

	It("of a Primary is let go while the peer has a good copy", func() {
		p.a.badData = true
		p.a.mustWrite(2, 8, 'x')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("of a Primary alone is kept: its users get the error, and all that is good", func() {
		p.breakLinkForGood()
		p.a.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 64, Size: 4096})
		p.run()
		Expect(p.a.done[2].Failed && p.a.done[3].Failed).To(BeTrue())
		p.a.badData = false
		p.a.mustWrite(4, 16, 'y')
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		p.heal()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.payloads).To(BeEmpty())
	})

	// waits is a Primary that has lost its peer, and waits for it or for its end.
	waits := func() {
		p = synced(withFencing(replica.ResourceAndStonith), func(c *replica.Config) { c.PassOn = true })
		p.a.fences(6)
		p.a.write(1, 8, 'a', 4096)
		p.run()
	}
	// fails lets the disk below of the Primary fail what it was asked.
	fails := func() {
		p.a.badData = true
		p.a.release()
		p.a.badData = false
	}

	It("of a Primary is let go when the peer comes back, and has lost nothing: users go on with its copy", func() {
		waits()
		p.cut = true
		p.a.hold[replica.Write] = true
		p.a.write(2, 8, 'x', 4096)
		p.breakLink()
		fails()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.done).NotTo(HaveKey(uint64(2)))
		p.heal()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.b.disk[4096]).To(Equal(byte('x')))

		By("it is attached again, and gets what it lacks")
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("of a Primary is let go then also for a block that could not be read", func() {
		waits()
		p.a.hold[replica.Read] = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 2, Sector: 8, Size: 4096})
		p.breakLinkForGood()
		fails()
		p.heal()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
	})

	It("of a Primary that has given up its peer is an error for users also of a write that the peer has", func() {
		for _, exit := range []int{0, 4} {
			if exit != 0 {
				waits()
			}
			p.a.hold[replica.Write] = true
			p.a.write(2, 8, 'x', 4096)
			p.run()
			Expect(p.b.disk[4096]).To(Equal(byte('x')))
			p.a.fences(exit)
			p.breakLinkForGood()
			fails()
			p.wait()
			Expect(p.a.done).To(HaveKey(uint64(2)))
			Expect(p.a.done[2].Failed).To(BeTrue(), "the peer will be overwritten")
			p.heal()
			p.wait()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
			Expect(p.b.data()).To(Equal(p.a.data()))
		}
	})

	It("of the source of a resync is let go also when that was broken off: it is the only whole copy", func() {
		p.part()
		p.a.write(2, 64, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.hold[replica.Read] = true
		p.heal()
		Expect(p.a.status()).To(Equal("Secondary/Secondary SyncSource UpToDate/Inconsistent"))
		p.part()
		fails()
		Expect(p.a.status()).To(HaveSuffix("Diskless/Inconsistent"))

		By("it is attached again, and whole")
		p.a.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("of the target of a resync leaves it without the block, until it has fetched that", func() {
		p.part()
		p.a.write(2, 64, 'x', 4096)
		p.run()
		p.a.hold[replica.Read] = true
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.b.badData = true
		p.a.mustWrite(3, 16, 'y')
		p.b.badData = false
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdState // the end of the resync does not arrive
		}
		p.a.release()
		p.part()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.b.disk[16*512]).To(Equal(byte('y')))
	})

	It("of the source of a resync is an error for users also of a write that the target had before", func() {
		p.a.hold[replica.Write] = true
		p.a.write(2, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.Read], p.b.hold[replica.Write] = true, true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		fails()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeTrue(), "the target will be overwritten")
	})

	It("of the source of a resync stays marked, though the target acknowledges what the block was before", func() {
		p.b.hold[replica.Write] = true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.run()
		p.a.badData = false
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()[8*512]).To(Equal(p.a.data()[8*512]))
	})

	It("of a Secondary is kept while a Primary without a disk uses it: its users get the error, and all that is good", func() {
		p.a.mustOrder(replica.OrderDetach, false)
		p.b.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 3, Sector: 64, Size: 4096})
		p.run()
		Expect(p.a.done[2].Failed && p.a.done[3].Failed).To(BeTrue())
		p.b.badData = false
		p.a.mustWrite(4, 16, 'y')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.b.crash()
		p.b.up()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.payloads).To(BeEmpty())
	})
})

// In protocols A and B a Secondary's disk has in its cache what only the end of
// the epoch makes stable.

var _ = Describe("A read that fails late, on a Secondary that was Primary alone since, with on-io-error pass_on", func() {
	// wasAlone is such a node, and its read for a verify, which the disk has not answered yet.
	wasAlone := func() (p *pair, answers func()) {
		change := func(c *replica.Config) { c.PassOn, c.VerifyAlg = true, "sha1" }
		p = synced(change)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.hold[replica.Read] = true
		p.a.verify(64, 128)
		p.part()
		p.a.crash()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(1, 8, 'x')
		p.b.mustOrder(replica.OrderSecondary, false)
		p.a.comesUp(change)
		reads := p.b.held
		p.b.held, p.b.hold = nil, map[replica.EffectKind]bool{}
		return p, func() {
			p.b.badData = true
			for _, read := range reads {
				read()
			}
			p.run()
			p.b.badData = false
		}
	}
	// isSource expects that the node copies to its peer what that lacks, once its disk is back.
	isSource := func(p *pair) {
		GinkgoHelper()
		p.join()
		Expect(p.b.status()).To(HavePrefix("Secondary/Secondary Connected Diskless/"))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(BeNumerically("<", drbdwire.Success))
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	}

	It("does not let the peer's old copy overwrite what users have written there", func() {
		p, answers := wasAlone()
		answers()
		isSource(p)
	})

	It("does not leave both nodes waiting for the other's bitmap when it comes in the handshake", func() {
		p, answers := wasAlone()
		p.a.hold[replica.Send] = true
		p.cut = false
		p.meet()
		p.run()
		for i := 0; i < 20 && p.b.core.State().Conn != drbdwire.WFReportParams; i++ {
			sends := p.a.held
			p.a.held = nil
			sends[0]()
			p.a.held = append(sends[1:], p.a.held...)
			p.run()
		}
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFReportParams UpToDate/DUnknown"))
		answers()
		p.a.release()
		isSource(p)
	})

	It("does not let an old disk of the peer, which has none in use, overwrite it", func() {
		p := synced(func(c *replica.Config) { c.PassOn, c.VerifyAlg = true, "sha1" })
		p.b.hold[replica.Read] = true
		p.a.verify(64, 128)
		p.a.loseDisk(1)
		p.a.bad = false
		p.a.mustWrite(2, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.badData = true
		p.b.release()
		p.b.badData = false
		p.a.mustOrder(replica.OrderAttach, false)
		p.join()
		isSource(p)
	})
})
