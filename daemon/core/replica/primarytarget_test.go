package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// targetUnderUsers is a pair whose first node is Primary and the target of a
// resync: it lived on the peer's disk, and attached its own old one. The source has
// asked its handler, and waits.
func targetUnderUsers(change ...func(*replica.Config)) *pair {
	GinkgoHelper()
	p := synced(change...)
	p.a.mustOrder(replica.OrderSecondary, false)
	p.b.mustOrder(replica.OrderPrimary, false)
	p.b.write(900, 8, 'o', 4096) // its extent of 4 MiB is marked after a crash
	p.run()
	p.b.crash()
	p.b.hold[replica.Call] = true // so that the target hears nothing of a start
	p.b.comesUp(func(c *replica.Config) {
		c.Handlers = []string{replica.HandlerBeforeResyncSource}
		for _, f := range change {
			f(c)
		}
	})
	p.join()
	Expect(p.a.status()).To(Equal("Secondary/Secondary WFSyncUUID Outdated/UpToDate"))
	p.part()
	p.a.mustOrder(replica.OrderDetach, false)
	p.join()
	Expect(p.a.status()).To(Equal("Secondary/Secondary Connected Diskless/UpToDate"))
	p.a.mustOrder(replica.OrderPrimary, false)
	p.a.mustOrder(replica.OrderAttach, false)
	Expect(p.a.status()).To(Equal("Primary/Secondary WFSyncUUID Outdated/UpToDate"))
	return p
}

// begins lets the source begin; its answers to the target are held.
func (e *end) begins() {
	GinkgoHelper()
	e.hold[replica.Read] = true
	calls := e.held
	e.held = nil
	for _, call := range calls {
		call()
	}
	e.pair.run()
	Expect(e.peer.status()).To(Equal("Primary/Secondary SyncTarget Inconsistent/UpToDate"))
}

var _ = Describe("A Primary that is the target of a resync", func() {
	It("writes to both disks, and has all of the peer's in the end", func() {
		p := targetUnderUsers()
		p.a.hold[replica.MetaWrite] = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncTarget Inconsistent/UpToDate"))
		p.a.write(1, 64, 'x', 4096)
		p.a.write(2, 73, 'y', 512)
		p.run()
		Expect(p.a.done).To(BeEmpty(), "the superblock does not say yet that this copy is Inconsistent")
		p.b.hold[replica.Read] = true
		p.a.release()
		p.a.write(3, 16000, 'z', 4096) // nothing is fetched there
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(3)))
		p.b.release()
		for id := range uint64(3) {
			Expect(p.a.done).To(HaveKey(id + 1))
			Expect(p.a.done[id+1].Failed).To(BeFalse())
		}
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.a.disk[64*512]).To(Equal(byte('x')))
		Expect(p.a.disk[73*512]).To(Equal(byte('y')))
		Expect(p.a.disk[8*512]).To(Equal(byte('o')))
	})

	It("fetches no block while a write of a user is on its way there", func() {
		p := targetUnderUsers()
		p.b.begins()
		p.b.hold[replica.Write] = true
		p.a.write(1, 16000, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.b.release()
		p.wait()
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("does not tell of a write that its own old copy alone has", func() {
		p := targetUnderUsers()
		p.b.begins()
		p.b.hold[replica.Write] = true
		p.a.write(1, 16000, 'x', 4096)
		p.run()
		Expect(p.a.disk[16000*512]).To(Equal(byte('x')))
		Expect(p.a.done).To(BeEmpty())
		p.part()
		Expect(p.a.done[1].Failed).To(BeTrue())
		p.b.release()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("sends such a write again where users wait for the peer", func() {
		p := targetUnderUsers(func(c *replica.Config) { c.SuspendIONoData = true })
		p.b.begins()
		p.b.hold[replica.Write] = true
		p.a.write(1, 16000, 'x', 4096)
		p.run()
		p.part()
		Expect(p.a.done).To(BeEmpty())
		p.b.release()
		p.join()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[16000*512]).To(Equal(byte('x')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("refuses a peer whose copy, which its users have seen, is no longer whole: its own is older", func() {
		p := targetUnderUsers()
		p.part()
		p.b.mustOrder(replica.OrderDisconnect, false)
		p.b.mustOrder(replica.OrderInvalidate, false)
		p.b.mustOrder(replica.OrderConnect, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Unknown StandAlone Outdated/DUnknown"))
	})

	It("goes on over the peer's copy when its disk fails, also after a broken connection", func() {
		p := targetUnderUsers()
		p.b.begins()
		p.a.bad = true
		p.a.mustWrite(1, 16000, 'x')
		p.part()
		p.b.release()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.disk[16000*512]).To(Equal(byte('x')))
	})

	It("reads from its own disk what the peer can no longer read when the resync has ended", func() {
		p := targetUnderUsers()
		p.b.begins()
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 1, Sector: 8, Size: 4096})
		p.run()
		last := len(p.b.held) - 1
		asked := p.b.held[last]
		p.b.held = p.b.held[:last]
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.done).To(BeEmpty())
		p.b.badData = true
		asked()
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.done[1].Data[0]).To(Equal(byte('o')))
	})

	It("goes on over the peer's copy when its disk fails before that says that the resync has ended", func() {
		p := targetUnderUsers(func(c *replica.Config) { c.DiskTimeout = 3 * time.Second })
		p.b.begins()
		p.a.write(1, 16000, 'x', 4096)
		p.run()
		p.a.hold[replica.MetaWrite] = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		p.part()
		p.a.write(2, 16000, 'y', 4096)
		p.wait()
		Expect(p.a.done).To(HaveLen(1), "the superblock does not say yet that this node goes on alone")
		p.a.bad = true
		p.a.release()
		Expect(p.a.done[2].Failed).To(BeTrue())
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		p.a.mustWrite(3, 24000, 'z')
	})

	// loses lets the disk of the Primary fail the write that is held.
	loses := func(p *pair) {
		p.a.bad = true
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 1, Sector: 8, Size: 4096})
		write := p.a.held
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{}
		for _, f := range write {
			f()
		}
	}

	It("stays connected when its disk fails while the source's bitmap is on its way", func() {
		p := targetUnderUsers()
		p.part()
		p.a.hold[replica.MetaWrite] = true
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdBitmap || cmd == drbdwire.CmdCompressedBitmap {
				p.b.tap = nil
				Expect(p.a.status()).To(Equal("Primary/Secondary WFBitMapT Outdated/UpToDate"))
				loses(p)
			}
		}
		conns := p.conns
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.conns).To(Equal(conns + 1))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("stays connected when its disk fails while the source begins", func() {
		p := targetUnderUsers()
		p.part()
		p.a.hold[replica.MetaWrite] = true
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary WFSyncUUID Outdated/UpToDate"))
		conns := p.conns
		p.b.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdSyncUUID {
				loses(p)
			}
		}
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.conns).To(Equal(conns))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})
})
