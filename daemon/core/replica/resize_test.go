package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// The numbers below are those of disks of 32 MiB, 40 MiB and so on with
// internal metadata of 40 KiB.
const (
	mib        = 1 << 20
	of32, of40 = 65536 - 80, 81920 - 80 // sectors of the device
)

func (e *end) resize(change ...func(*replica.Input)) replica.Effect {
	in := replica.Input{Order: replica.OrderResize}
	for _, f := range change {
		f(&in)
	}
	return e.give(in)
}

func (e *end) super() drbdmeta.Superblock {
	GinkgoHelper()
	layout, err := drbdmeta.Internal(uint64(len(e.disk))/512, 1, 8)
	Expect(err).NotTo(HaveOccurred())
	super, err := drbdmeta.DecodeSuperblock(e.disk[layout.Superblock:])
	Expect(err).NotTo(HaveOccurred())
	Expect(super.Validate(drbdmeta.KindInternal, layout.Superblock, uint64(len(e.disk))/512)).To(Succeed())
	return super
}

var _ = Describe("A device whose disks have grown", func() {
	var p *pair

	BeforeEach(func() {
		p = synced()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.size).To(BeEquivalentTo(of32))
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
	})

	DescribeTable("grows on both nodes, and the Primary copies what was added", func(primary bool) {
		by := p.a
		if !primary {
			by = p.b
		}
		p.a.sent, p.b.sent = nil, nil
		Expect(by.resize().Code).To(Equal(drbdwire.Success))
		Expect(by.sent[0]).To(Equal(drbdwire.CmdUUIDs))
		Expect(by.sent[1]).To(Equal(drbdwire.CmdSizes))
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdRSDataReply))
		Expect(p.b.sent).NotTo(ContainElement(drbdwire.CmdBitmap))
		Expect(p.a.data()).To(HaveLen(of40 * 512))
		Expect(p.b.data()).To(Equal(p.a.data()))
		for _, e := range []*end{p.a, p.b} {
			Expect(e.super().Size).To(BeEquivalentTo(of40))
			Expect(e.super().UUIDs.Current &^ 1).To(Equal(p.a.core.Generation()))
			Expect(e.super().UUIDs.Bitmap).To(BeZero())
			Expect(e.core.Status().OutOfSync).To(BeZero())
			Expect(e.last).To(BeEquivalentTo(81920))
		}
		p.a.write(2, of40-8, 'y', 4096)
		p.run()
		Expect(p.b.disk[of40*512-1]).To(Equal(byte('y')))
	},
		Entry("by order of the Primary", true),
		Entry("by order of the Secondary", false),
	)

	It("stays whole on the peer when the Primary's disk fails before it copies", func() {
		p = synced(func(c *replica.Config) { c.Handlers = []string{replica.HandlerBeforeResyncSource} })
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
		p.a.hold[replica.Call] = true
		Expect(p.a.resize().Code).To(Equal(drbdwire.Success))
		Expect(p.b.status()).To(Equal("Secondary/Primary WFSyncUUID Outdated/UpToDate"))
		p.a.loseDisk(2)
		Expect(p.a.done[2].Failed).To(BeFalse())
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/Diskless"))
		Expect(p.b.super().UUIDs.Bitmap).NotTo(BeZero(), "the disk that was lost is known to be old")
	})

	DescribeTable("is not compared while the disks say how large they are", func(slow func() *end) {
		p = synced(withVerify)
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
		slow().hold[replica.Measure] = true
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderResize, ID: 1 << 20})
		p.run()
		Expect(p.b.verify(0, 0).Code).To(Equal(drbdwire.InTransientState))
		slow().release()
		p.wait()
		Expect(p.a.answers[1<<20].Code).To(Equal(drbdwire.Success))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.b.verify(0, 0).Code).To(Equal(drbdwire.Success))
	},
		Entry("where that of the node with the order is slow", func() *end { return p.a }),
		Entry("where that of the other node is slow", func() *end { return p.b }),
	)

	It("copies nothing if what was added is clean", func() {
		p.a.sent, p.b.sent = nil, nil
		Expect(p.a.resize(func(in *replica.Input) { in.AssumeClean = true }).Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.a.sent).NotTo(ContainElement(drbdwire.CmdRSDataReply))
		Expect(p.b.super().Size).To(BeEquivalentTo(of40))
	})

	It("copies what was added if only one of two orders at the same time says that it is clean", func() {
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderResize, ID: 91, AssumeClean: true})
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderResize, ID: 92})
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		expectSynced(p)
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.a.answers).To(HaveKey(uint64(91)))
		Expect(p.b.answers).To(HaveKey(uint64(92)))
	})

	It("grows to the size that is asked for", func() {
		Expect(p.a.resize(func(in *replica.Input) { in.Sector = 70000 }).Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.a.size).To(BeEquivalentTo(70000))
		Expect(p.b.core.Status().Size).To(BeEquivalentTo(70000))
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.resize().Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("keeps its activity log, and its crash is repaired", func() {
		p.b.crash()
		p.a.write(2, 8192, 'y', 4096)
		p.run()
		answer := p.a.resize(func(in *replica.Input) { in.AssumePeer = true })
		Expect(answer.Code).To(Equal(drbdwire.Success))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		p.a.write(3, of40-8, 'z', 4096)
		p.run()
		p.a.crash()
		p.a.up()
		p.b.up()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(HaveLen(of40 * 512))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})
})

