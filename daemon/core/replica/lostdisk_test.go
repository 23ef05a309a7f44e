package replica_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// waitsASecond is the start-up wait of a node.
func waitsASecond(c *replica.Config) { c.WFCTimeout = time.Second }

// isOld expects that the copy of a node is no good without its peer, however long that is away.
func (e *end) isOld() {
	GinkgoHelper()
	e.pair.pass(3 * time.Second)
	Expect(e.core.State().Disk).To(BeNumerically("<=", drbdwire.Outdated))
	Expect(e.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
}

// loses lets a disk fail a write of users' data, once.
func (p *pair) loses(e *end) {
	GinkgoHelper()
	e.badData = true
	p.a.mustWrite(1, 8, 'x')
	Expect(e.core.State().Disk).To(Equal(drbdwire.Diskless))
	e.badData = false
	p.a.mustWrite(2, 16, 'y')
}

var _ = Describe("A disk that was let go, and is old", func() {
	for writes := range 2 {
		DescribeTable(fmt.Sprintf("is still known to be when its attach has failed after %d writes", writes), func(primary bool) {
			p := synced(waitsASecond)
			e := p.b
			if primary {
				e = p.a
			}
			p.loses(e)
			if primary {
				e.mustOrder(replica.OrderSecondary, false)
			}
			p.part()
			e.goodWrites, e.badWrites = writes, 1
			Expect(e.order(replica.OrderAttach, false).Code).To(Equal(drbdwire.IsDiskless))
			Expect(e.badWrites).To(BeZero())
			e.mustOrder(replica.OrderAttach, false)
			e.isOld()
		}, Entry("on the node that was Primary", true), Entry("on the other", false))
	}
})
