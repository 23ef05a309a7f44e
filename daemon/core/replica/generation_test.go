package replica_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

var _ = Describe("A new generation by order", func() {
	It("lets two fresh disks count as equal, and nothing is copied", func() {
		p := newPair()
		p.a.up()
		p.b.up()
		p.run()
		p.a.mustOrder(replica.OrderNewCurrentUUID, true)
		for _, e := range []*end{p.a, p.b} {
			Expect(e.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
			Expect(e.core.Status().OutOfSync).To(BeZero())
			Expect(e.super().UUIDs.Bitmap).To(BeZero())
			Expect(e.super().UUIDs.Current).To(Equal(p.a.core.Generation()))
		}
		p.a.mustOrder(replica.OrderPrimary, false)
		p.wait()
		p.part()
		p.join()
		Expect(p.b.status()).To(Equal("Secondary/Primary Connected UpToDate/UpToDate"))
		Expect(p.a.sent).NotTo(ContainElement(drbdwire.CmdRSDataReply))
	})

	It("is refused while connected with data", func() {
		p := synced()
		Expect(p.a.order(replica.OrderNewCurrentUUID, true).Text).To(ContainSubstring("StandAlone"))
	})

	It("makes a copy of the disk, shipped by truck, a peer that lacks only what came after", func() {
		p := newPair()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderPrimary, true)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderNewCurrentUUID, true)
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
		copy(p.b.disk, p.a.disk)
		p.a.mustOrder(replica.OrderNewCurrentUUID, false)
		p.a.write(2, 8192, 'y', 4096)
		p.run()
		Expect(p.a.core.Status().OutOfSync).To(BeEquivalentTo(4))
		p.b.up()
		p.a.mustOrder(replica.OrderConnect, false)
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
		// The copy was one of a Primary, whose log names the extent of the first write.
		Expect(p.a.core.Status().Stats.Sent).To(BeNumerically("<=", 4096+4<<20))
	})

	It("keeps marked what is on its way to the disk, which a copy made right then may lack", func() {
		p := newPair()
		p.a.mustOrder(replica.OrderAttach, false)
		p.a.mustOrder(replica.OrderPrimary, true)
		p.a.mustWrite(1, 8, 'x')
		p.a.hold[replica.Write] = true
		p.a.write(2, 8192, 'y', 4096)
		p.run()
		p.a.mustOrder(replica.OrderNewCurrentUUID, true)
		Expect(p.a.core.Status().OutOfSync).To(BeEquivalentTo(4))
		p.a.release()
		Expect(p.a.core.Status().OutOfSync).To(BeEquivalentTo(4))
	})

	It("fails when the disk does before it is there", func() {
		p := synced()
		p.a.mustOrder(replica.OrderDisconnect, false)
		p.a.mustOrder(replica.OrderSecondary, false)
		p.a.bad = true
		Expect(p.a.order(replica.OrderNewCurrentUUID, true).Code).To(Equal(drbdwire.IsDiskless))
	})

	for writes := range 8 {
		It(fmt.Sprint("loses no mark that the old peer needs when the node dies after metadata was written times ", writes), func() {
			p := synced()
			p.a.mustOrder(replica.OrderDisconnect, false)
			p.a.mustWrite(1, 8192, 'y')
			p.a.mustOrder(replica.OrderSecondary, false) // else the activity log names the block
			p.a.hold[replica.MetaWrite] = true
			p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderNewCurrentUUID, Force: true, ID: 90})
			p.run()
			for range writes {
				p.a.doesWhatItHolds()
			}
			p.a.held, p.a.hold = nil, map[replica.EffectKind]bool{}
			p.a.crash()
			p.a.up()
			p.join()
			Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
			Expect(p.b.data()).To(Equal(p.a.data()))
		})
	}
})

