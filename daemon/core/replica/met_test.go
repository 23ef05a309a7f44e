package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node that has met its peer before it attached its disk", func() {
	var p *pair

	// meets starts the node without a disk, which finds its peer Secondary.
	meets := func() {
		cfg := config()
		cfg.Seed, cfg.WFCTimeout, cfg.DegrWFCTimeout = 15, time.Second, time.Second
		p.b.core = replica.New(cfg)
		p.b.mustOrder(replica.OrderConnect, false)
		p.wait()
		Expect(p.b.status()).To(HavePrefix("Secondary/Secondary Connected Diskless/"))
		p.part()
		p.b.mustOrder(replica.OrderAttach, false)
		p.wait()
		p.wait()
	}

	BeforeEach(func() { p = synced() })

	It("knows that this disk is old, if the peer has gone on without it", func() {
		p.b.crash()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		meets()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("may go on with it, if both are the same", func() {
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.crash()
		meets()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
	})

	It("may go on with it, if it has been brought up to date, and was let go of since", func() {
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.join()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderDetach, false)
		p.part()
		p.b.mustOrder(replica.OrderAttach, false)
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Consistent))
	})

	It("may go on with it, if it has gone on itself", func() {
		p.a.crash()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(1, 8, 'x')
		p.b.crash()
		p.a.comesUp(func(c *replica.Config) { c.WFCTimeout = time.Second })
		p.wait()
		p.wait()
		meets()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.UpToDate))
	})
})
