package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

var _ = Describe("Two nodes that start, with the line milo1 drbddisk::r1 LVM::vg xenHA", func() {
	It("tell each other that they hold nothing, then the preferred one starts the group from left to right", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(5 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
		Expect(w.machines[0].fail.Snapshot().Holding).To(Equal("local"))
		Expect(w.machines[1].fail.Snapshot().Holding).To(Equal("local"))
		Expect(w.machines[1].group(0).State).To(Equal("stopped"))
	})

	DescribeTable("start alone after initdead", func(which int) {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		m := w.machines[which]
		m.boot(false)
		w.until(119 * time.Second)
		Expect(w.done()).To(BeEmpty())
		w.pass(5 * time.Second)
		Expect(w.done()).To(Equal(script(m.name + startOrder)))
	}, Entry("the preferred one", 0), Entry("the other one", 1))

	It("start nothing before the other one has looked at all that it may run", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		w.machines[1].slow = 20 * time.Second
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(59 * time.Second)
		Expect(w.done()).To(BeEmpty())
		w.until(70 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})

	It("start each what is their own after both have crashed, as soon as they hear each other", func() {
		w := newWorld(1, "milo1 drbddisk::r1\nmilo2 drbddisk::r2\n", haconf.FailbackOn)
		w.machines[1].boot(true)
		w.until(100 * time.Second)
		w.machines[0].boot(true)
		w.until(105 * time.Second)
		Expect(w.done()).To(ConsistOf("milo1 start drbddisk::r1", "milo2 start drbddisk::r2"))
	})

	It("keep what runs already", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		for _, name := range []string{"drbddisk::r1", "LVM::vg", "xenHA"} {
			w.machines[1].running[name] = true
		}
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(60 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(w.machines[1].group(0).State).To(Equal("running"))
	})

	It("start nothing that the other one cannot see, until it can", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		w.machines[1].unseen["LVM::vg"] = true
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(120 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(w.machines[1].group(0).State).To(Equal("unknown"))
		w.machines[1].unseen["LVM::vg"] = false
		w.until(140 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})
})

var _ = Describe("An order", func() {
	It("to go standby stops the group from right to left, then the other node starts it", func() {
		w, milo1, milo2 := started()
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		Expect(milo1.answers[1]).To(Equal("true milo2 has the all groups"))
		Expect(milo2.fail.Snapshot().Holding).To(Equal("all"))
		Expect(milo1.fail.Snapshot().Holding).To(Equal("none"))
		w.pass(300 * time.Second)
		Expect(w.done()).To(BeEmpty(), "what an operator has moved stays there")
	})

	It("to take over gets the group from the other node", func() {
		w, _, milo2 := started()
		milo2.order(7, failover.OrderTakeover, failover.Foreign, false)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		Expect(milo2.answers[7]).To(Equal("true the groups run here"))
	})

	It("is refused with the reason while the other copy is not fit", func() {
		w, milo1, milo2 := started()
		milo1.mayGive[0] = false
		milo1.order(1, failover.OrderStandby, failover.All, false)
		Expect(milo1.answers[1]).To(Equal(
			"false standby refused: drbddisk::r1: the copy on milo2 is not fit: it is being resynchronized",
		))
		milo2.order(2, failover.OrderTakeover, failover.All, false)
		w.pass(time.Second)
		Expect(milo2.answers[2]).To(Equal(
			"false milo1 refuses: drbddisk::r1: the copy on milo2 is not fit: it is being resynchronized",
		))
		Expect(w.done()).To(BeEmpty())
	})

	It("is refused when there is nothing to do it with", func() {
		w, milo1, milo2 := started()
		milo2.order(1, failover.OrderStandby, failover.All, false)
		Expect(milo2.answers[1]).To(Equal("true nothing to give: this node holds none of the all groups"))
		milo2.mayStart[0] = false
		milo2.order(2, failover.OrderTakeover, failover.All, false)
		Expect(milo2.answers[2]).To(HavePrefix("false takeover refused: drbddisk::r1: the data of this node may not be used"))
		milo2.mayStart[0] = true
		milo2.crash()
		w.pass(100 * time.Second)
		milo1.order(3, failover.OrderStandby, failover.All, false)
		Expect(milo1.answers[3]).To(Equal("false standby refused: milo2 is not there"))
		Expect(w.done()).To(BeEmpty())
	})

	It("to stop brings everything down, tells the other node, and lets it take over at once", func() {
		w, milo1, milo2 := started()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(2 * time.Second)
		Expect(milo1.left).To(BeFalse(), "heartbeats go on for a moment")
		w.pass(3 * time.Second)
		Expect(milo1.left).To(BeTrue())
		Expect(milo1.answers[1]).To(Equal("true everything is stopped"))
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		w.pass(200 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.group(0).State).To(Equal("running"))
	})
})

var _ = Describe("A node that loses power", func() {
	It("is followed after deadtime, and gets its group back when it returns", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		w.pass(85 * time.Second)
		Expect(w.done()).To(BeEmpty())
		w.pass(15 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		milo1.boot(true)
		w.pass(30 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
		Expect(milo2.fail.Snapshot().Holding).To(Equal("local"))
	})

	It("gets its group back once, when the resync has ended", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		w.pass(100 * time.Second)
		milo2.mayGive[0], milo1.mayStart[0] = false, false
		w.done()
		milo1.boot(true)
		w.pass(600 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.fail.Snapshot().Failback).To(
			ContainSubstring("the copy on milo1 is not fit: it is being resynchronized"),
		)
		milo2.mayGive[0], milo1.mayStart[0] = true, true
		milo2.decide(failover.Input{Kind: failover.Poke})
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(300 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)), "and then it stays")
	})

	It("does not get it back with auto_failback off", func() {
		w, milo1, milo2 := started()
		milo1.failback, milo2.failback = haconf.FailbackOff, haconf.FailbackOff
		milo2.crash()
		milo2.boot(false)
		w.pass(30 * time.Second)
		milo1.crash()
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		milo1.boot(true)
		w.pass(300 * time.Second)
		Expect(w.done()).To(BeEmpty())
	})

	It("is not followed on data that may not be used, until it may", func() {
		w, milo1, milo2 := started()
		milo2.mayStart[0] = false
		milo1.crash()
		w.pass(200 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.group(0).State).To(Equal("waiting"))
		Expect(milo2.group(0).Reason).To(Equal("the data of this node may not be used: it is Inconsistent"))
		milo2.mayStart[0] = true
		w.pass(6 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
	})

	It("may be back before it was missed, and starts its group again", func() {
		w, milo1, _ := started()
		milo1.crash()
		w.pass(20 * time.Second)
		milo1.boot(true)
		w.pass(30 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})

	It("starts nothing by itself when it comes back alone", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		milo2.crash()
		w.pass(time.Hour)
		milo1.boot(true)
		w.pass(300 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("waiting"))
		Expect(milo1.group(0).Reason).To(ContainSubstring("order a takeover by force here"))
		milo1.order(1, failover.OrderTakeover, failover.All, false)
		Expect(milo1.answers[1]).To(HavePrefix("false takeover refused: this node did not end cleanly"))
		milo1.order(2, failover.OrderTakeover, failover.All, true)
		w.pass(5 * time.Second)
		Expect(milo1.answers[2]).To(Equal("true the groups run here"))
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})

	It("starts its group after it has heard the other one", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		milo2.crash()
		w.pass(time.Hour)
		milo1.boot(true)
		w.pass(300 * time.Second)
		milo2.boot(true)
		w.pass(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})
})

