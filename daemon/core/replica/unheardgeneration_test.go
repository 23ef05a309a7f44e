package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A node without a disk whose peer is promoted, and then itself", func() {
	// livesOnIt is that its users go on with the peer's copy, also after a broken connection.
	livesOnIt := func(p *pair) {
		GinkgoHelper()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(2, 16, 'y')
		Expect(p.b.core.Generation()).To(Equal(p.a.core.Generation()))
		p.part()
		p.join()
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.b.mustWrite(3, 24, 'z')
		Expect(p.a.disk[24*512]).To(Equal(byte('z')))
	}

	// detached is a Primary that has written since its peer has let its disk go.
	detached := func() *pair {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderDetach, false)
		p.a.mustOrder(replica.OrderPrimary, false)
		p.a.mustWrite(1, 8, 'x')
		return p
	}

	// aboutToCopy is a Primary with a slow disk that has begun a generation to copy what is
	// marked, as the device has grown.
	aboutToCopy := func() *pair {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.cut = true
		for _, e := range []*end{p.a, p.b} {
			e.crash()
			e.enlarge(8 * mib)
			e.comesUp(func(*replica.Config) {})
		}
		p.join()
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState { // it has been promoted, and its disk is slow from now on
				p.a.tap, p.a.hold[replica.MetaWrite] = nil, true
			}
		}
		p.a.mustOrder(replica.OrderPrimary, false)
		return p
	}

	It("knows the generation that its users see, and finds that again", func() {
		p := detached()
		livesOnIt(p)
	})

	It("knows one that was begun to copy what is marked to its disk, too", func() {
		p := aboutToCopy()
		p.b.mustOrder(replica.OrderDetach, false)
		p.a.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.mustWrite(1, 8, 'x')
		livesOnIt(p)
	})

	It("is told of that one also if a resync by order came first", func() {
		p := aboutToCopy()
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 80})
		p.run()
		p.a.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		p.cut = true
		p.a.crash()
		p.run()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustWrite(3, 24, 'z')
		p.a.comesUp(func(*replica.Config) {})
		p.join()
		Expect(p.a.disk[24*512]).To(Equal(byte('z')))
	})

	It("takes its own disk back as a target", func() {
		p := detached()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})
})
