package replica_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("An order to detach", func() {
	It("waits until the peer has all that users were told is done", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolA })
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveKey(uint64(1)), "protocol A does not wait for the peer")
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 70})
		p.run()
		p.a.write(2, 8, 'y', 4096)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.done).NotTo(HaveKey(uint64(2)), "what comes meanwhile waits")
		p.b.release()
		Expect(p.a.answers[70].Code).To(Equal(drbdwire.Success))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('y')))
	})

	It("is refused when the peer is lost meanwhile, and users wait for that to be fenced", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.fences(1)
		p.b.hold[replica.Write] = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 70})
		p.run()
		p.part()
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		Expect(p.a.answers[70].Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveKey(uint64(1)))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("is refused by a Primary that has no other copy, on either node", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		Expect(p.b.order(replica.OrderDetach, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.part()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
	})

	It("leaves a Primary that can't part from the only copy", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		Expect(p.a.order(replica.OrderDisconnect, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(p.b.order(replica.OrderDisconnect, false).Code).To(Equal(drbdwire.FailedByPeer))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected Diskless/UpToDate"))
	})

	It("goes on though I/O is resumed by order while it is written down", func() {
		p := synced()
		p.a.hold[replica.MetaWrite] = true
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 70})
		p.run()
		Expect(p.a.answers).NotTo(HaveKey(uint64(70)))
		Expect(p.a.order(replica.OrderResumeIO, false).Code).To(Equal(drbdwire.NothingToDo))
		p.a.write(1, 8, 'x', 4096)
		p.a.release()
		p.wait()
		Expect(p.a.answers).To(HaveKeyWithValue(uint64(70), HaveField("Code", drbdwire.Success)))
		Expect(p.a.done).To(HaveKeyWithValue(uint64(1), HaveField("Failed", false)))
	})

	It("that is refused while it was written down leaves nothing to the next order", func() {
		p := synced(withVerify)
		p.b.hold[replica.MetaWrite] = true
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: 70})
		p.run()
		Expect(p.b.answers).NotTo(HaveKey(uint64(70)))
		p.a.verify(0, 0)
		p.run()
		Expect(p.b.answers[70].Code).To(Equal(drbdwire.ResyncRunning))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: 71})
		p.run()

		By("the disk answers what the first one has asked of it")
		answer := p.b.held[0]
		p.b.held = p.b.held[1:]
		answer()
		p.run()
		Expect(p.b.answers).NotTo(HaveKey(uint64(71)))
		p.b.release()
		Expect(p.b.answers[71].Code).To(Equal(drbdwire.Success))
		Expect(p.b.exposed).To(BeTrue())
	})

	It("is not given by both at once", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		for i, e := range []*end{p.a, p.b} {
			e.step(replica.Input{Kind: replica.Order, Order: replica.OrderDetach, ID: uint64(80 + i)})
		}
		p.run()
		disks := []drbdwire.DiskState{p.a.core.State().Disk, p.b.core.State().Disk}
		Expect(disks).To(ContainElement(drbdwire.UpToDate))
	})
})

var _ = Describe("A disk that is attached", func() {
	It("is not spoken of before it is known what is on it", func() {
		p := synced()
		p.b.mustOrder(replica.OrderDetach, false)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.b.hold[replica.MetaRead] = true
		p.b.order(replica.OrderAttach, false)
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Unknown Unconnected Attaching/DUnknown"))
		p.b.release()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("is taken for old when the peer was Primary meanwhile, until both have met", func() {
		p := synced()
		p.b.mustOrder(replica.OrderDetach, false)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.part()
		p.b.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Outdated/DUnknown"))
		Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(drbdwire.NoUpToDateDisk))
		p.join()
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[4096]).To(Equal(byte('x')))
	})

	It("is known to be old when the node has crashed since it let it go", func() {
		p := synced()
		p.b.mustOrder(replica.OrderDetach, false)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.part()
		p.b.crash()
		p.b.up()
		p.wait()
		Expect(p.b.core.State().Disk).To(Equal(drbdwire.Outdated))
	})

	It("is as good as before when nobody was Primary meanwhile", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.mustOrder(replica.OrderDetach, false)
		p.part()
		p.b.mustOrder(replica.OrderAttach, false)
		p.wait()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Consistent/DUnknown"))
	})

	It("is refused by a Primary that served newer data, however often it is tried", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.part()
		for range 2 {
			Expect(p.a.order(replica.OrderAttach, false).Text).To(ContainSubstring("can only attach to"))
		}
		Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
	})
})

var _ = Describe("A write that only an incomplete copy has", func() {
	It("fails: nobody could go on with it", func() {
		p := synced()
		p.part()
		p.a.write(1, 80, 'n', 4096)
		p.run()
		p.b.hold[replica.Write] = true // the resync does not end
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.SyncSource))
		p.a.loseDisk(2)
		p.b.release()
		p.wait()
		Expect(p.a.done[2].Failed).To(BeTrue())
	})
})

var _ = Describe("In protocol B a node without a disk", func() {
	It("does not say that it has received a write", func() {
		p := synced(func(c *replica.Config) { c.Protocol = drbdwire.ProtocolB })
		p.b.mustOrder(replica.OrderDetach, false)
		p.b.sent = nil
		d := drbdwire.Data{Sector: 8, Sequence: 1, Flags: drbdwire.FlagSendReceiveAck}
		p.b.step(replica.Input{
			Kind: replica.Packet, Conn: p.conns, Command: drbdwire.CmdData, Data: d.Append(nil), Size: 4096,
			Buf: p.b.payload(make([]byte, 4096)),
		})
		Expect(p.b.sent).To(Equal([]drbdwire.Command{drbdwire.CmdNegAck}))
	})
})

var _ = Describe("Two Primaries that meet", func() {
	It("part, also when one of them has no disk", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDetach, false)
		p.part()
		p.b.mustOrder(replica.OrderPrimary, false)
		p.join()
		Expect(p.b.status()).To(Equal("Primary/Unknown StandAlone UpToDate/DUnknown"))
		Expect(p.b.core.Status().Note).To(ContainSubstring("both nodes are Primary"))
	})
})