var _ = Describe("A full resync by order that only its target has heard of", func() {
	// heals is that the copy that was called bad is overwritten by the other.
	heals := func(p *pair, bad *end) {
		GinkgoHelper()
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().OutOfSync + p.b.core.Status().OutOfSync).To(BeZero())
		Expect(bad.disk[4096]).To(BeZero())
		Expect(p.a.data()).To(Equal(p.b.data()))
	}

	It("is done when they meet", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.disk[4096] = 'b'
		p.b.hold[replica.Send] = true // its consent never arrives
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidateRemote, ID: 90})
		p.run()
		p.part()
		p.b.held, p.b.hold = nil, map[replica.EffectKind]bool{}
		heals(p, p.b)
	})

	DescribeTable("is done when the source has crashed before it had it on record", func(order func(p *pair) replica.Effect, then func(p *pair)) {
		p := synced()
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.disk[4096] = 'b'
		p.a.hold[replica.MetaWrite] = true
		Expect(order(p).Code).To(Equal(drbdwire.Success))
		Expect(p.b.status()).To(Equal("Secondary/Secondary WFSyncUUID Outdated/UpToDate"))
		then(p)
		heals(p, p.b)
	},
		Entry("and the target gave the order", func(p *pair) replica.Effect { return p.b.order(replica.OrderInvalidate, false) },
			func(p *pair) {
				p.a.crash()
				p.a.up()
			}),
		Entry("and the source gave it", func(p *pair) replica.Effect { return p.a.order(replica.OrderInvalidateRemote, false) },
			func(p *pair) {
				p.a.crash()
				p.a.up()
			}),
		Entry("and the target since", func(p *pair) replica.Effect { return p.b.order(replica.OrderInvalidate, false) },
			func(p *pair) {
				p.a.crash()
				p.b.crash()
				p.b.up()
				p.a.up()
			}),
		Entry("or has lost its disk, which works again", func(p *pair) replica.Effect { return p.b.order(replica.OrderInvalidate, false) },
			func(p *pair) {
				p.a.bad = true
				p.a.release()
				Expect(p.a.core.State().Disk).To(Equal(drbdwire.Diskless))
				p.a.bad = false
				p.a.mustOrder(replica.OrderAttach, false)
			}),
	)
})

var _ = Describe("The source of a full resync by order that goes on alone", func() {
	for name, write := range map[string]func(p *pair){
		"as a Primary": func(p *pair) {
			p.a.mustWrite(1, 8, 'x')
			p.a.mustOrder(replica.OrderSecondary, false)
		},
		"promoted later": func(p *pair) { p.a.servesAlone() },
	} {
		It("and a target that knows nothing of it and does so too notice that, "+name, func() {
			p := synced()
			if name != "as a Primary" {
				p.a.mustOrder(replica.OrderSecondary, false)
			}
			p.b.hold[replica.MetaWrite] = true // the target never begins
			p.b.order(replica.OrderInvalidate, false)
			p.part()
			p.b.crash()
			write(p)
			cfg := config()
			cfg.Seed, cfg.WFCTimeout = 14, time.Second
			p.b.core = replica.New(cfg)
			p.b.up()
			p.wait()
			p.wait()
			p.b.servesAlone()
			p.join()
			Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), p.a.status())
			Expect(p.a.core.State().Disk).To(Equal(drbdwire.UpToDate))
		})
	}

	It("still knows one that did not begin, also after crashes", func() {
		p := synced()
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdSyncUUID
		}
		p.a.mustOrder(replica.OrderInvalidateRemote, false)
		p.part()
		p.a.tap = nil
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Outdated/DUnknown"))
		for range 3 {
			p.a.crash()
			p.a.comesUp(func(c *replica.Config) { c.WFCTimeout, c.DegrWFCTimeout = time.Second, time.Second })
			p.wait()
			p.wait()
			p.a.servesAlone()
		}
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.disk[16*512]).To(Equal(byte('z')))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("fences a target that may not have heard of it: it has a whole copy", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			p.cut = p.cut || cmd == drbdwire.CmdStateChgReply
		}
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Secondary SyncSource UpToDate/Inconsistent"))
		p.part()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection UpToDate/DUnknown"))
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.a.fences(7)
		p.a.release()
		Expect(p.a.done[1].Failed).To(BeFalse())
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.data()).To(Equal(p.b.data()))
	})

	It("does not fence one that has asked for a block", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Read] = true
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.run()
		p.part()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Inconsistent"))
		Expect(p.a.called).NotTo(ContainElement("fence-peer"))
	})
})