var _ = Describe("A resize", func() {
	It("is refused if it would shrink the device", func() {
		p := synced()
		answer := p.a.resize(func(in *replica.Input) { in.Sector = 8192 })
		Expect(answer.Code).To(BeNumerically("<", drbdwire.Success))
		Expect(answer.Text).To(ContainSubstring("does not shrink to 4096 KiB"))
		p.a.disk = p.a.disk[:30*mib]
		Expect(p.a.resize().Text).To(ContainSubstring("has room for"))
		Expect(p.a.size).To(BeEquivalentTo(of32))
	})

	It("has nothing to do if neither disk has grown", func() {
		p := synced()
		Expect(p.a.resize().Code).To(Equal(drbdwire.NothingToDo))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	It("says so if the peer's disk has no more room", func() {
		p := synced()
		p.a.enlarge(8 * mib)
		Expect(p.a.resize().Text).To(ContainSubstring("the peer's disk has no more room"))
		Expect(p.a.size).To(BeEquivalentTo(of32))
		Expect(p.a.super().Size).To(BeEquivalentTo(of32), "the metadata has moved to the end all the same")
		p.b.enlarge(8 * mib)
		Expect(p.b.resize().Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("is refused between two Secondaries, and without a disk", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		Expect(p.a.resize().Text).To(ContainSubstring("both nodes are Secondary"))
		p.a.mustOrder(replica.OrderDetach, false)
		Expect(p.a.resize().Code).To(Equal(drbdwire.IsDiskless))
	})

	It("is refused while the peer has no disk", func() {
		p := synced()
		p.a.enlarge(8 * mib)
		p.b.mustOrder(replica.OrderDetach, false)
		answer := p.a.resize()
		Expect(answer.Code).To(Equal(drbdwire.NotSupported))
		Expect(answer.Text).To(Equal("the peer has no disk attached, and may not have the room"))
	})

	DescribeTable("ends when the peer that is asked loses its disk", func(fail func(p *pair)) {
		p := synced()
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdSizes {
				p.a.tap = nil
				fail(p)
			}
		}
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderResize, ID: 1 << 20})
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.a.answers[1<<20].Text).To(ContainSubstring("the peer has lost its disk"))
		p.b.badWrites, p.b.badData = 0, false
		p.b.release()
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		p.a.resize()
		p.wait()
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.b.data()).To(Equal(p.a.data()))
		p.a.mustOrder(replica.OrderSecondary, false)
	},
		Entry("as its metadata can't be written", func(p *pair) { p.b.badWrites = 1000 }),
		Entry("before it knows how large that is", func(p *pair) {
			p.b.hold[replica.Measure], p.b.badData = true, true
			p.a.write(1, 8, 'x', 4096)
		}),
	)

	It("that a peer asks for is no size yet for a node without a disk", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.a.sent = nil
		wish := drbdwire.Sizes{Disk: of40, MaxBio: 1 << 20}
		p.a.step(replica.Input{
			Kind: replica.Packet, Conn: p.a.conn, Command: drbdwire.CmdSizes, Data: wish.Append(nil),
		})
		Expect(p.a.size).To(BeEquivalentTo(of32))
		Expect(p.a.sent).To(Equal([]drbdwire.Command{drbdwire.CmdSizes}), "the peer waits for an answer")
	})

	It("does not guess what room a peer has that is not there", func() {
		p := synced()
		p.part()
		p.a.enlarge(8 * mib)
		Expect(p.a.resize().Code).To(Equal(drbdwire.NeedConnection))
		Expect(p.a.size).To(BeEquivalentTo(of32))
		Expect(p.a.resize(func(in *replica.Input) { in.AssumePeer = true }).Code).To(Equal(drbdwire.Success))
		Expect(p.a.size).To(BeEquivalentTo(of40))
	})
})

