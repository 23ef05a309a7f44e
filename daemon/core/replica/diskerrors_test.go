package replica_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// diskKinds are the effects that the disk below answers.
var diskKinds = []replica.EffectKind{
	replica.Read, replica.Write, replica.Trim, replica.Zero, replica.Flush, replica.MetaRead, replica.MetaWrite,
}

func (e *end) hangDisk() {
	for _, kind := range diskKinds {
		e.hold[kind] = true
	}
}

func (e *end) wakeDisk() {
	held := e.held
	e.held, e.hold = nil, map[replica.EffectKind]bool{}
	for _, f := range held {
		f()
	}
	e.pair.run()
}

var _ = Describe("A disk that does not answer within disk-timeout", func() {
	var p *pair
	BeforeEach(func() {
		p = synced(func(c *replica.Config) { c.DiskTimeout = 3 * time.Second })
	})
	pass := func(seconds int) {
		for range seconds {
			p.wait()
		}
	}

	It("is given up by the Primary, whose users go on with the peer's copy", func() {
		p.a.hangDisk()
		p.a.write(1, 8, 'x', 4096)
		p.a.step(replica.Input{Kind: replica.Request, Op: replica.OpRead, ID: 2, Sector: 8192, Size: 4096})
		pass(2)
		Expect(p.a.done).To(BeEmpty())
		pass(2)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done).To(HaveLen(2))
		Expect(p.a.done[1].Failed || p.a.done[2].Failed).To(BeFalse())
	})

	It("is given up by the Primary after a resync, in which the peer's copy took a write that it lacks", func() {
		p.part()
		p.a.write(1, 8, 'w', 4096)
		p.run()
		p.a.hold[replica.Read] = true
		p.heal()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		blocks := p.a.held
		p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{replica.Write: true}
		p.a.write(2, 24, 'x', 4096)
		p.run()
		Expect(p.b.disk[24*512]).To(Equal(byte('x')))
		for _, answer := range blocks {
			answer()
		}
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		pass(4)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
	})

	// logged is a write whose extent is in the activity log from then on.
	logged := func() {
		p.a.write(9, 16, 'l', 4096)
		p.run()
		delete(p.a.done, 9)
	}

	It("had what no user is told of when the peer, which has it, is gone: that will be taken for old", func() {
		logged()
		p.a.hangDisk()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.part()
		pass(4)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.done[1].Failed).To(BeTrue())
	})

	It("leaves such a write waiting for the peer with on-no-data-accessible suspend-io", func() {
		p = synced(func(c *replica.Config) { c.DiskTimeout, c.SuspendIONoData = 3*time.Second, true })
		logged()
		p.a.hangDisk()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.part()
		pass(4)
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		Expect(p.a.done).To(BeEmpty())
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("is not attached again before it has answered everything", func() {
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.a.hangDisk()
		p.b.write(1, 8, 'x', 4096)
		pass(4)
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected Diskless/UpToDate"))
		Expect(p.b.done).To(HaveLen(1))
		Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("was not let go yet"))
		p.a.wakeDisk()
		p.a.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.a.payloads).To(BeEmpty())
	})

	It("is given up when it hangs in the middle of its metadata", func() {
		p.breakLinkForGood()
		p.a.hold[replica.MetaWrite] = true
		p.a.write(1, 8, 'x', 4096)
		pass(5)
		Expect(p.a.core.State().Disk.String()).To(Equal("Diskless"))
	})
})

var _ = Describe("A disk with errors and on-io-error call-local-io-error", func() {
	It("is given up after the handler was called", func() {
		p := synced(withHandlers("local-io-error"), func(c *replica.Config) { c.CallLocalIOError = true })
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.called).To(Equal([]string{"local-io-error"}))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("is no reason to call the handler when it is detached by order", func() {
		p := synced(withHandlers("local-io-error"), func(c *replica.Config) { c.CallLocalIOError = true })
		p.b.mustOrder(replica.OrderDetach, false)
		Expect(p.b.called).To(BeEmpty())
	})
})

var _ = Describe("A write that the peer refuses", func() {
	It("is not told before a generation without the peer is on record, though the refusal is the first that is heard", func() {
		p := synced()
		shared := p.a.super().UUIDs.Current
		refuse := p.refusal()
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		refuse()
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))

		By("the peer's word that its disk has failed comes")
		p.b.bad = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.super().UUIDs.Bitmap).To(Equal(shared))
	})

	It("is not told either when the peer is a target that has not begun, and whole", func() {
		p := synced()
		refuse := p.refusal()
		p.b.hold[replica.MetaWrite] = true
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		shared := p.a.super().UUIDs.Current
		p.a.write(1, 8, 'x', 4096)
		p.run()
		refuse()
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))

		By("the peer's word that its disk has failed comes")
		p.b.bad = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
		Expect(p.a.super().UUIDs.Current).NotTo(Equal(shared))
	})
})

