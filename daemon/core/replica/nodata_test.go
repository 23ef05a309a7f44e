package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary with on-no-data-accessible suspend-io", func() {
	It("lets a write wait that its last disk has failed, until there is a disk again", func() {
		p := synced(func(c *replica.Config) { c.SuspendIONoData = true })
		p.part()
		p.a.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		Expect(p.a.done).To(BeEmpty())
		p.a.badData = false
		p.a.mustOrder(replica.OrderAttach, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[8*512]).To(Equal(byte('x')))
	})

	for name, request := range map[string]func(e *end){
		"read": func(e *end) {
			e.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 2, Sector: 8, Size: 4096})
		},
		"write": func(e *end) { e.write(2, 8, 'y', 4096) },
	} {
		It("lets a "+name+" wait that the peer's disk, the last one, has failed", func() {
			p := synced(func(c *replica.Config) { c.SuspendIONoData = true })
			p.a.mustOrder(replica.OrderDetach, false)
			p.a.mustWrite(1, 8, 'x')
			p.b.badData = true
			request(p.a)
			p.run()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/Diskless"))
			Expect(p.a.done).NotTo(HaveKey(uint64(2)))
			p.b.badData = false
			p.b.mustOrder(replica.OrderAttach, false)
			p.wait()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
			Expect(p.a.done).To(HaveKey(uint64(2)))
			Expect(p.a.done[2].Failed).To(BeFalse())
			Expect(p.a.payloads).To(HaveLen(len(p.b.payloads)))
		})
	}

	It("lets nobody wait any more when on-no-data-accessible becomes io-error", func() {
		p := synced(func(c *replica.Config) { c.SuspendIONoData = true })
		p.a.mustOrder(replica.OrderDetach, false)
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		c := config()
		data, err := c.Adjustment()
		Expect(err).NotTo(HaveOccurred())
		Expect(p.a.give(replica.Input{Order: replica.OrderAdjust, Data: data}).Code).To(Equal(drbdwire.Success))
		Expect(p.a.done).To(HaveKeyWithValue(uint64(1), HaveField("Failed", true)))
		p.a.mustOrder(replica.OrderSecondary, false)
	})

	It("tells of such a write that it has failed when an order resumes I/O", func() {
		p := synced(func(c *replica.Config) { c.SuspendIONoData = true })
		p.part()
		p.a.badData = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeTrue())
		Expect(p.a.payloads).To(BeEmpty())
	})
})

var _ = Describe("A Primary that loses its disk when it is about to bring its peer up to date", func() {
	It("tells a user whose write waits for that", func() {
		p := synced(func(c *replica.Config) {
			c.Fencing, c.Handlers = replica.ResourceAndStonith, []string{replica.HandlerFencePeer, replica.HandlerBeforeResyncSource}
		})
		p.a.fences(1)
		p.cut = true
		p.a.write(1, 8, 'x', 4096)
		p.breakLink()
		p.b.crash()
		p.b.mustOrder(replica.OrderAttach, false)
		p.b.mustOrder(replica.OrderConnect, false)
		p.a.hold[replica.Call] = true
		p.join() // twice, for the peer has restarted
		Expect(p.a.status()).To(HavePrefix("Primary/Secondary WFBitMapS UpToDate/"))
		p.a.loseDisk(2)
		Expect(p.a.status()).To(HavePrefix("Primary/Secondary Connected Diskless/"))
		Expect(p.a.status()).NotTo(HaveSuffix("UpToDate"))
		for range 30 {
			p.wait()
		}
		Expect(p.a.done).To(HaveKeyWithValue(uint64(1), HaveField("Failed", true)))
		p.a.mustOrder(replica.OrderSecondary, false)
	})
})