var _ = Describe("A start that fails", func() {
	It("is undone in reverse order, and the other node runs the group", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.refuseStart["xenHA"] = true
		milo1.boot(false)
		milo2.boot(false)
		w.until(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+startOrder, "milo1"+stopOrder, "milo2"+startOrder)))
		Expect(milo1.group(0).State).To(Equal("failed"))
		Expect(milo1.group(0).Reason).To(HavePrefix("start of xenHA failed: exit status 1"))
		w.pass(time.Hour)
		Expect(w.done()).To(BeEmpty())
		milo1.refuseStart["xenHA"] = false
		milo1.order(1, failover.OrderTakeover, failover.All, false)
		w.pass(10 * time.Second)
		Expect(milo1.answers[1]).To(Equal("true the groups run here"))
		Expect(w.broken).To(BeEmpty())
	})

	It("fails on both nodes once each, and then rests", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		for _, m := range w.machines {
			m.refuseStart["LVM::vg"] = true
			m.boot(false)
		}
		w.until(time.Hour)
		Expect(w.done()).To(Equal(script(
			"milo1 start drbddisk::r1 LVM::vg", "milo1 stop LVM::vg drbddisk::r1",
			"milo2 start drbddisk::r1 LVM::vg", "milo2 stop LVM::vg drbddisk::r1",
		)))
		Expect(w.machines[1].group(0).State).To(Equal("failed"))
	})

	It("leads the group back when an operator had moved it", func() {
		w, milo1, milo2 := started()
		milo2.refuseStart["xenHA"] = true
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder, "milo2"+stopOrder, "milo1"+startOrder)))
		Expect(milo1.answers[1]).To(HavePrefix("false milo2 could not start drbddisk::r1"))
	})
})

