package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A configuration that changes while the resource runs", func() {
	It("counts at once, but for what was agreed with the peer", func() {
		p := synced()
		p.wait()
		before := p.a.core.Deadline()
		changed := config()
		changed.PingInt, changed.Protocol, changed.ALExtents = time.Second, drbdwire.ProtocolA, 67
		data, err := changed.Adjustment()
		Expect(err).NotTo(HaveOccurred())
		answer := p.a.give(replica.Input{Order: replica.OrderAdjust, Data: data})
		Expect(answer.Code).To(Equal(drbdwire.Success))
		Expect(p.a.core.Deadline()).To(Equal(before - 9*time.Second))
		Expect(p.a.core.Status().Protocol).To(Equal(drbdwire.ProtocolC))
	})
})
