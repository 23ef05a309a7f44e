package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("The source of a resync whose target is lost at the end", func() {
	// through is a pair whose second node has had all that it lacked. Its next packet of
	// that kind, which is on the way to the end of the resync, does not arrive.
	through := func(lost drbdwire.Command, sender func(*pair) *end, before func(*pair), change ...func(*replica.Config)) *pair {
		p := synced(change...)
		p.a.fences(4)
		p.part()
		p.a.mustWrite(1, 8, 'x')
		before(p)
		from := sender(p)
		from.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == lost && p.a.core.State().Conn == drbdwire.SyncSource && p.a.core.Status().OutOfSync == 0 {
				p.cut = true
			}
		}
		p.heal()
		Expect(p.cut).To(BeTrue())
		from.tap = nil
		p.part()
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		return p
	}
	nothing := func(*pair) {}
	target := func(p *pair) *end { return p.b }
	source := func(p *pair) *end { return p.a }
	whole := func(p *pair) {
		GinkgoHelper()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
		Expect(p.a.core.State().PeerDisk).To(Equal(drbdwire.DUnknown))
	}

	It("notices that both have gone on alone", func() {
		p := through(drbdwire.CmdState, target, nothing)
		whole(p)
		p.a.mustWrite(2, 8, 'y')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), p.a.status())
		Expect(p.a.disk[4096]).To(Equal(byte('y')))
	})

	It("notices it also when they were promoted later", func() {
		p := through(drbdwire.CmdState, target, func(p *pair) { p.a.mustOrder(replica.OrderSecondary, false) })
		whole(p)
		p.a.servesAlone()
		p.b.servesAlone()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), p.a.status())
	})

	It("lets users wait where a lost peer is fenced first", func() {
		// The handler does not answer.
		p := through(drbdwire.CmdState, target, func(p *pair) { p.a.hold[replica.Call] = true }, withFencing(replica.ResourceAndStonith))
		whole(p)
		p.a.write(2, 16, 'y', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(2)))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("goes on in a generation of its own also when the target's disk fails in that moment", func() {
		p := synced()
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		shared := p.a.super().UUIDs.Current
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.b.bad = p.b.bad || cmd == drbdwire.CmdPingAck && p.a.core.State().Conn == drbdwire.SyncSource
		}
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.super().UUIDs.Current).NotTo(Equal(shared))
		Expect(p.a.super().UUIDs.Bitmap).To(Equal(shared))
	})

	It("sends what came after that, and no more", func() {
		p := through(drbdwire.CmdState, target, nothing)
		whole(p)
		p.a.write(2, 16, 'y', 4096)
		p.run()
		sent := p.a.core.Status().Stats.Sent
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().Stats.Sent - sent).To(BeNumerically("<=", 4096))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("has all the target's acks before that is through, though an earlier ping is answered", func() {
		p := synced()
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.hold[replica.Read] = true
		p.heal()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.hold[replica.Send] = true
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 90}) // pings
		p.run()
		held := p.a.held
		Expect(len(held)).To(BeNumerically(">=", 2), "the block, and the answer to the ping")
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{}

		By("the block comes before the answer, and what the target sends then gets lost")
		p.b.hold[replica.Send] = true
		for _, f := range held {
			f()
			p.run()
		}
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.core.Status().OutOfSync).NotTo(BeZero())
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Inconsistent))
		p.part()
		p.b.held, p.b.hold = nil, map[replica.EffectKind]bool{}
		p.wait()
		Expect(p.b.core.State().Role).To(Equal(drbdwire.Secondary))
		p.a.mustWrite(2, 8, 'y')
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
	})

	It("copies everything to a target that was not through", func() {
		p := through(drbdwire.CmdPingAck, source, nothing)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Inconsistent))
		p.a.write(2, 16, 'y', 4096)
		p.run()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("finds a target that was not through again after a start that did not reach it, and a crash", func() {
		p := through(drbdwire.CmdPingAck, source, nothing)
		p.a.mustWrite(2, 16, 'y')
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) { p.cut = p.cut || cmd == drbdwire.CmdSyncUUID }
		p.heal()
		Expect(p.cut).To(BeTrue())
		p.a.tap = nil
		p.part()
		p.a.crash()
		p.a.comesUp(func(c *replica.Config) { c.WFCTimeout = time.Second })
		p.wait()
		p.a.mustOrder(replica.OrderPrimary, false)
		p.a.mustWrite(3, 24, 'z')
		p.join()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"), p.a.core.Status().Note)
		Expect(p.a.data()).To(Equal(p.b.data()))
	})
})
