package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func congested(what replica.OnCongestion) *pair {
	GinkgoHelper()
	p := synced(func(c *replica.Config) {
		c.Protocol, c.OnCongestion, c.CongestionFill = drbdwire.ProtocolA, what, 256
		c.Handlers = []string{"before-resync-source", "before-resync-target"}
	})
	p.a.called, p.b.called = nil, nil
	p.b.hold[replica.Write] = true // nothing is confirmed
	for i := range uint64(10) {
		p.a.write(100+i, 64*i, byte('a'+i), 32<<10)
		p.run()
	}
	return p
}

var _ = Describe("A full network", func() {
	// As in the capture c29-ahead-behind.
	It("makes a Primary with pull-ahead mark what it writes instead of sending it, and the peer catches up later", func() {
		p := congested(replica.CongestionPullsAhead)
		Expect(p.a.done).To(HaveLen(10), "users do not wait")
		Expect(p.a.status()).To(Equal("Primary/Secondary Ahead UpToDate/Consistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Behind Outdated/UpToDate"))
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdOutOfSync))
		Expect(p.b.core.Status().OutOfSync).To(Equal(uint64(6 * 32)))
		for range 3 {
			p.wait()
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.Ahead), "the peer has not confirmed what was sent")
		}
		p.b.release()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.Ahead))
		p.wait()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.called).To(Equal([]string{"before-resync-source"}))
		Expect(p.b.called).To(Equal([]string{"before-resync-target"}))
		Expect(p.a.sent).NotTo(ContainElement(drbdwire.CmdBitmap))
		Expect(p.a.decision("congestion")).To(HavePrefix("congestion pulls ahead: congestion-fill: 256 sectors are in flight"))
	})

	It("lets users of a Primary with pull-ahead wait for nothing, however long the peer takes", func() {
		p := congested(replica.CongestionPullsAhead)
		p.pass(20 * time.Second)
		Expect(p.a.status()).To(Equal("Primary/Secondary Ahead UpToDate/Consistent"))
		p.a.mustWrite(200, 0, 'z')
	})

	It("is what lets them go on, and no long wait for the peer, before so much is in flight", func() {
		p := synced(func(c *replica.Config) {
			c.Protocol, c.OnCongestion, c.CongestionFill = drbdwire.ProtocolA, replica.CongestionPullsAhead, 256
		})
		p.b.hold[replica.Write] = true
		p.a.mustWrite(1, 8, 'x')
		p.pass(20 * time.Second)
		p.a.mustWrite(2, 16, 'y')
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("is no news to a peer that is lost meanwhile: it is copied what it lacks", func() {
		p := congested(replica.CongestionPullsAhead)
		p.breakLinkForGood()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
		p.b.release()
		p.heal()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("makes a Primary with disconnect part", func() {
		p := congested(replica.CongestionDisconnects)
		Expect(p.a.status()).To(Equal("Primary/Unknown StandAlone UpToDate/DUnknown"))
		Expect(p.a.core.Status().Note).To(HavePrefix("on-congestion disconnect: congestion-fill"))
	})

	It("lets writes wait otherwise", func() {
		p := congested(replica.CongestionBlocks)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("is also one of extents", func() {
		p := synced(func(c *replica.Config) {
			c.Protocol, c.OnCongestion, c.CongestionExtents = drbdwire.ProtocolA, replica.CongestionPullsAhead, 3
		})
		p.b.hold[replica.Write] = true
		for i := range uint64(3) {
			p.a.write(100+i, 8192*i, 'x', 4096)
			p.run()
		}
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.Ahead))
		p.b.release()
		p.wait()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})
})
