package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// watched is started, with both nodes looking after what runs each 30 s, and three restarts in ten minutes.
func watched() (w *world, milo1, milo2 *machine) {
	w = newWorld(1, firstLine, haconf.FailbackOn)
	milo1, milo2 = w.machines[0], w.machines[1]
	for _, m := range w.machines {
		m.monitor = failover.Monitor{Every: 30 * time.Second, Restarts: 3, Period: 10 * time.Minute}
		m.boot(false)
	}
	w.until(60 * time.Second)
	Expect(milo1.group(0).State).To(Equal("running"))
	w.done()
	DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	return w, milo1, milo2
}

var _ = Describe("A group that is looked after each 30 s, three restarts in 10 min", func() {
	It("has a guest that died started again, and nothing else touched", func() {
		w, milo1, _ := watched()
		milo1.running["xenHA"] = false
		w.pass(35 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start xenHA")))
		Expect(milo1.group(0).State).To(Equal("running"))
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty())
	})

	It("has what may need a dead resource stopped before that is started again", func() {
		w, milo1, _ := watched()
		milo1.running["LVM::vg"] = false
		w.pass(35 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 stop xenHA", "milo1 start LVM::vg xenHA")))
	})

	It("goes to the other node when it dies once too often", func() {
		w, milo1, milo2 := watched()
		for range 4 {
			milo1.running["xenHA"] = false
			w.pass(40 * time.Second)
		}
		Expect(w.done()).To(Equal(script("milo1 start xenHA", "milo1 start xenHA", "milo1 start xenHA", "milo1"+stopOrder,
			"milo2"+startOrder)))
		Expect(milo1.group(0).Reason).To(HavePrefix("xenHA has died, after all restarts that it had"))
		w.pass(30 * time.Minute)
		Expect(w.done()).To(BeEmpty(), "it does not go back and forth")
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("stays when the other copy is not fit, restarted at a slower pace", func() {
		w, milo1, _ := watched()
		milo1.mayGive[0] = false
		for range 4 {
			milo1.running["xenHA"] = false
			w.pass(40 * time.Second)
		}
		Expect(w.done()).To(Equal(script("milo1 start xenHA", "milo1 start xenHA", "milo1 start xenHA")))
		Expect(milo1.group(0).Reason).To(HavePrefix("xenHA has died, after 3 restarts within 10m0s; milo2 can't take it."))
		w.pass(200 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start xenHA")))
		Expect(milo1.group(0).Reason).To(BeEmpty())
	})

	It("goes over as soon as the other copy is fit", func() {
		w, milo1, _ := watched()
		milo1.mayGive[0] = false
		for range 4 {
			milo1.running["xenHA"] = false
			w.pass(40 * time.Second)
		}
		w.done()
		milo1.mayGive[0] = true
		w.pass(20 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
	})

	It("is left alone when it can't be seen, and says so", func() {
		w, milo1, _ := watched()
		milo1.unseen["xenHA"] = true
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).Reason).To(Equal("xenHA could not be seen"))
		milo1.unseen["xenHA"] = false
		w.pass(2 * time.Minute)
		Expect(milo1.group(0).Reason).To(BeEmpty())
	})

	It("takes no answer for true that was asked before it moved", func() {
		w, milo1, milo2 := watched()
		w.took = 8 * time.Second
		w.pass(40 * time.Second)
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(3 * time.Minute)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("is held by a stop that fails in a restart, and the other node never starts it", func() {
		w, milo1, _ := watched()
		milo1.refuseStop["xenHA"] = true
		milo1.running["LVM::vg"] = false
		w.pass(5 * time.Minute)
		for _, action := range w.done() {
			Expect(action).To(Equal("milo1 stop xenHA"))
		}
		Expect(milo1.group(0).State).To(Equal("restarting"))
		milo1.refuseStop["xenHA"] = false
		w.pass(time.Minute)
		Expect(milo1.group(0).State).To(Equal("running"))
	})

	It("is stopped altogether by an order that comes in the middle of a restart", func() {
		w, milo1, milo2 := watched()
		w.took = 3 * time.Second
		milo1.running["LVM::vg"] = false
		for milo1.group(0).State != "restarting" {
			w.pass(time.Second)
		}
		w.done()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(3 * time.Minute)
		Expect(milo1.holds(milo1.groups[0])).To(BeFalse())
		Expect(milo2.runsAll(milo2.groups[0])).To(BeTrue())
	})

	It("is not down on both nodes: a failed start is tried again while nobody else can", func() {
		w, milo1, milo2 := watched()
		milo2.refuseStart["xenHA"] = true
		milo1.crash()
		w.pass(3 * time.Minute)
		Expect(milo2.group(0).State).NotTo(Equal("running"))
		milo2.refuseStart["xenHA"] = false
		w.pass(5 * time.Minute)
		Expect(milo2.group(0).State).To(Equal("running"))
	})
})
