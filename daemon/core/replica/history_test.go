package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("The target of a full resync by order that never began", func() {
	// missesStart cuts the nodes off when the source begins.
	missesStart := func(p *pair, begin func()) {
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdSyncUUID
		}
		begin()
		Expect(p.cut).To(BeTrue())
		p.a.tap = nil
	}
	crashesAndServes := func(p *pair) {
		GinkgoHelper()
		p.a.crash()
		p.a.comesUp(func(c *replica.Config) { c.WFCTimeout, c.DegrWFCTimeout = time.Second, time.Second })
		p.wait()
		p.wait()
		p.a.servesAlone()
	}
	copies := func(p *pair) {
		GinkgoHelper()
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[16*512]).To(Equal(byte('z')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	}

	It("is known when the source has crashed in that, and was promoted alone and crashed since", func() {
		p := synced()
		missesStart(p, func() { p.a.mustOrder(replica.OrderInvalidateRemote, false) })
		for range 3 {
			crashesAndServes(p)
		}
		copies(p)
	})

	It("is known when the source has gone on, and crashes in the next start, which it misses, too", func() {
		p := synced()
		missesStart(p, func() { p.a.mustOrder(replica.OrderInvalidateRemote, false) })
		p.part()
		p.a.mustWrite(1, 8, 'x')
		missesStart(p, p.join)
		for range 3 {
			crashesAndServes(p)
		}
		copies(p)
	})

	It("is known when the source has crashed and gone on, and crashes in the next start", func() {
		p := synced()
		missesStart(p, func() { p.a.mustOrder(replica.OrderInvalidateRemote, false) })
		crashesAndServes(p)
		missesStart(p, p.join)
		for range 3 {
			crashesAndServes(p)
		}
		copies(p)
	})

	It("has the same history as its target when that is through", func() {
		p := synced()
		p.a.mustWrite(1, 8, 'x')
		p.a.crash()
		p.a.comesUp(func(*replica.Config) {})
		p.join()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		a, b := p.a.super().UUIDs, p.b.super().UUIDs
		Expect([]uint64{a.Current &^ 1, a.Bitmap, a.History0 &^ 1, a.History1 &^ 1}).To(
			Equal([]uint64{b.Current &^ 1, b.Bitmap, b.History0 &^ 1, b.History1 &^ 1}))
	})
})
