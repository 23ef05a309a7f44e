package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A start-up wait", func() {
	var p *pair
	BeforeEach(func() { p = synced() })
	seconds := func(n int) {
		for range n {
			p.wait()
		}
	}

	It("for a peer that is known to be outdated lasts outdated-wfc-timeout", func() {
		p.a.mustOrder(replica.OrderDisconnect, false) // the peer stays behind
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.crash()
		p.cut = true
		p.a.comesUp(func(*replica.Config) {})
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Consistent), "the peer is not known to be outdated without fencing")

		p = synced(withFencing(replica.ResourceOnly))
		p.a.mustOrder(replica.OrderDisconnect, false)
		p.a.crash()
		p.cut = true
		p.a.comesUp(func(c *replica.Config) { c.OutdatedWFCTimeout = 5 * time.Second })
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection Consistent/Outdated"))
		seconds(6)
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/Outdated"))

		p.a.crash()
		p.a.comesUp(func(*replica.Config) {})
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/Outdated"), "no wait is configured")
	})

	It("does not run out in a StandAlone node with wait-after-sb", func() {
		for _, wait := range []bool{true, false} {
			p.cut = true
			p.b.crash()
			p.b.comesUp(func(c *replica.Config) { c.WFCTimeout, c.WaitAfterSB = 3*time.Second, wait })
			p.b.mustOrder(replica.OrderDisconnect, false)
			seconds(5)
			want := drbdwire.UpToDate
			if wait {
				want = drbdwire.Consistent
			}
			Expect(p.b.core.State().Disk).To(Equal(want))
		}
	})

	// trusts is a pair whose first node has gone on alone and is down, and whose second one
	// has waited for it.
	trusts := func() {
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.crash()
		p.b.crash()
		p.b.comesUp(func(c *replica.Config) { c.WFCTimeout = 3 * time.Second })
		seconds(5)
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
	}
	// withoutDisk starts the first node, which can't use its disk.
	withoutDisk := func() {
		p.a.bad = true
		Expect(p.a.order(replica.OrderAttach, false).Code).To(BeNumerically("<", drbdwire.Success))
		p.a.mustOrder(replica.OrderConnect, false)
		p.a.bad = false
	}

	It("that has run out does not count for a peer that comes without its disk, until that is compared", func() {
		trusts()
		withoutDisk()
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected Consistent/Diskless"))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))

		p.a.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("that has run out does not count for such a peer that is promoted before it hears of that", func() {
		trusts()
		withoutDisk()
		p.cut = false
		p.meet()
		for p.a.core.State().Conn < drbdwire.Connected && len(p.queue) > 0 {
			next := p.queue[0]
			p.queue = p.queue[1:]
			next()
		}
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected Consistent/Diskless"))
	})

	It("that has run out counts for a copy that has had users since", func() {
		trusts()
		p.b.servesAlone()
		withoutDisk()
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
	})

	It("that has run out does not keep an operator from forcing what he knows to be good", func() {
		trusts()
		withoutDisk()
		p.join()
		p.b.mustOrder(replica.OrderPrimary, true)
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
	})
})

var _ = Describe("Connections that fail again and again", func() {
	It("are tried at growing intervals, and the reason is told once", func() {
		p := synced()
		tries := func(seconds int) int {
			before := p.conns
			for range seconds {
				p.wait()
			}
			return int(p.conns - before)
		}
		p.breaks = true
		p.breakLink()
		first := tries(5)
		Expect(first).To(BeNumerically("<", 12))
		tries(30)
		Expect(tries(100)).To(BeNumerically("~", 10, 2))
		Expect(p.a.decided).To(ContainElement(ContainSubstring("connection dropped: P_BARRIER came where the features were expected")))
		count := 0
		for _, d := range p.a.decided {
			if d == "connection dropped: P_BARRIER came where the features were expected" {
				count++
			}
		}
		Expect(count).To(Equal(1))
		p.breaks = false
		tries(12)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		p.breakLink()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"), "it worked, so the next is at once")
	})

	It("are tried at once by order", func() {
		p := synced()
		p.breaks = true
		p.breakLink()
		for range 40 {
			p.wait()
		}
		p.breaks = false
		for _, e := range []*end{p.a, p.b} {
			e.mustOrder(replica.OrderDisconnect, false)
			e.mustOrder(replica.OrderConnect, false)
		}
		p.run()
		Expect(p.a.core.State().Conn).To(BeNumerically(">=", drbdwire.Connected))
	})
})

var _ = Describe("incon-degr-cmd of a file for DRBD 0.7", func() {
	It("is called when a node with inconsistent data is to become Primary without its peer", func() {
		p := newPair(withHandlers("pri-on-incon-degr"), func(c *replica.Config) { c.InconDegrCmd = true })
		p.cut = true
		p.a.up()
		Expect(p.a.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.a.called).To(Equal([]string{"pri-on-incon-degr"}))
	})
})

var _ = Describe("A resync with c-min-rate", func() {
	It("waits while users use the disk, on either side", func() {
		left := func(target, source uint32) uint64 {
			p := newPair(func(c *replica.Config) {
				c.Resync.Rate = 2048
				c.CMinRate = target
				if c.Seed == 1 {
					c.CMinRate = source
				}
			})
			p.a.up()
			p.b.up()
			p.a.mustOrder(replica.OrderPrimary, true)
			for i := range uint64(60) {
				p.a.write(1000+i, 512*i, 'x', 128<<10)
				p.pass(50 * time.Millisecond)
			}
			Expect(p.b.core.State().Conn).To(Equal(drbdwire.SyncTarget))
			return p.b.core.Status().OutOfSync
		}
		free := left(0, 0)
		Expect(left(100, 0)).To(BeNumerically(">", free+1024))
		Expect(left(0, 100)).To(BeNumerically(">", free+1024))
		Expect(left(1<<20, 1<<20)).To(Equal(free), "it is slower than that anyway")
	})
})

var _ = Describe("An order to become Secondary", func() {
	It("ends by resume-io when a write that was told waits for a peer that nobody can fence", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(1)
		p.a.mustWrite(1, 8, 'x') // and its epoch has not ended
		p.part()
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderSecondary, ID: 70})
		p.pass(time.Minute)
		Expect(p.a.answers).NotTo(HaveKey(uint64(70)))
		Expect(p.a.order(replica.OrderDetach, false).Code).To(Equal(drbdwire.InTransientState))
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.answers).To(HaveKey(uint64(70)))
		Expect(p.a.answers[70].Code).To(Equal(drbdwire.Success))
		Expect(p.a.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
	})
})
