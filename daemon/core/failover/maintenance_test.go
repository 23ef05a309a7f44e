package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// maintained is watched, after an order of maintenance on the standby.
func maintained() (w *world, milo1, milo2 *machine) {
	w, milo1, milo2 = watched()
	milo2.order(7, failover.OrderMaintenanceOn, failover.None, false)
	w.pass(time.Second)
	Expect(milo2.answers[7]).To(Equal("true maintenance is on here and on milo1"))
	Expect(milo1.fail.Snapshot().Maintenance).To(BeTrue())
	return w, milo1, milo2
}

var _ = Describe("A pair in maintenance", func() {
	It("takes over nothing from a node that dies, and says why", func() {
		w, milo1, milo2 := maintained()
		milo1.crash()
		w.pass(10 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.group(0).State).To(Equal("waiting"))
		Expect(milo2.group(0).Reason).To(HavePrefix("maintenance is on"))
		Expect(milo2.fail.Snapshot().Decisions).To(ContainElement(HaveField("Outcome", "is left to operators")))
	})

	It("takes over by order, and once only", func() {
		w, milo1, milo2 := maintained()
		milo1.crash()
		w.pass(2 * time.Minute)
		milo2.order(1, failover.OrderTakeover, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		Expect(milo2.answers[1]).To(Equal("true the groups run here"))
		milo2.running["xenHA"] = false
		w.pass(10 * time.Minute)
		Expect(w.done()).To(BeEmpty(), "nobody looks after it")
	})

	It("takes over what was ordered before the peer could be switched off, once it is", func() {
		w, milo1, milo2 := fenced()
		milo2.order(7, failover.OrderMaintenanceOn, failover.None, false)
		milo1.crash()
		w.pass(2 * time.Minute)
		Expect(milo2.shots).To(BeEmpty())
		milo2.order(1, failover.OrderTakeover, failover.All, false)
		w.pass(time.Second)
		Expect(milo2.shots).To(HaveLen(1))
		milo2.shot(false, "")
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
	})

	It("gives nothing back, and does so when maintenance ends", func() {
		w, milo1, milo2 := started()
		milo1.crash()
		w.pass(2 * time.Minute)
		w.done()
		milo2.order(7, failover.OrderMaintenanceOn, failover.None, false)
		milo1.boot(true)
		w.pass(10 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.fail.Snapshot().Maintenance).To(BeTrue(), "it was told when it came back")
		Expect(milo2.fail.Snapshot().Failback).To(Equal("maintenance is on"))
		milo1.order(8, failover.OrderMaintenanceOff, failover.None, false)
		w.pass(10 * time.Second)
		Expect(milo1.answers[8]).To(Equal("true maintenance is off here and on milo2"))
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
	})

	It("restarts no guest that dies, until it ends", func() {
		w, milo1, milo2 := maintained()
		milo1.running["xenHA"] = false
		w.pass(10 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		milo2.order(8, failover.OrderMaintenanceOff, failover.None, false)
		w.pass(35 * time.Second)
		Expect(w.done()).To(Equal(script("milo1 start xenHA")))
	})

	It("moves groups by order, and has no failed start handed over", func() {
		w, milo1, milo2 := maintained()
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
		milo1.refuseStart["xenHA"] = true
		milo1.order(2, failover.OrderTakeover, failover.All, false)
		w.pass(5 * time.Minute)
		Expect(milo1.answers[2]).To(HavePrefix("false drbddisk::r1: start of xenHA failed"))
		w.done()
		w.pass(5 * time.Minute)
		Expect(w.done()).To(BeEmpty(), "it is down until somebody orders otherwise")
		milo2.order(3, failover.OrderTakeover, failover.All, false)
		w.pass(10 * time.Second)
		Expect(milo2.group(0).State).To(Equal("running"))
	})

	It("outlives the daemons, and starts nothing when both come back", func() {
		w, milo1, milo2 := maintained()
		milo1.crash()
		milo2.crash()
		milo1.boot(true)
		milo2.boot(true)
		w.pass(10 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		milo1.order(1, failover.OrderTakeover, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	})

	It("finds what runs after a restart of the daemon, and leaves it alone", func() {
		w, milo1, _ := maintained()
		milo1.restart(time.Second)
		w.pass(2 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo1.fail.Snapshot().Maintenance).To(BeTrue())
	})

	It("is what was ordered last, when nodes meet that did not hear each other", func() {
		w, milo1, milo2 := maintained()
		milo1.crash()
		w.pass(2 * time.Minute)
		milo2.order(8, failover.OrderMaintenanceOff, failover.None, false)
		w.pass(10 * time.Second)
		Expect(milo2.answers[8]).To(Equal("true maintenance is off here; milo1 is told when it is heard"))
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		milo1.boot(true)
		w.pass(2 * time.Minute)
		Expect(milo1.fail.Snapshot().Maintenance).To(BeFalse())
		Expect(milo2.fail.Snapshot().Maintenance).To(BeFalse())
	})

	It("says when it could not be kept", func() {
		w, milo1, _ := started()
		milo1.full = true
		milo1.order(7, failover.OrderMaintenanceOn, failover.None, false)
		w.pass(time.Second)
		Expect(milo1.answers[7]).To(Equal(
			"false maintenance is on, and the next start of the daemon will not know: no space left on device"))
		milo1.order(8, failover.OrderMaintenanceOn, failover.None, false)
		Expect(milo1.answers[8]).To(Equal("true maintenance is on already"))
	})

	It("lets one of two nodes that hold a group give it up all the same", func() {
		w, milo1, milo2 := started()
		w.cut, w.split = true, true
		w.pass(2 * time.Minute)
		milo1.order(7, failover.OrderMaintenanceOn, failover.None, false)
		w.pass(time.Second)
		w.cut = false
		w.pass(time.Minute)
		Expect(milo1.holds(milo1.groups[0])).NotTo(Equal(milo2.holds(milo2.groups[0])))
		w.split = false
	})
})

var _ = Describe("Maintenance on one node of a pair whose other is a Heartbeat", func() {
	It("is on this node alone, and its words are read whatever they are", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		milo1 := w.machines[0]
		for text, want := range map[string]bool{
			"on 1": true, "off 1": false, "on 9": true, "": false, "on": false, "on -1": false, "yes 1": false,
			"on 99999999999999999999": false, "on 4611686018427387904": false, "on 4611686018427387903": true,
		} {
			milo1.kept = text
			milo1.boot(false)
			Expect(milo1.fail.Snapshot().Maintenance).To(Equal(want), text)
		}
	})
})
