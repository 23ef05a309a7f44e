package replica_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func withFencing(f replica.Fencing) func(*replica.Config) {
	return func(c *replica.Config) { c.Fencing, c.Handlers = f, []string{"fence-peer", "unfence-peer"} }
}

// fences gives a node's handler its exit status.
func (e *end) fences(exit int) { e.exits = map[string]int{"fence-peer": exit} }

// decision is what the node decided last about something.
func (e *end) decision(about string) string {
	text := ""
	for _, d := range e.core.Status().Decisions {
		if d.About == about {
			text = d.String()
		}
	}
	return text
}

var _ = Describe("A Primary with fencing resource-and-stonith that loses its peer", func() {
	var p *pair
	BeforeEach(func() {
		p = synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
	})

	It("answers no write before the handler says that the peer is outdated, then makes a generation of its own", func() {
		before := p.a.core.Generation()
		p.cut = true
		p.a.write(1, 8, 'x', 4096)
		p.breakLink()
		p.a.write(2, 16, 'y', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		Expect(p.a.core.State().SuspFencing).To(BeTrue())
		Expect(p.a.core.Generation()).To(Equal(before))
		p.a.fences(4)
		p.a.release()
		Expect(p.a.done).To(HaveLen(2))
		Expect(p.a.done[1].Failed || p.a.done[2].Failed).To(BeFalse())
		Expect(p.a.core.Generation()).NotTo(Equal(before))
		Expect(p.a.core.State().SuspFencing).To(BeFalse())
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("sends its writes again when the peer is back first, without a generation or a resync", func() {
		before := p.a.core.Generation()
		p.cut = true
		p.a.write(1, 8, 'x', 4096)
		p.breakLink()
		p.a.write(2, 16, 'y', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.heal()
		Expect(p.a.done).To(HaveLen(2))
		Expect(p.a.core.Generation()).To(Equal(before))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.core.Status().OutOfSync).To(BeZero())
		Expect(p.b.data()).To(Equal(p.a.data()))
		p.a.fences(4)
		p.a.release()
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.a.decision("fencing")).To(HavePrefix("fencing ignored: the connection came back meanwhile"))
	})

	It("parts from a peer that has restarted meanwhile, and copies it", func() {
		p.cut = true
		p.a.write(1, 8, 'x', 4096)
		p.breakLink()
		p.b.crash()
		p.b.mustOrder(replica.OrderAttach, false)
		p.b.mustOrder(replica.OrderConnect, false)
		p.b.hold[replica.Write] = true
		p.heal()
		p.wait()
		Expect(p.a.done).To(BeEmpty(), "the peer does not have it")
		p.b.release()
		p.wait()
		Expect(p.a.done).To(HaveLen(1))
		Expect(p.a.decision("connection")).To(ContainSubstring("the peer has restarted while writes were waiting for it"))
		Expect(p.a.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	It("goes on by order", func() {
		p.cut = true
		p.a.write(1, 8, 'x', 4096)
		p.breakLink()
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveLen(1))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/DUnknown"))
		p.heal()
		p.wait()
		Expect(p.b.data()).To(Equal(p.a.data()))
	})

	DescribeTable("takes the exit status for what it says",
		func(exit int, status string, frozen bool) {
			p.breakLinkForGood()
			p.a.write(1, 8, 'x', 4096)
			p.a.fences(exit)
			p.a.release()
			p.wait()
			Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection " + status))
			Expect(p.a.core.State().SuspFencing).To(Equal(frozen))
			Expect(p.a.done).To(HaveLen(map[bool]int{true: 0, false: 1}[frozen]))
		},
		Entry("3: the peer is Inconsistent", 3, "UpToDate/Inconsistent", false),
		Entry("4: the peer is outdated", 4, "UpToDate/Outdated", false),
		Entry("5: the peer is down", 5, "UpToDate/Outdated", false),
		Entry("6: the peer is Primary", 6, "UpToDate/DUnknown", true),
		Entry("7: the peer was shot", 7, "UpToDate/Outdated", false),
		Entry("0: the handler is broken", 0, "UpToDate/DUnknown", true),
		Entry("1: the handler has failed", 1, "UpToDate/DUnknown", true),
		Entry("-1: the handler was given up", -1, "UpToDate/DUnknown", true),
	)

	It("marks what it keeps for itself, so that the peer gets it", func() {
		p.cut = true
		for i := range uint64(20) {
			p.a.write(i+1, 8*i, byte('a'+i), 4096)
		}
		p.breakLink()
		p.a.fences(7)
		p.a.release()
		Expect(p.a.done).To(HaveLen(20))
		Expect(p.a.core.Status().OutOfSync).To(BeNumerically(">=", 80))
		p.heal()
		p.wait()
		Expect(p.b.data()).To(Equal(p.a.data()))
		Expect(p.a.called).To(Equal([]string{"unfence-peer", "fence-peer", "unfence-peer"}))
	})
})

var _ = Describe("A Primary with fencing resource-only that loses its peer", func() {
	It("calls the handler and does not wait for it", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.hold[replica.Call] = true
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveLen(1))
		p.a.fences(4)
		p.a.release()
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})
})

var _ = Describe("A promotion with fencing while the peer can't be reached", func() {
	DescribeTable("asks the handler first",
		func(exit int, code drbdwire.Code, status, why string) {
			p := synced(withFencing(replica.ResourceOnly))
			p.breakLinkForGood()
			p.b.fences(exit)
			answer := p.b.order(replica.OrderPrimary, false)
			Expect(answer.Code).To(Equal(code))
			Expect(answer.Text).To(ContainSubstring(why))
			Expect(p.b.status()).To(Equal(status))
		},
		Entry("outdated", 4, drbdwire.Success, "Primary/Unknown WFConnection UpToDate/Outdated", ""),
		Entry("down", 5, drbdwire.Success, "Primary/Unknown WFConnection UpToDate/Outdated", ""),
		Entry("shot", 7, drbdwire.Success, "Primary/Unknown WFConnection UpToDate/Outdated", ""),
		Entry("Primary", 6, drbdwire.NoUpToDateDisk, "Secondary/Unknown WFConnection Outdated/DUnknown",
			"fence-peer says that the peer is Primary"),
		Entry("broken", 1, drbdwire.PrimaryNOP, "Secondary/Unknown WFConnection UpToDate/DUnknown",
			"the peer is not known to be outdated or dead; fence-peer failed"),
	)

	It("goes ahead by force", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.breakLinkForGood()
		p.b.fences(1)
		p.b.mustOrder(replica.OrderPrimary, true)
		Expect(p.b.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
		Expect(p.b.core.State().SuspFencing).To(BeFalse())
	})

	DescribeTable("asks the handler about a peer that was Primary, though its copy is known to lack blocks",
		func(exit int, code drbdwire.Code, status string) {
			p := synced(withFencing(replica.ResourceAndStonith))
			p.a.mustOrder(replica.OrderDetach, false)
			p.a.write(1, 8, 'x', 4096)
			p.run()
			p.b.hold[replica.Read] = true // of the resync
			p.a.mustOrder(replica.OrderAttach, false)
			Expect(p.b.status()).To(Equal("Secondary/Primary SyncSource UpToDate/Inconsistent"))
			p.breakLinkForGood()
			p.b.fences(exit)
			Expect(p.b.order(replica.OrderPrimary, false).Code).To(Equal(code))
			Expect(p.b.status()).To(Equal(status))
			Expect(p.b.called).To(ContainElement("fence-peer"))
		},
		Entry("shot", 7, drbdwire.Success, "Primary/Unknown WFConnection UpToDate/Outdated"),
		Entry("Inconsistent", 3, drbdwire.Success, "Primary/Unknown WFConnection UpToDate/Inconsistent"),
		Entry("Primary: this node has the newer data all the same", 6, drbdwire.PrimaryNOP,
			"Secondary/Unknown WFConnection UpToDate/Inconsistent"),
		Entry("broken", 1, drbdwire.PrimaryNOP, "Secondary/Unknown WFConnection UpToDate/Inconsistent"),
	)

	It("asks the peer itself if that is back first", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.mustOrder(replica.OrderSecondary, false)
		p.breakLinkForGood()
		p.b.hold[replica.Call] = true
		orderID++
		p.b.step(replica.Input{Kind: replica.Order, Order: replica.OrderPrimary, ID: orderID})
		p.run()
		Expect(p.b.answers).NotTo(HaveKey(orderID))
		p.heal()
		Expect(p.b.answers).To(HaveKeyWithValue(orderID, HaveField("Code", drbdwire.Success)))
		Expect(p.b.status()).To(Equal("Primary/Secondary Connected UpToDate/UpToDate"))
	})

	for _, tc := range []struct {
		exit int
		good bool
	}{{3, true}, {4, true}, {5, false}, {7, false}} {
		It(fmt.Sprintf("of a node that came up without its peer: %d is enough: %t", tc.exit, tc.good), func() {
			p := synced(withFencing(replica.ResourceOnly))
			p.cut = true
			p.b.crash()
			restart(p.b, func(c *replica.Config) { c.WFCTimeout = 10 * time.Second })
			p.b.fences(tc.exit)
			answer := p.b.order(replica.OrderPrimary, false)
			least := drbdwire.Success
			if !tc.good {
				Expect(answer.Code).To(BeNumerically("<", least))
				return
			}
			Expect(answer.Code).To(BeNumerically(">=", least), answer.Text)
		})
	}

	It("of a node that came up and waited for its peer: shot is enough then", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.cut = true
		p.b.crash()
		restart(p.b, func(c *replica.Config) { c.WFCTimeout = 3 * time.Second })
		code, _ := p.b.core.MayPromote(false)
		Expect(code).To(Equal(drbdwire.NoUpToDateDisk))
		for range 4 {
			p.wait()
		}
		code, _ = p.b.core.MayPromote(false)
		Expect(code).To(Equal(drbdwire.PrimaryNOP), "it may be tried")
		p.b.fences(7)
		p.b.mustOrder(replica.OrderPrimary, false)
	})
})

