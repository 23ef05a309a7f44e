package replica_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A write that only this node has", func() {
	It("is told of when I/O is resumed, if the peer's disk failed it while that was suspended", func() {
		p := synced()
		shared := p.a.super().UUIDs.Current
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.b.bad = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.done).To(BeEmpty(), "nothing says on record that the peer lacks it")
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.super().UUIDs.Bitmap).To(Equal(shared))
	})

	It("is told of when I/O is resumed, if the peer was lost meanwhile and is back without a disk", func() {
		p := synced()
		shared := p.a.super().UUIDs.Current
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.part()
		p.b.bad = true
		p.b.release()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.done).To(BeEmpty(), "nothing says on record that the peer lacks it")
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.super().UUIDs.Bitmap).To(Equal(shared))
	})
})

var _ = Describe("A write that the target of a resync refuses", func() {
	It("is not told while that may have become whole, and says so no more", func() {
		p := synced()
		p.part()
		p.a.mustWrite(1, 64, 'w')
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			// The end of the resync does not arrive.
			p.cut = p.cut || cmd == drbdwire.CmdState && p.b.core.State().Conn == drbdwire.Connected
		}
		p.heal()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		shared := p.b.super().UUIDs.Current
		refuse := p.refusal()
		p.a.write(2, 8, 'x', 4096)
		p.run()
		refuse()
		Expect(p.a.done).NotTo(HaveKey(uint64(2)))

		p.breakLink()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.a.super().UUIDs.Current).NotTo(Equal(shared))
	})
})

var _ = Describe("A Primary in protocol B that waits for its peer", func() {
	It("does not send it what it has written over since", func() {
		p := synced(withFencing(replica.ResourceAndStonith), func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.a.hold[replica.Call] = true
		p.b.hold[replica.Flush] = true // so that no epoch ends
		p.a.mustWrite(1, 8, 'x')
		p.a.mustWrite(2, 8, 'y')
		p.breakLinkForGood()
		Expect(p.b.disk[8*512]).To(Equal(byte('y')))
		p.cut = false
		for p.meet(); len(p.queue) > 0; {
			next := p.queue[0]
			p.queue = p.queue[1:]
			next()
			Expect(p.b.disk[8*512]).To(Equal(byte('y')), "it had acknowledged that, and may have to go on now")
		}
		p.b.release()
		Expect(p.a.done).To(HaveLen(2))
		p.a.mustOrder(replica.OrderSecondary, false) // the peer has all on its disk
		Expect(p.b.disk[8*512]).To(Equal(byte('y')))
	})
})

var _ = Describe("What protocol B has told", func() {
	inB := func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB }

	It("is sent again to a peer that has restarted, and had it in its memory", func() {
		p := synced(inB)
		p.b.hold[replica.Flush] = true
		p.a.mustWrite(1, 8, 'x')
		p.a.mustWrite(2, 64, 'y')
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.a.bad = true
		p.part()
		p.wait()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.b.crash()
		clear(p.b.disk[8*512 : 9*512])
		p.b.comesUp(inB)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
		Expect(p.b.disk[64*512]).To(Equal(byte('y')))
	})

	It("is sent again to a peer that has restarted, and says that its copy is old", func() {
		fenced := func(c *replica.Config) {
			inB(c)
			withFencing(replica.ResourceAndStonith)(c)
		}
		p := synced(fenced)
		p.b.hold[replica.Flush] = true
		p.a.mustWrite(1, 8, 'x')
		p.a.mustWrite(2, 64, 'y')
		p.part()
		p.b.mustOrder(replica.OrderOutdate, true)
		p.b.crash()
		clear(p.b.disk[8*512 : 9*512])
		p.b.comesUp(fenced)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
		p.join()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("is on the peer's disk, if that is the only one, and the user wants it to be on a disk", func() {
		p := synced(inB)
		p.a.loseDisk(1)
		p.b.hold[replica.Write] = true
		p.a.step(replica.Input{
			Kind: replica.Request, Op: replica.OpWrite, FUA: true, ID: 2, Sector: 8, Size: 4096,
			Buf: p.a.payload(make([]byte, 4096)),
		})
		p.wait()
		Expect(p.a.done).NotTo(HaveKey(uint64(2)))
		p.b.release()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
	})
})

var _ = Describe("A target that hangs before it compares", func() {
	It("lets its disk go after disk-timeout", func() {
		p := apart(withCsums, func(c *replica.Config) {
			c.Protocol, c.DiskTimeout = drbdwire.ProtocolB, 3*time.Second
		})
		p.b.hold[replica.Flush] = true
		p.heal()
		Expect(p.b.held).NotTo(BeEmpty())
		for range 5 {
			p.wait()
		}
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
	})
})

var _ = Describe("A disk that fails while the peer is asked whether its copy may be overwritten", func() {
	It("leaves users the peer's copy", func() {
		p := synced()
		p.a.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidateRemote, ID: 90})
		for p.b.core.State().Conn == drbdwire.Connected {
			next := p.queue[0]
			p.queue = p.queue[1:]
			next()
		}
		consent := p.queue
		p.queue, p.a.bad = nil, true
		for _, fails := range p.a.held {
			fails()
		}
		p.queue = append(p.queue, consent...)
		p.pass(3 * time.Second)
		Expect(p.a.answers[90].Code).To(Equal(drbdwire.IsDiskless))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 2, Sector: 64, Size: 4096})
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
	})
})

var _ = Describe("A write that has failed while I/O was suspended", func() {
	for _, back := range []bool{false, true} {
		It(fmt.Sprintf("is done again on a disk that was attached meanwhile; the peer is back: %t", back), func() {
			p := synced()
			p.a.mustWrite(9, 8, 'a')
			p.cut = true
			p.a.hold[replica.Write] = true
			p.a.write(1, 8, 'x', 4096)
			p.a.mustOrder(replica.OrderSuspendIO, false)
			p.part()
			p.a.badData = true
			p.a.release()
			p.a.badData = false
			p.wait()
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
			p.a.mustOrder(replica.OrderAttach, false)
			if back {
				p.join()
			}
			p.a.mustOrder(replica.OrderResumeIO, false)
			Expect(p.a.done).To(HaveKey(uint64(1)))
			Expect(p.a.done[1].Failed).To(BeFalse())
			Expect(p.a.disk[8*512]).To(Equal(byte('x')))
			p.join()
			expectSynced(p)
		})
	}
})

var _ = Describe("A Primary that has lost its disk and its peer while I/O was suspended", func() {
	It("goes on with either when I/O was resumed, if both have all that users know of", func() {
		p := synced()
		p.a.mustWrite(1, 8, 'x') // and its epoch has not ended
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.a.bad = true
		p.part()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.a.mustOrder(replica.OrderResumeIO, false)
		p.a.bad = false
		p.pass(2 * time.Second)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})
})