var _ = Describe("A target whose disk fails before it begins, and is still whole", func() {
	failsAt := func(p *pair, packet drbdwire.Command) {
		p.a.tap = func(cmd drbdwire.Command, _ []byte, _ uint32) {
			if cmd == packet {
				p.b.badWrites, p.a.tap = 1000, nil
			}
		}
	}
	grows := func(p *pair) {
		p.a.enlarge(8 * mib)
		p.b.enlarge(8 * mib)
		failsAt(p, drbdwire.CmdSizes)
		p.b.resize()
		p.wait()
	}

	DescribeTable("is no copy of what the source's users write since", func(begin func(p *pair)) {
		p := synced()
		begin(p)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.mustWrite(1, 8, 'x')

		By("both lose power, and the target comes back first, with a disk that works again")
		p.cut = true
		p.a.crash()
		p.b.crash()
		p.b.badWrites = 0
		p.b.comesUp(func(c *replica.Config) { c.WFCTimeout = time.Second })
		p.wait()
		p.wait()
		p.b.servesAlone()
		p.a.up()
		p.join()
		Expect(p.a.core.State().Conn).To(Equal(drbdwire.StandAlone), p.a.status())
		Expect(p.a.disk[4096]).To(Equal(byte('x')))
	},
		Entry("by order of the source", func(p *pair) {
			failsAt(p, drbdwire.CmdStateChgReq)
			p.a.mustOrder(replica.OrderInvalidateRemote, false)
		}),
		Entry("by order of the target", func(p *pair) {
			failsAt(p, drbdwire.CmdStateChgReply)
			p.b.order(replica.OrderInvalidate, false)
		}),
		Entry("after a resize", grows),
	)

	It("gets nothing when the source is ready to begin", func() {
		p := synced(func(c *replica.Config) { c.Handlers = []string{replica.HandlerBeforeResyncSource} })
		p.a.hold[replica.Call] = true
		grows(p)
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/Diskless"))
		p.a.mustWrite(1, 8, 'x')

		By("the disk works again")
		p.b.badWrites = 0
		p.b.mustOrder(replica.OrderAttach, false)
		p.join()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})
})

var _ = Describe("A source that has not yet noted the end of its resync", func() {
	// misses is a pair whose first node was the source, and whose disk hangs since.
	misses := func() *pair {
		p := synced()
		p.part()
		p.a.mustWrite(1, 8, 'x')
		p.a.mustOrder(replica.OrderSecondary, false)
		p.b.hold[replica.Write] = true
		p.join()
		Expect(p.a.status()).To(Equal("Secondary/Secondary SyncSource UpToDate/Inconsistent"))
		p.a.hangDisk()
		p.b.release()
		p.wait()
		Expect(p.a.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.super().UUIDs.Bitmap).NotTo(BeZero())
		return p
	}

	It("is no target before it has: it could take both copies for equal after a crash", func() {
		p := misses()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.wait()
		Expect(p.a.answers).NotTo(HaveKey(uint64(90)))
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/UpToDate"))
		p.a.wakeDisk()
		p.wait()
		Expect(p.a.answers[90].Code).To(Equal(drbdwire.Success))
		Expect(p.b.decided).To(ContainElement(ContainSubstring("resync ended on the source")))
	})

	It("does not become one by order of the peer", func() {
		p := misses()
		Expect(p.b.order(replica.OrderInvalidateRemote, false).Code).To(Equal(drbdwire.InTransientState))
		p.a.wakeDisk()
		p.b.mustOrder(replica.OrderInvalidateRemote, false)
	})

	It("is none when it loses its disk instead", func() {
		p := misses()
		p.a.step(replica.Input{Kind: replica.Order, Order: replica.OrderInvalidate, ID: 90})
		p.wait()
		p.a.bad = true
		p.a.wakeDisk()
		p.wait()
		Expect(p.a.answers[90].Code).To(BeNumerically("<", drbdwire.Success))
		Expect(p.b.status()).To(Equal("Secondary/Secondary Connected UpToDate/Diskless"))
	})
})
