package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// losesToldWrite lets the first node, which waits for its peer with a write that its user was told of,
// lose its disk.
func losesToldWrite(waits func(p *pair), change ...func(*replica.Config)) *pair {
	GinkgoHelper()
	p := synced(append(change, func(c *replica.Config) {
		c.Protocol, c.DiskTimeout = drbdwire.ProtocolA, 3*time.Second
	})...)
	p.a.fences(1)
	p.cut = true
	p.a.mustWrite(1, 8, 'x')
	p.a.hangDisk()
	p.a.write(2, 800, 'l', 4096)
	p.run()
	waits(p)
	p.breakLink()
	p.pass(4 * time.Second)
	p.a.wakeDisk()
	Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
	return p
}

func held(on bool) replica.Input {
	return replica.Input{Kind: replica.Hold, Force: on, Text: "the lease"}
}

// onlyItsDiskHasAll expects that the peer's copy, which lacks a write that users were told of, is
// refused, and that the own disk goes on with it.
func (p *pair) onlyItsDiskHasAll() {
	GinkgoHelper()
	p.join()
	Expect(p.a.status()).To(Equal("Primary/Unknown StandAlone Diskless/DUnknown"))
	p.a.mustOrder(replica.OrderAttach, false)
	p.a.mustOrder(replica.OrderConnect, false)
	p.join()
	Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	Expect(p.b.disk[4096]).To(Equal(byte('x')))
	Expect(p.b.data()).To(Equal(p.a.data()))
}

var _ = Describe("A Primary that loses its disk while a write that was told waits for the peer", func() {
	It("refuses a peer without that write when nobody waits any more as nobody is to be fenced", func() {
		p := losesToldWrite(func(*pair) {}, withFencing(replica.ResourceAndStonith))
		p.onlyItsDiskHasAll()
	})

	It("refuses it when the lease is there again", func() {
		p := losesToldWrite(func(p *pair) { p.a.step(held(true)) })
		p.a.step(held(false))
		p.onlyItsDiskHasAll()
	})

	It("sends it again when the lease is still awaited, also after an order to resume I/O", func() {
		p := losesToldWrite(func(p *pair) { p.a.step(held(true)) })
		p.a.mustOrder(replica.OrderResumeIO, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("does not let a peer without it be promoted when the lease has ended, before its disk is there again", func() {
		p := losesToldWrite(func(p *pair) { p.a.step(held(true)) })
		p.a.step(replica.Input{Kind: replica.Hold, Force: true, Failed: true, Text: "the group is stopped"})
		p.a.mustOrder(replica.OrderSecondary, false)
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.a.mustOrder(replica.OrderAttach, false)
		p.join()
		p.b.mustOrder(replica.OrderPrimary, false)
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})
})

var _ = Describe("A Primary on the peer's disk whose users wait for want of data", func() {
	for name, protocol := range map[string]drbdwire.WireProtocol{"A": drbdwire.ProtocolA, "B": drbdwire.ProtocolB} {
		It("sends what was told again when the peer's disk is back, and the peer was before, protocol "+name, func() {
			change := func(c *replica.Config) { c.Protocol, c.SuspendIONoData = protocol, true }
			p := synced(change)
			p.a.mustOrder(replica.OrderDetach, false)
			p.a.mustWrite(1, 8, 'w')
			p.wait()
			p.b.hold[replica.Write] = true
			p.a.write(2, 8, 'x', 4096)
			p.run()
			Expect(p.a.done).To(HaveLen(map[drbdwire.WireProtocol]int{drbdwire.ProtocolA: 1, drbdwire.ProtocolB: 2}[protocol]))
			p.cut = true
			p.b.crash()
			p.b.bad = true
			p.b.comesUpWithoutDisk(change)
			p.join()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/Diskless"))
			p.b.bad = false
			p.b.mustOrder(replica.OrderAttach, false)
			p.join()
			Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
			Expect(p.a.done[2].Failed).To(BeFalse())
			Expect(p.b.disk[4096]).To(Equal(byte('x')))
		})
	}
})

// comesUpWithoutDisk starts a node that has crashed, and does not use its disk.
func (e *end) comesUpWithoutDisk(change func(*replica.Config)) {
	GinkgoHelper()
	cfg := config()
	orderID++
	cfg.Seed = orderID * 15485863
	change(&cfg)
	e.core = replica.New(cfg)
	e.mustOrder(replica.OrderConnect, false)
}

var _ = Describe("A Primary whose disk fails a write while its users wait, who were told of nothing that the peer lacks", func() {
	It("goes on with the peer's copy when that is back, though nobody could be fenced", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(1)
		p.a.mustWrite(1, 8, 'w')
		p.a.hold[replica.Write] = true
		p.cut = true
		p.a.write(2, 8, 'x', 4096)
		p.breakLink()
		p.a.badData = true
		p.a.release()
		p.a.badData = false
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection Diskless/DUnknown"))
		Expect(p.a.done[2].Failed).To(BeTrue())
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(3, 8, 'y')
	})

	It("goes on with it also when the peer has refused a write", func() {
		p := synced()
		p.a.mustWrite(1, 8, 'w')
		p.a.hold[replica.Write] = true
		p.b.badData = true
		p.a.write(2, 8, 'x', 4096)
		p.a.step(held(true))
		p.run()
		p.b.badData = false
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.badData = true
		p.a.release()
		p.a.badData = false
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/Diskless"))
		p.a.step(held(false))
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(3, 8, 'y')
	})
})
