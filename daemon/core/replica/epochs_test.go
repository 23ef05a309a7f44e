package replica_test

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("Epochs", func() {
	It("may end out of their order, as with a kernel whose disk fails", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.wait()
		p.b.hold[replica.Send] = true
		for i := range uint64(3) {
			p.a.write(i+1, 8*(i+1), 'x', 4096)
			p.wait()
		}
		Expect(p.b.held).To(HaveLen(3), "an epoch each")
		slices.Reverse(p.b.held)
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().Note).To(BeEmpty())
		Expect(p.a.payloads).To(BeEmpty())
	})
})
