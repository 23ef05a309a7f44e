package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// patient is two machines whose groups go back after 60 s, once an hour. The preferred one has died, and is back: its
// copy is not fit yet.
func patient() (w *world, milo1, milo2 *machine) {
	w = newWorld(1, firstLine, haconf.FailbackOn)
	milo1, milo2 = w.machines[0], w.machines[1]
	for _, m := range w.machines {
		m.patience = failover.Patience{Steady: 60 * time.Second, Period: time.Hour}
		m.boot(false)
	}
	w.until(60 * time.Second)
	DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	returns(w)
	return w, milo1, milo2
}

// returns lets milo1 die, and come back with a copy that is not fit.
func returns(w *world) {
	milo1, milo2 := w.machines[0], w.machines[1]
	milo1.crash()
	w.pass(120 * time.Second)
	Expect(milo2.group(0).State).To(Equal("running"))
	milo2.mayGive[0] = false
	milo1.boot(true)
	w.pass(60 * time.Second)
	w.done()
}

// fits changes what the copy on milo1 is good for, which milo2's shell tells its core.
func fits(milo2 *machine, fit bool) {
	milo2.mayGive[0] = fit
	milo2.decide(failover.Input{Kind: failover.Poke})
}

var _ = Describe("Groups that go back after 60 s of a steady link, once an hour", func() {
	It("are announced, and go back when the time is over", func() {
		w, milo1, milo2 := patient()
		Expect(milo2.fail.Snapshot().Failback).To(HaveSuffix("it is being resynchronized"))
		fits(milo2, true)
		Expect(milo2.fail.Snapshot().Failback).To(Equal(
			"announced, in 1m0s: the copy on milo1 has to stay fit, and the link steady, for so long"))
		Expect(milo2.fail.Snapshot().FailbackDue).To(Equal(w.now + time.Minute))
		Expect(milo2.notes).To(ContainElement(HavePrefix("failback to milo1 waits: announced, in 1m0s")))
		w.pass(59 * time.Second)
		Expect(w.done()).To(BeEmpty())
		w.pass(6 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.fail.Snapshot().FailbackDue).To(BeZero())
	})

	It("wait anew when the connection breaks in between, however short that is", func() {
		w, _, milo2 := patient()
		fits(milo2, true)
		for range 5 {
			w.pass(50 * time.Second)
			fits(milo2, false)
			fits(milo2, true)
		}
		Expect(w.done()).To(BeEmpty())
		w.pass(65 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
	})

	It("wait anew when the other node was not heard in between", func() {
		w, milo1, milo2 := patient()
		fits(milo2, true)
		w.pass(30 * time.Second)
		w.cut, milo1.mayStart[0] = true, false
		w.pass(100 * time.Second)
		w.cut = false
		w.pass(10 * time.Second)
		milo1.mayStart[0] = true
		w.pass(40 * time.Second)
		Expect(w.done()).To(BeEmpty())
		w.pass(30 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
	})

	DescribeTable("go back once, and then not before the hour is over", func(anew bool) {
		w, milo1, milo2 := patient()
		fits(milo2, true)
		w.pass(65 * time.Second)
		Expect(milo1.group(0).State).To(Equal("running"))
		gone := w.now
		if anew {
			w.pass(10 * time.Minute)
			milo2.crash()
			milo2.boot(true)
			w.pass(time.Minute)
		}
		returns(w)
		fits(milo2, true)
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.fail.Snapshot().Failback).To(HaveSuffix("groups go back once in 1h0m0s"))
		w.until(gone + time.Hour + time.Minute)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
	},
		Entry("by the daemon that gave them", false),
		Entry("by one that starts anew in between", true),
	)

	It("say so when the next start of the daemon will not know that", func() {
		w, milo1, milo2 := patient()
		milo2.full = true
		fits(milo2, true)
		w.pass(65 * time.Second)
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.notes).To(ContainElement(
			"groups go back, and the next start of the daemon will not know when: no space left on device"))
	})

	It("go back at once when an operator says so", func() {
		w, _, milo2 := patient()
		fits(milo2, true)
		w.pass(10 * time.Second)
		milo2.order(1, failover.OrderStandby, failover.All, false)
		w.pass(5 * time.Second)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
	})
})