var _ = Describe("A start that takes a while to be seen", func() {
	It("keeps the next step waiting, and is called once", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		milo1 := w.machines[0]
		milo1.shy["LVM::vg"] = 5
		milo1.boot(false)
		w.until(123 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start drbddisk::r1 LVM::vg")))
		Expect(milo1.group(0).State).To(Equal("starting"))
		Expect(milo1.group(0).Step).To(Equal(1))
		Expect(milo1.fail.Snapshot().Holding).To(Equal("transition"))
		w.pass(6 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start xenHA")))
		Expect(milo1.group(0).Held).To(BeTrue())
	})

	It("has failed when ten looks do not find it", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		w.machines[0].shy["LVM::vg"] = 10
		w.machines[0].boot(false)
		w.until(140 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start drbddisk::r1 LVM::vg", "milo1 stop LVM::vg drbddisk::r1")))
		Expect(w.machines[0].group(0).Reason).To(HavePrefix("LVM::vg is stopped after its start"))
	})
})

var _ = Describe("A stop that fails", func() {
	It("is tried on, reported, and never lets the other node start", func() {
		w, milo1, milo2 := started()
		milo1.refuseStop["LVM::vg"] = true
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(10 * time.Minute)
		Expect(w.log).NotTo(ContainElement(HavePrefix("milo2 start")))
		Expect(w.log).NotTo(ContainElement("milo1 stop drbddisk::r1"))
		Expect(milo1.answers[1]).To(HavePrefix("false drbddisk::r1: stop of LVM::vg failed: exit status 1"))
		Expect(milo1.group(0).State).To(Equal("stopping"))
		Expect(milo1.group(0).Reason).To(Equal("stop of LVM::vg failed: exit status 1"))
		Expect(milo2.group(0).State).To(Equal("stopped"))
		w.done()
		milo1.refuseStop["LVM::vg"] = false
		w.pass(20 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 stop LVM::vg drbddisk::r1", "milo2"+startOrder)))
	})

	It("keeps a node that is to stop from leaving", func() {
		w, milo1, milo2 := started()
		milo1.refuseStop["xenHA"] = true
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(10 * time.Minute)
		Expect(milo1.left).To(BeFalse())
		Expect(milo2.group(0).State).To(Equal("stopped"))
		milo1.refuseStop["xenHA"] = false
		w.pass(20 * time.Second)
		Expect(milo1.left).To(BeTrue())
		Expect(milo2.group(0).State).To(Equal("running"))
	})
})

var _ = Describe("A cut network", func() {
	It("makes both run the group; after the healing the preferred node keeps it, and the other one stops it", func() {
		w, milo1, milo2 := started()
		w.cut, w.split = true, true
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		w.cut = false
		w.pass(20 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + stopOrder)))
		Expect(milo1.group(0).State).To(Equal("running"))
		w.split = false
		w.pass(time.Hour)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.fail.Snapshot().Settled).To(BeTrue())
	})

	It("leaves the group on the preferred node with auto_failback off as well", func() {
		w := newWorld(1, firstLine, haconf.FailbackOff)
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(60 * time.Second)
		w.cut, w.split = true, true
		w.pass(100 * time.Second)
		w.done()
		w.cut = false
		w.pass(20 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + stopOrder)))
	})

	It("leaves the group to the other node if the preferred one's data may not be used", func() {
		w, milo1, milo2 := started()
		w.cut, w.split = true, true
		w.pass(100 * time.Second)
		w.done()
		milo1.mayStart[0], milo2.mayGive[0] = false, false
		w.cut = false
		w.pass(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + stopOrder)))
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("that one node alone notices, in the middle of a handover, ends the handover on both", func() {
		w, milo1, milo2 := started()
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(700 * time.Millisecond)
		milo1.mute = true
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)), "milo2 counts milo1 as dead")
		milo1.mute = false
		w.pass(60 * time.Second)
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("none"))
		Expect(milo1.fail.Snapshot().Settled).To(BeTrue())
		Expect(milo2.fail.Snapshot().Settled).To(BeTrue())
	})

	It("that is short goes unnoticed but for a late heartbeat", func() {
		w, _, _ := started()
		w.cut = true
		w.pass(80 * time.Second)
		w.cut = false
		w.pass(200 * time.Second)
		Expect(w.done()).To(BeEmpty())
	})
})

