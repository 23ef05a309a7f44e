package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// With on-io-error pass_on a disk is kept that failed a write in a resync. The block
// may be on its way meanwhile, or compared.
var _ = Describe("A write that fails in a resync on one of two disks that are kept", func() {
	withPassOn := func(c *replica.Config) { c.PassOn = true }
	var p *pair

	// writeFails is a write that the source's disk fails.
	writeFails := func() {
		p.a.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.run()
		p.a.badData = false
	}

	// failsAtTheSource is one in a resync of all, of which the target has written nothing yet.
	failsAtTheSource := func() {
		GinkgoHelper()
		p = synced(withPassOn, withFencing(replica.ResourceAndStonith))
		p.b.hold[replica.Write] = true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		writeFails()
	}

	It("has the target copied anew, where the source's disk failed and the target's is slower than the resync", func() {
		p = synced(withPassOn)
		p.part()
		p.a.mustWrite(1, 8, 'b')
		p.b.hold[replica.Write] = true
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		writeFails()
		p.b.doesWhatItHolds() // what the block was before; the write is behind that
		p.wait()
		p.b.release()
		p.wait()
		p.wait()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.b.disk[8*512]).To(Equal(p.a.disk[8*512]))
		Expect(p.a.done[2].Failed).To(BeTrue(), "the source's disk has not got it")
		expectSynced(p)
	})

	It("gives its extent of the activity log back when the connection breaks, and it waits for a good copy", func() {
		p = synced(withPassOn, func(c *replica.Config) { c.SuspendIONoData, c.ALExtents = true, 1 })
		p.part()
		p.a.mustWrite(1, 8, 'b')
		p.b.hold[replica.Write] = true
		p.join()
		writeFails()
		p.part()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		p.a.mustWrite(3, 8192, 'y') // to another extent, and there is room for one
	})

	// equal is a resync that compares one block, which is equal on both disks.
	equal := func() {
		p = synced(withPassOn, withCsums)
		p.a.mustWrite(1, 800, 's')
		p.part()
		p.a.mustWrite(2, 800, 's')
	}

	// packetOf begins that resync, and keeps back what a node says of the block.
	packetOf := func(e *end) func() {
		GinkgoHelper()
		e.hold[replica.Digest] = true
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		e.hold = map[replica.EffectKind]bool{replica.Send: true}
		e.doesWhatItHolds()
		Expect(e.held).To(HaveLen(1))
		late := e.held[0]
		e.held, e.hold = nil, map[replica.EffectKind]bool{}
		return late
	}

	It("is fetched by the target, though the block was equal before that failed", func() {
		equal()
		late := packetOf(p.a) // that it is equal, on the meta socket
		p.b.badData = true
		p.a.mustWrite(3, 800, 'x')
		p.b.badData = false
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdState // the end of the resync does not arrive
		}
		late()
		p.run()
		p.wait()
		p.part()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.b.disk[800*512]).To(Equal(byte('x')))
	})

	It("is taken back from the target, though the block was equal before that got it", func() {
		equal()
		late := packetOf(p.b) // the checksum, on the data socket
		p.a.badData = true
		p.a.write(3, 800, 'x', 4096)
		p.run()
		p.a.badData = false
		Expect(p.a.done[3].Failed).To(BeTrue())
		late()
		p.run()
		p.wait()
		Expect(p.b.disk[800*512]).To(Equal(p.a.disk[800*512]))
		expectSynced(p)
	})

	It("does not keep the source from asking about a target that may be whole, when the connection breaks at the end", func() {
		failsAtTheSource()
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdState
		}
		p.b.release()
		p.wait()
		p.a.hold[replica.Call] = true
		p.breakLink()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.a.write(3, 64, 'z', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.a.done).NotTo(HaveKey(uint64(3)), "the peer may take over without it")
		p.a.fences(4)
		p.b.mustOrder(replica.OrderOutdate, false)
		p.a.release()
		Expect(p.a.done[3].Failed).To(BeFalse())
		p.b.tap = nil
		p.heal()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[64*512]).To(Equal(byte('z')))
	})

	It("does not keep the source from asking, either, when it is paused while the target's last ping is on its way", func() {
		failsAtTheSource()
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdPing && p.a.core.State().Conn == drbdwire.SyncSource {
				p.queue = append(p.queue, func() {
					p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderPauseSync, ID: 77})
				})
			}
			p.cut = p.cut || cmd == drbdwire.CmdState && p.b.core.State().Disk == drbdwire.UpToDate
		}
		p.b.release()
		p.wait()
		p.a.hold[replica.Call] = true
		p.breakLink()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.a.write(3, 64, 'z', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(3)), "the peer may take over without it")
	})
})