var _ = Describe("A Secondary that can't flush its disk", func() {
	for _, protocol := range []drbdwire.WireProtocol{drbdwire.ProtocolA, drbdwire.ProtocolB} {
		It("lets the Primary mark what was in the cache, in protocol "+protocol.String(), func() {
			p := synced(func(c *replica.Config) { c.Protocol = protocol })
			p.b.hold[replica.Flush] = true
			p.a.write(1, 8, 'x', 4096)
			p.wait()
			Expect(p.b.held).To(HaveLen(1), "the flush at the end of the epoch")
			p.b.bad = true
			p.b.release()
			Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
			p.wait()
			Expect(p.a.done).To(HaveKey(uint64(1)))
			Expect(p.a.core.Status().OutOfSync).To(BeNumerically(">=", 4))

			By("the disk comes back without its cache")
			p.b.bad = false
			clear(p.b.disk[4096:8192])
			p.b.mustOrder(replica.OrderAttach, false)
			p.join()
			Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
			Expect(p.b.disk[4096]).To(Equal(byte('x')))
		})

		It("lets go of it also when something else has failed before, in protocol "+protocol.String(), func() {
			p := synced(func(c *replica.Config) { c.Protocol, c.VerifyAlg = protocol, "sha1" })
			p.b.hold[replica.Flush] = true
			p.a.write(1, 8, 'x', 4096)
			p.wait()
			Expect(p.b.held).To(HaveLen(1), "the flush at the end of the epoch")
			p.b.badData = true
			p.a.verify(0, 1024)
			Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
			Expect(p.b.closed).To(BeFalse())
			p.b.release()
			Expect(p.b.closed).To(BeTrue())
		})

		It("the same when the disk fails before the end of the epoch, in protocol "+protocol.String(), func() {
			p := synced(func(c *replica.Config) { c.Protocol = protocol })
			p.a.write(1, 8, 'x', 4096)
			p.run()
			Expect(p.b.disk[4096]).To(Equal(byte('x')), "in the cache")
			p.b.bad = true
			p.a.write(2, 64, 'y', 4096)
			p.wait()
			Expect(p.b.core.State().Disk).To(Equal(drbdwire.Diskless))
			p.b.bad = false
			clear(p.b.disk[4096:8192])
			p.b.mustOrder(replica.OrderAttach, false)
			p.join()
			Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
			Expect(p.b.disk[4096]).To(Equal(byte('x')))
			Expect(p.b.disk[32768]).To(Equal(byte('y')))
		})
	}
})

var _ = Describe("A disk that fails while the peer is asked to let its copy be overwritten", func() {
	It("is not missed by users, nor when the node is lost: the peer's copy is as good as before", func() {
		p := synced()
		p.a.mustWrite(1, 8, 'x')
		p.wait()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidateRemote, ID: 90})
		p.a.badData = true
		p.a.write(2, 16, 'y', 4096)
		fails := p.queue[len(p.queue)-1]
		p.queue = p.queue[:len(p.queue)-1]
		fails()
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
		p.run()
		p.wait()
		p.wait()
		Expect(p.a.answers[90].Code).To(Equal(drbdwire.IsDiskless))
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		p.part()
		p.a.crash()
		p.b.servesAlone()
		Expect(p.b.disk[16*512]).To(Equal(byte('z')))
	})

	It("is no source of a resync any more: an order that would need one is refused", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd != drbdwire.CmdStateChgReply {
				return
			}
			p.a.tap, p.a.bad = nil, true
			p.queue = append(p.queue, func() { // the answer comes last
				answer := p.queue[0]
				p.queue = p.queue[1:]
				p.run()
				Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
				answer()
			})
		}
		Expect(p.b.order(replica.OrderInvalidate, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
		Expect(p.b.core.Status().OutOfSync).To(BeZero())
	})
})

// refusal lets the peer refuse the write of one block that goes out next, when it is called.
func (p *pair) refusal() (refuse func()) { return p.answers(drbdwire.CmdNegAck) }

// answers lets the peer answer the write of one block that goes out next, when it is called.
func (p *pair) answers(with drbdwire.Command) (answer func()) {
	var sent drbdwire.Data
	p.a.tap = func(cmd drbdwire.Command, data []byte, _ uint32) {
		if cmd == drbdwire.CmdData {
			sent, _ = drbdwire.DecodeData(data)
		}
	}
	return func() {
		p.a.step(replica.Input{
			Kind: replica.Packet, Conn: p.a.conn, Socket: replica.MetaSocket, Command: with,
			Data: drbdwire.BlockAck{Sector: sent.Sector, ID: sent.ID, Size: 4096}.Append(nil),
		})
		p.run()
	}
}
