package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("Two fresh disks", func() {
	It("meet, and one that is forced Primary is copied to the other", func() {
		p := newPair()
		copy(p.a.disk, "the data to keep")
		p.a.up()
		p.b.up()
		p.run()
		p.a.mustOrder(replica.OrderPrimary, true)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.payloads).To(BeEmpty())
		Expect(p.b.payloads).To(BeEmpty())
	})

	It("are taken for equal when the peer says so, which learns of that", func() {
		p := newPair()
		p.a.up()
		p.b.up()
		p.run()
		u := drbdwire.UUIDs{Current: 0x1234, Bitmap: drbdmeta.JustCreated, Flags: drbdwire.UUIDSkipInitialSync}
		p.b.sent = nil
		p.b.step(replica.Input{Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdUUIDs, Data: u.Append(nil)})
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.core.Status().UUIDs).To(Equal(drbdmeta.UUIDs{Current: 0x1234}))
		Expect(p.b.sent).To(Equal([]drbdwire.Command{drbdwire.CmdUUIDs}))
	})

	It("are not promoted without force", func() {
		p := newPair()
		p.a.up()
		answer := p.a.order(replica.OrderPrimary, false)
		Expect(answer.Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(answer.Text).To(ContainSubstring("Inconsistent"))
	})
})

var _ = Describe("A write in protocol C", func() {
	It("is on both disks when it is acknowledged", func() {
		p := synced()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
		Expect(p.a.sent).NotTo(ContainElement(drbdwire.CmdBarrier), "which orders nothing here")
		p.wait()
		Expect(p.a.sent).To(ContainElement(drbdwire.CmdBarrier))
		Expect(p.a.payloads).To(BeEmpty())
	})

	It("waits for the peer's disk", func() {
		p := synced()
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).NotTo(HaveKey(uint64(1)))
		p.b.release()
		Expect(p.a.done).To(HaveKey(uint64(1)))
	})

	It("begins only when the activity log on disk names its extent", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true
		p.a.write(1, 8192*3, 'x', 4096)
		p.run()
		Expect(p.a.disk[8192*3*512]).To(BeZero())
		Expect(p.b.disk[8192*3*512]).To(BeZero())
		p.a.release()
		Expect(p.a.done).To(HaveKey(uint64(1)))
	})

	It("is acknowledged without the peer only once the new generation is on disk", func() {
		p := synced()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.Write] = true
		p.a.write(2, 8, 'y', 4096)
		p.run()
		p.a.hold[replica.MetaWrite] = true
		p.b.crash()
		Expect(p.a.done).NotTo(HaveKey(uint64(2)))
		p.a.release()
		Expect(p.a.done).To(HaveKey(uint64(2)))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
	})
})

var _ = Describe("A node that returns", func() {
	It("gets only the blocks that changed", func() {
		p := synced()
		p.b.crash()
		p.a.write(1, 80, 'n', 8192)
		p.run()
		before := p.a.core.Status().Stats.Sent
		p.b.up()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.core.Status().Stats.Sent - before).To(Equal(uint64(8192)))
	})

	It("is known however often its resync broke off before it wrote anything down", func() {
		p := synced()
		p.part()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.MetaWrite] = true
		for range 5 {
			p.join()
			p.part()
		}
		Expect(p.b.core.State().Conn).To(Equal(drbdwire.Unconnected), "it says nothing that it may forget")
		p.b.crash()
		p.b.up()
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("is known however often the start of a full resync did not reach it", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.part()
		old := p.b.core.Status().UUIDs.Current
		p.a.crash()
		p.a.has(drbdmeta.UUIDs{Current: 0xC10, Bitmap: 0xB10, History0: 0xB20, History1: old})
		p.a.disk[4096] = 'x'
		p.a.up()
		for range 5 {
			p.a.hold[replica.MetaWrite] = true
			p.join()
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.WFBitMapS))
			p.part()
			p.a.release()
		}
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("after a crash as Primary is overwritten where its log says that it may differ", func() {
		p := synced()
		p.a.write(1, 8, 'a', 4096)
		p.run()
		p.cut = true // the last write never reaches the other node
		p.a.write(2, 8192, 'b', 4096)
		p.run()
		p.a.crash()
		p.cut = false
		p.b.mustOrder(replica.OrderPrimary, false)
		p.b.write(3, 160, 'c', 4096)
		p.run()
		p.a.up()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
		Expect(p.a.disk[160*512]).To(Equal(byte('c')))
		Expect(p.a.disk[8192*512]).To(BeZero())
	})

	It("alone does not become Primary: the peer may have newer data", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.crash()
		p.a.crash()
		p.a.mustOrder(replica.OrderAttach, false)
		answer := p.a.order(replica.OrderPrimary, false)
		Expect(answer.Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(answer.Text).To(ContainSubstring("has not heard from its peer"))
	})
})

var _ = Describe("Roles", func() {
	It("move from one node to the other", func() {
		p := synced()
		answer := p.b.order(replica.OrderPrimary, false)
		Expect(answer.Code).To(Equal(drbdwire.TwoPrimaries))
		p.a.inUse = true
		Expect(p.a.order(replica.OrderSecondary, false).Code).To(Equal(drbdwire.DeviceInUse))
		p.a.inUse = false
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		p.b.write(1, 8, 'z', 4096)
		p.run()
		Expect(p.a.disk[4096]).To(Equal(byte('z')))
	})

	It("of a split brain are noticed at the first contact, by both", func() {
		p := synced()
		p.cut = true
		p.breakLink()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.a.write(1, 8, 'a', 4096)
		p.b.write(1, 16, 'b', 4096)
		p.run()
		p.cut = false
		p.meet()
		p.run()
		for _, e := range []*end{p.a, p.b} {
			Expect(e.status()).To(HavePrefix("Primary/Unknown Disconnecting"), "the other must hear it too before the link ends")
			Expect(e.core.Status().Note).To(ContainSubstring("split brain"))
		}
		for range 3 {
			p.wait()
		}
		for _, e := range []*end{p.a, p.b} {
			Expect(e.status()).To(HavePrefix("Primary/Unknown StandAlone"))
			Expect(e.conn).To(BeZero())
		}
	})

	It("survive a clean shutdown without a resync", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderShutdown, false)
		p.a.mustOrder(replica.OrderShutdown, false)
		p.a.crash()
		p.b.crash()
		p.a.up()
		p.b.up()
		p.run()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.sent).NotTo(ContainElement(drbdwire.CmdRSDataReply))
	})
})

var _ = Describe("The source of a resync", func() {
	It("knows the generation of its target, when it becomes the target of the next over the same link", func() {
		p := synced()
		p.part()
		p.a.write(1, 800, 'n', 4096)
		p.run()
		p.join()
		expectSynced(p)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderPrimary, false)
		p.a.mustOrder(replica.OrderInvalidate, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Generation()).To(Equal(p.b.core.Generation()))
	})
})
