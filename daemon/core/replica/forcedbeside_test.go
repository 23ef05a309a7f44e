package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
)

var _ = Describe("A copy with a bad block that is promoted by force beside a good one", func() {
	It("is copied to that: both count as UpToDate", func() {
		p := synced(func(c *replica.Config) { c.PassOn = true })
		p.a.mustWrite(1, 8, 'x')
		p.b.badData = true
		p.a.mustWrite(2, 8, 'y')
		p.b.badData = false
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected Inconsistent/UpToDate"))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, true)
		p.wait()
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.a.core.Generation()).To(Equal(p.b.core.Generation()))
	})
})
