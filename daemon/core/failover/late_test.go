package failover_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
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

var _ = Describe("A look at what was started a moment ago", func() {
	It("does not make up for its stop, when the group is to be stopped meanwhile", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		milo1 := w.machines[0]
		milo1.shy["xenHA"] = 1
		milo1.boot(false)
		w.machines[1].boot(false)
		for !slices.Contains(w.log, "milo1 start xenHA") {
			w.pass(50 * time.Millisecond)
		}
		w.pass(250 * time.Millisecond)
		w.done()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()[:3]).To(Equal(script("milo1" + stopOrder)))
		Expect(w.broken).To(BeEmpty())
	})
})
