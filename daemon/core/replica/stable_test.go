package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// What a user of a Primary was told is on stable storage, and only the peer has.
var _ = Describe("A Primary without a disk, in protocol B", func() {
	var p *pair
	BeforeEach(func() {
		p = synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.a.mustOrder(replica.OrderDetach, false)
		p.b.hold[replica.Write] = true
	})
	// losesPower takes what the peer has not written, and lets it come up again.
	losesPower := func() {
		p.b.crash()
		p.b.comesUp(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	}

	It("does not tell of a write through the cache that its peer had only received", func() {
		p.a.step(replica.Input{
			Kind: replica.Request, Op: replica.OpWrite, FUA: true, ID: 1, Sector: 8, Size: 4096,
			Buf: p.a.payload(make([]byte, 4096)),
		})
		p.run()
		Expect(p.a.done).To(BeEmpty())
		losesPower()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeTrue())
	})

	It("does not tell of a flush of what its peer had only received over an earlier connection", func() {
		p.a.mustWrite(1, 8, 'x')
		p.breakLink()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpFlush, ID: 2})
		p.run()
		told := p.a.done[2].Kind == replica.Complete && !p.a.done[2].Failed
		losesPower()
		Expect(p.b.data()[8*512 : 9*512]).NotTo(ContainElement(byte('x')))
		Expect(told).To(BeFalse())
		p.a.mustWrite(3, 8, 'y')
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpFlush, ID: 4})
		p.run()
		Expect(p.a.done[4].Failed).To(BeFalse(), "it was told once")
	})
})

var _ = Describe("A flush in protocol B that is under way on a disk which is lost for another reason", func() {
	It("is done when the peer, whose copy users go on with, has all on its disk", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.hold[replica.Write], p.a.hold[replica.Flush] = true, true
		p.a.mustWrite(1, 8, 'x')
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpFlush, ID: 2})
		p.a.loseDisk(3)
		p.a.bad = false
		p.a.release()
		Expect(p.b.disk[8*512]).NotTo(Equal(byte('x')))
		Expect(p.a.done).NotTo(HaveKey(uint64(2)), "if the peer loses power now, the write is gone")
		p.b.release()
		p.wait()
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
		Expect(p.a.done[2].Kind).To(Equal(replica.Complete))
		Expect(p.a.done[2].Failed).To(BeFalse())
	})
})
