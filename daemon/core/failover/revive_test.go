package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// revive kills the daemon alone and starts it 2 s later. Its device has users that wait: the resource is Secondary, until
// it is promoted again for them, so long after the start.
func (m *machine) revive(after time.Duration) {
	m.running["drbddisk::r1"] = false
	m.restart(2 * time.Second)
	m.w.later(2*time.Second+after, func() {
		m.running["drbddisk::r1"] = true
		m.decide(failover.Input{Kind: failover.Poke})
	})
}

// movedToMilo2 is started, and then the group was moved to the node that is not preferred.
func movedToMilo2() (w *world, milo1, milo2 *machine) {
	w, milo1, milo2 = started()
	milo1.order(1, failover.OrderStandby, failover.All, false)
	w.pass(60 * time.Second)
	Expect(milo2.group(0).State).To(Equal("running"))
	w.done()
	return w, milo1, milo2
}

var _ = Describe("A daemon that was killed under a running group", func() {
	It("keeps the group on the node that is not preferred, when the resource is promoted again", func() {
		w, _, milo2 := movedToMilo2()
		milo2.revive(15 * time.Second)
		w.pass(time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("stops what is left of it there if that does not happen, and the preferred node starts it", func() {
		w, milo1, milo2 := movedToMilo2()
		milo2.revive(time.Hour)
		w.pass(time.Minute)
		Expect(w.done()).To(Equal(script("milo2 stop xenHA LVM::vg", "milo1"+startOrder)))
		Expect(milo1.group(0).State).To(Equal("running"))
	})

	It("sees that all of it runs again, though the peer is not there", func() {
		w, milo1, milo2 := movedToMilo2()
		milo1.crash()
		w.pass(100 * time.Second)
		milo2.revive(5 * time.Second)
		w.pass(15 * time.Second)
		Expect(milo2.group(0).State).To(Equal("running"))
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.group(0).Held).To(BeTrue())
	})

	It("does not stop it for what it saw before the peer came", func() {
		w, milo1, milo2 := movedToMilo2()
		milo1.crash()
		w.pass(100 * time.Second)
		milo2.revive(5 * time.Second)
		w.pass(time.Minute)
		milo1.boot(true)
		w.pass(time.Minute)
		Expect(w.done()).To(BeEmpty())
	})

	It("does not stop it when maintenance ends for what it saw when that began", func() {
		w, _, milo2 := movedToMilo2()
		milo2.order(7, failover.OrderMaintenanceOn, failover.None, false)
		w.pass(time.Second)
		milo2.revive(5 * time.Second)
		w.pass(5 * time.Minute)
		Expect(milo2.group(0).State).To(Equal("running"))
		milo2.order(8, failover.OrderMaintenanceOff, failover.None, false)
		w.pass(time.Minute)
		Expect(w.done()).To(BeEmpty())
	})

	It("does not stop it while the data are still compared with the peer's", func() {
		w, milo1, _ := started()
		milo1.mayStart[0] = false
		milo1.revive(20 * time.Second)
		w.later(22*time.Second, func() { milo1.mayStart[0] = true })
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("running"))
	})

	It("gives it to the peer if its data stay unfit", func() {
		w, milo1, milo2 := started()
		milo1.mayStart[0] = false
		milo1.revive(time.Hour)
		w.pass(5 * time.Minute)
		Expect(w.done()).To(Equal(script("milo1 stop xenHA LVM::vg", "milo2"+startOrder)))
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("stops what is left of it if the peer has taken over, and leaves what runs there alone", func() {
		w := newWorld(1, firstLine, haconf.FailbackOff)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.boot(false)
		milo2.boot(false)
		w.until(60 * time.Second)
		w.done()
		w.split = true
		milo1.run, milo1.running["drbddisk::r1"] = 0, false
		w.pass(100 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		milo1.boot(true)
		w.pass(5 * time.Minute)
		Expect(w.done()).To(Equal(script("milo1 stop xenHA LVM::vg")))
		Expect(milo2.group(0).State).To(Equal("running"))
	})
})

var _ = Describe("Groups that can't be seen, with programs that take long to say so", func() {
	It("do not keep others from being looked at, and started", func() {
		w := newWorld(1, "milo1 drbddisk::r1 LVM::a\nmilo1 drbddisk::r2 LVM::b\nmilo1 drbddisk::r3 xenC\n", haconf.FailbackOn)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.slow, milo1.unseen["LVM::a"], milo1.unseen["LVM::b"] = 10*time.Second, true, true
		milo1.boot(false)
		milo2.boot(false)
		w.pass(10 * time.Minute)
		Expect(milo1.group(2).State).To(Equal("running"))
		Expect(milo1.group(0).State).To(Equal("unknown"))
	})
})

var _ = Describe("Groups whose stop fails, with programs that take long to say so", func() {
	It("do not keep another from being stopped", func() {
		w := newWorld(1, "milo1 drbddisk::r1 xenA\nmilo1 drbddisk::r2 xenB\nmilo1 drbddisk::r3 xenC\n", haconf.FailbackOn)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.boot(false)
		milo2.boot(false)
		w.until(60 * time.Second)
		milo1.slow, milo1.refuseStop["xenA"], milo1.refuseStop["xenB"] = 30*time.Second, true, true
		w.done()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(time.Hour)
		Expect(w.done()).To(ContainElements(script("milo1 stop xenC drbddisk::r3")))
	})
})