var _ = Describe("A disk that grew while nobody used it", func() {
	It("is found where its metadata was, which move to the end", func() {
		p := synced()
		p.b.crash()
		p.b.enlarge(8 * mib)
		p.b.up()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.last).To(BeEquivalentTo(81920))
		Expect(p.b.super().Size).To(BeEquivalentTo(of32), "the peer has not grown")
		p.a.enlarge(8 * mib)
		Expect(p.a.resize().Code).To(Equal(drbdwire.Success))
		p.wait()
		Expect(p.b.data()).To(HaveLen(of40 * 512))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("grows the device when both have met", func() {
		p := synced()
		p.b.crash()
		p.b.enlarge(8 * mib)
		p.b.up()
		p.wait()
		p.part()
		p.a.enlarge(8 * mib)
		Expect(p.a.resize().Code).To(Equal(drbdwire.NeedConnection))
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	DescribeTable("is copied from before an online verify begins", func(by func(p *pair) *end) {
		p := synced(withVerify)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.part()
		p.b.crash()
		p.b.enlarge(8 * mib)
		p.a.enlarge(8 * mib)
		p.a.resize()
		p.cut = false
		p.b.comesUp(withVerify)
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().OutOfSync).NotTo(BeZero())
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == drbdwire.CmdState { // it has been promoted, and its disk is slow from now on
				p.a.tap, p.a.hold[replica.MetaWrite] = nil, true
			}
		}
		p.a.mustOrder(replica.OrderPrimary, false)
		Expect(p.a.held).NotTo(BeEmpty())
		p.b.hold[replica.Read] = true
		Expect(by(p).verify(0, 0).Code).To(Equal(drbdwire.InTransientState))
		p.a.release()
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.size).To(BeEquivalentTo(of40))
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(by(p).verify(0, 0).Code).To(Equal(drbdwire.Success))
	},
		Entry("by order of the Primary", func(p *pair) *end { return p.a }),
		Entry("by order of the other node", func(p *pair) *end { return p.b }),
	)

	It("is not found by a node that forgot where that was", func() {
		p := synced()
		p.b.crash()
		p.b.enlarge(8 * mib)
		p.b.last = 0
		Expect(p.b.order(replica.OrderAttach, false).Text).To(ContainSubstring("no DRBD meta-data"))
	})
})

// Every write of a resize is the last one in turn: what is on disk then is
// either the old metadata or the new.
var _ = Describe("A crash during a resize", func() {
	DescribeTable("loses nothing", func(growth int, ofPrimary bool) {
		for writes := 0; ; writes++ {
			p := newPair()
			p.a.disk, p.b.disk = freshDisk(4096), freshDisk(4096)
			p.copies()
			p.a.write(1, 8, 'x', 4096)
			p.run()
			p.a.enlarge(growth)
			p.b.enlarge(growth)
			e := p.b
			if ofPrimary {
				e = p.a
			}
			e.writes = writes + 1
			answer := p.a.resize()
			p.wait()
			if !e.stopped {
				Expect(answer.Code).To(Equal(drbdwire.Success))
				Expect(writes).To(BeNumerically(">", 4))
				return
			}
			e.crash()
			e.up()
			p.wait()
			p.wait()
			if ofPrimary {
				p.b.mustOrder(replica.OrderPrimary, false)
				p.wait()
			}
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.Connected), "after %d writes", writes)
			Expect(p.b.data()).To(Equal(p.a.data()), "after %d writes", writes)
			Expect(p.a.core.Status().OutOfSync+p.b.core.Status().OutOfSync).To(BeZero(), "after %d writes", writes)
			Expect(p.b.disk[4096]).To(Equal(byte('x')))
		}
	},
		Entry("of the Secondary", mib, false),
		Entry("of the Primary", mib, true),
		Entry("of the Secondary, with metadata that overlaps the old", 12*1024, false),
		Entry("of the Primary, with metadata that overlaps the old", 12*1024, true),
	)

	It("finds a mark of that everything may differ, where the old metadata is about to be overwritten", func() {
		p := synced()
		p.a.enlarge(12 * 1024)
		p.a.writes = 1
		p.a.resize()
		Expect(p.a.stopped).To(BeTrue())
		Expect(p.a.super().Flags & drbdmeta.MDFullSync).NotTo(BeZero())
		Expect(p.a.super().UUIDs).To(Equal(p.a.core.Status().UUIDs))
	})

	DescribeTable("forgets nothing of what the peer lacks", func(growth int) {
		for writes := 1; ; writes++ {
			p := newPair()
			p.a.disk, p.b.disk = freshDisk(4096), freshDisk(4096)
			p.copies()
			p.b.crash()
			p.a.write(1, 8, 'x', 4096) // its bit is in memory, its extent in the log
			p.run()
			p.a.enlarge(growth)
			p.b.enlarge(growth)
			p.a.writes = writes
			p.a.resize(func(in *replica.Input) { in.AssumePeer = true })
			stopped := p.a.stopped
			p.a.crash()
			p.a.up()
			p.b.up()
			p.wait()
			p.a.mustOrder(replica.OrderPrimary, false)
			p.wait()
			Expect(p.b.disk[4096]).To(Equal(byte('x')), "after %d writes", writes)
			Expect(p.b.data()).To(Equal(p.a.data()), "after %d writes", writes)
			if !stopped {
				Expect(writes).To(BeNumerically(">", 4))
				return
			}
		}
	},
		Entry("with metadata apart from the old", mib),
		Entry("with metadata that overlaps the old", 12*1024),
	)
})

var _ = Describe("A peer that is about to get what was added to the device", func() {
	It("and whose disk fails then, does not call that disk UpToDate", func() {
		p := synced(withHandlers(replica.HandlerBeforeResyncTarget))
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
		p.b.hold[replica.Write], p.b.hold[replica.Call] = true, true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.resize().Code).To(Equal(drbdwire.Success))
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		Expect(p.b.status()).To(Equal("Secondary/Primary WFSyncUUID Outdated/UpToDate"))
		conn := p.conns
		p.b.badData = true
		p.b.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		Expect(p.conns).To(Equal(conn), "the connection stays")
	})
})
