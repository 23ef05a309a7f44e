package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
)

var _ = Describe("A word that groups are stopped", func() {
	It("is not sent again when the node that gave them has started them again, since its peer was silent", func() {
		w, milo1, milo2 := started()
		milo1.slow = 5 * time.Second
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(2 * time.Second)
		milo2.mute = true
		w.pass(25 * time.Second)
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("stopping groups for the peer"))
		w.cut = true
		w.pass(10 * time.Second)
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("the peer is starting groups"))
		milo1.slow = 0
		w.pass(57 * time.Second)
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.fail.Snapshot().Peer.Present).To(BeTrue(), "it has heard its peer for longer")
		w.done()
		milo2.mute, w.cut = false, false
		w.pass(2 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.fail.Snapshot().Exchange).To(Equal("none"))
	})
})
