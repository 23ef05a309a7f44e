package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// fenced is started, with a device on each node that switches the other one off. What the device did is answered to
// the last of milo2's shots, by hand.
func fenced() (w *world, milo1, milo2 *machine) {
	w = newWorld(1, firstLine, haconf.FailbackOn)
	milo1, milo2 = w.machines[0], w.machines[1]
	for _, m := range w.machines {
		m.fence = true
		m.boot(false)
	}
	w.until(60 * time.Second)
	w.done()
	DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	return w, milo1, milo2
}

func (m *machine) shot(failed bool, text string) {
	m.decide(failover.Input{Kind: failover.Fenced, ID: m.shots[len(m.shots)-1], Failed: failed, Text: text})
}

var _ = Describe("A node with a fencing device", func() {
	It("starts nothing in place of a dead peer before that is switched off", func() {
		w, milo1, milo2 := fenced()
		milo1.crash()
		w.pass(120 * time.Second)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.shots).To(HaveLen(1))
		Expect(milo2.group(0).Reason).To(Equal(
			"milo1 counts as dead, and is being switched off before anything starts here"))
		milo2.shot(false, "")
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		Expect(milo2.shots).To(HaveLen(1))
	})

	It("tries a device that fails again each 5 s, says so, and starts nothing", func() {
		w, milo1, milo2 := fenced()
		milo1.crash()
		w.pass(120 * time.Second)
		milo2.shot(true, "exit status 1: no route to the power switch")
		w.pass(6 * time.Second)
		Expect(milo2.shots).To(HaveLen(2))
		Expect(milo2.group(0).Reason).To(ContainSubstring("could not be switched off: exit status 1: no route to the power switch"))
		Expect(w.done()).To(BeEmpty())
	})

	It("stops shooting when the peer is back", func() {
		w, milo1, milo2 := fenced()
		w.cut = true
		w.pass(120 * time.Second)
		Expect(milo1.shots).To(BeEmpty(), "it has all that it needs")
		milo2.shot(true, "no answer")
		w.cut = false
		w.pass(10 * time.Second)
		shots := len(milo2.shots)
		milo2.shot(false, "")
		w.pass(300 * time.Second)
		Expect(milo2.shots).To(HaveLen(shots))
		Expect(w.done()).To(BeEmpty())
	})

	It("needs no shot at a peer that has left in order, and takes an operator's word", func() {
		w, milo1, milo2 := fenced()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(200 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		Expect(milo2.shots).To(BeEmpty())
	})

	It("takes an operator's word for it", func() {
		w, milo1, milo2 := fenced()
		milo1.crash()
		w.pass(120 * time.Second)
		milo2.shot(true, "no answer")
		milo2.order(1, failover.OrderTakeover, failover.All, true)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
	})

	It("shoots nobody for data that it may not use", func() {
		w, milo1, milo2 := fenced()
		milo2.mayStart[0] = false
		milo1.crash()
		w.pass(200 * time.Second)
		Expect(milo2.shots).To(BeEmpty())
	})
})

var _ = Describe("A fencing device that fails at first", func() {
	It("is not tried again when the data here may not be used any more", func() {
		w, milo1, milo2 := fenced()
		milo1.crash()
		w.pass(120 * time.Second)
		milo2.mayStart[0] = false
		milo2.shot(true, "exit status 1: no route to the power switch")
		w.pass(time.Minute)
		Expect(milo2.shots).To(HaveLen(1))
		Expect(milo2.group(0).Reason).To(Equal("the data of this node may not be used: it is Inconsistent"))
		milo2.mayStart[0] = true
		w.pass(10 * time.Second)
		Expect(milo2.shots).To(HaveLen(2))
	})
})