var _ = Describe("A node that is paused", func() {
	It("gives the group up, or keeps it, but one node runs it in the end", func() {
		w, milo1, _ := started()
		w.split = true
		milo1.frozen = true
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		milo1.thaw()
		w.pass(30 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + stopOrder)))
		Expect(milo1.group(0).State).To(Equal("running"))
	})

	It("does not take over from a node that was never silent", func() {
		w, _, milo2 := started()
		milo2.frozen = true
		w.pass(85 * time.Second)
		milo2.thaw()
		milo2.frozen = true
		w.pass(89 * time.Second)
		milo2.thaw()
		w.pass(100 * time.Second)
		Expect(w.done()).To(BeEmpty())
	})
})

var _ = Describe("Two groups, one for each node", func() {
	const lines = "milo1 drbddisk::r1 xenA\nmilo2 drbddisk::r2 xenB\n"

	It("start on their nodes, and go on together where there is one node", func() {
		w := newWorld(1, lines, haconf.FailbackOn)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.boot(false)
		milo2.boot(false)
		w.until(60 * time.Second)
		Expect(w.done()).To(ConsistOf(script("milo1 start drbddisk::r1 xenA", "milo2 start drbddisk::r2 xenB")))
		milo2.crash()
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start drbddisk::r2 xenB")))
		Expect(milo1.fail.Snapshot().Holding).To(Equal("all"))
		milo2.boot(true)
		w.pass(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 stop xenB drbddisk::r2", "milo2 start drbddisk::r2 xenB")))
	})

	It("leave one another alone when one fails to start", func() {
		w := newWorld(1, "milo1 drbddisk::r1 xenA\nmilo1 drbddisk::r2 xenB\n", haconf.FailbackOn)
		w.machines[0].refuseStart["xenB"] = true
		w.machines[0].boot(false)
		w.machines[1].boot(false)
		w.until(60 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start drbddisk::r1 xenA", "milo1 start drbddisk::r2 xenB",
			"milo1 stop xenB drbddisk::r2", "milo2 start drbddisk::r2 xenB")))
	})
})
