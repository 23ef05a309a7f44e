package replica_test

import (
	"bytes"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A Primary in protocol B with its metadata on another disk, that loses power", func() {
	apart := func(c *replica.Config) {
		c.Protocol, c.Meta, c.ALExtents = drbdwire.ProtocolB, drbdmeta.KindFlexible, 2
	}

	var p *pair

	BeforeEach(func() {
		p = newPair(apart)
		p.a.hasMetadataApart()
		p.b.hasMetadataApart()
		p.copies()
		p.a.mustWrite(1, 8, 'x')
		p.wait()
	})

	AfterEach(func() {
		p.a.losesPower()
		p.a.comesUp(apart)
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(bytes.Equal(p.a.data(), p.b.data())).To(BeTrue(), "both count as equal")
	})

	It("differs nowhere from its peer when the extent of a write has left the activity log", func() {
		for i := range uint64(4) {
			p.a.mustWrite(2+i, 8192*(1+i), 'y')
			p.wait()
		}
	})

	It("differs nowhere from it when it has stepped down", func() {
		p.a.mustOrder(replica.OrderSecondary, false)
		p.wait()
	})
})