// restart gives a node that crashed the fencing of the others.
func restart(e *end, change func(*replica.Config)) {
	GinkgoHelper()
	cfg := config()
	orderID++
	cfg.Seed = orderID * 104729
	withFencing(replica.ResourceOnly)(&cfg)
	change(&cfg)
	e.core = replica.New(cfg)
	e.mustOrder(replica.OrderAttach, false)
	e.mustOrder(replica.OrderConnect, false)
}

var _ = Describe("Parting in order, with fencing", func() {
	// As in the capture c31-outdate.
	It("a Primary lets the peer mark its copy as old in the same request", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.mustOrder(replica.OrderDisconnect, false)
		p.run()
		Expect(p.a.status()).To(Equal("Primary/Unknown StandAlone UpToDate/Outdated"))
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Outdated/DUnknown"))
		Expect(p.a.called).NotTo(ContainElement("fence-peer"))
	})

	It("a Primary fences a peer that does not answer: it may have been promoted", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call] = true
		p.cut = true
		p.a.mustOrder(replica.OrderDisconnect, false)
		Expect(p.a.status()).To(Equal("Primary/Unknown StandAlone UpToDate/DUnknown"))
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.a.fences(7)
		p.a.release()
		Expect(p.a.called).To(ContainElement("fence-peer"))
		Expect(p.a.done[1].Failed).To(BeFalse())
	})

	It("a Secondary may go when it marks its copy as old", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.b.mustOrder(replica.OrderDisconnect, false)
		p.run()
		Expect(p.b.status()).To(Equal("Secondary/Unknown StandAlone Outdated/DUnknown"))
		Expect(p.a.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
		Expect(p.a.core.State().SuspFencing).To(BeFalse())
		Expect(p.a.called).NotTo(ContainElement("fence-peer"))
	})

	It("a node that hears that its peer has gone on does not become Primary when that is fenced off", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.hold[replica.Call], p.b.hold[replica.Call] = true, true
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(HaveLen(1))
		Expect(p.b.order(replica.OrderPrimary, false).Kind).To(BeZero(), "the handler is asked")
		Expect(p.b.core.Ordered()).To(BeFalse())
		p.b.mustOrder(replica.OrderOutdate, true)
		p.b.fences(7)
		p.b.release()
		Expect(p.b.status()).To(Equal("Secondary/Unknown WFConnection Outdated/DUnknown"))
	})

	It("a node that fences a frozen peer off does not mind that it has lived on", func() {
		p := synced(withFencing(replica.ResourceAndStonith))
		p.a.hold[replica.Call], p.b.hold[replica.Call] = true, true
		p.breakLinkForGood()
		Expect(p.b.order(replica.OrderPrimary, false).Kind).To(BeZero(), "the handler is asked")
		Expect(p.b.core.Ordered()).To(BeTrue())
		Expect(p.b.order(replica.OrderOutdate, true).Code).To(Equal(drbdwire.InTransientState))
		p.b.fences(7)
		p.b.release()
		Expect(p.b.status()).To(Equal("Primary/Unknown WFConnection UpToDate/Outdated"))
	})

	It("a node with changes of its own does not mark them as old because a handler asks for it", func() {
		p := synced(withFencing(replica.ResourceOnly))
		p.a.fences(5)
		p.breakLinkForGood()
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.a.mustOrder(replica.OrderSecondary, false)
		Expect(p.a.order(replica.OrderOutdate, false).Code).To(Equal(drbdwire.FailedByPeer))
		p.a.mustOrder(replica.OrderOutdate, true)
	})
})

var _ = Describe("Suspended I/O", func() {
	It("waits, and goes on by order", func() {
		p := synced()
		p.a.mustOrder(replica.OrderSuspendIO, false)
		p.a.write(1, 8, 'x', 4096)
		p.run()
		Expect(p.a.done).To(BeEmpty())
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done).To(HaveLen(1))
		Expect(p.a.order(replica.OrderResumeIO, false).Code).To(Equal(drbdwire.NothingToDo))
	})

	It("for want of data fails by order", func() {
		p := synced(func(c *replica.Config) { c.SuspendIONoData = true })
		p.a.bad = true
		p.a.write(1, 8, 'x', 4096)
		p.run()
		p.breakLinkForGood()
		p.a.write(2, 16, 'y', 4096)
		p.run()
		Expect(p.a.core.State().SuspNoData).To(BeTrue())
		Expect(p.a.done).To(HaveLen(1))
		p.a.mustOrder(replica.OrderResumeIO, false)
		Expect(p.a.done[2].Failed).To(BeTrue())
	})
})
