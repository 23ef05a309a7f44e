package failover_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

const tooLittle = "512 MiB are needed (web1 512), and there are 120"

// crowded is two machines whose group needs room, of which one has none. The group runs on milo1.
func crowded(which int) (w *world, milo1, milo2 *machine) {
	w = newWorld(1, firstLine, haconf.FailbackOn)
	milo1, milo2 = w.machines[0], w.machines[1]
	for _, m := range w.machines {
		m.rooms = []bool{true}
		m.boot(false)
	}
	w.until(60 * time.Second)
	Expect(w.done()).To(Equal(script("milo1" + startOrder)))
	Expect(milo1.weighed).To(BeEmpty())
	w.machines[which].noRoom = tooLittle
	DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	return w, milo1, milo2
}

// offers is how often it was told that groups are offered.
func (m *machine) offers() (count int) {
	for _, note := range m.notes {
		if strings.Contains(note, "groups are offered to") {
			count++
		}
	}
	return count
}

var _ = Describe("A node without room for the guests of a group", func() {
	It("does not get it by an order, and nothing is stopped for that", func() {
		w, milo1, milo2 := crowded(1)
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(5 * time.Second)
		Expect(milo1.answers[1]).To(Equal("false milo2 refuses: there is no room on milo2: " + tooLittle))
		Expect(milo2.weighed).To(Equal([]string{"1"}))
		milo2.order(1, failover.OrderTakeover, failover.All, false)
		w.pass(5 * time.Second)
		Expect(milo2.answers[1]).To(Equal("false there is no room on milo2: " + tooLittle))
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("none"))
		Expect(milo2.fail.Snapshot().Exchange).To(Equal("none"))
	})

	It("gets it by an order as soon as it has room", func() {
		w, milo1, milo2 := crowded(1)
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(5 * time.Second)
		milo2.noRoom = ""
		milo1.order(2, failover.OrderStandby, failover.All, false)
		w.pass(5 * time.Second)
		Expect(milo1.answers[2]).To(HavePrefix("true"))
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
	})

	It("tries all the same after the other one's death", func() {
		w, milo1, milo2 := crowded(1)
		milo1.crash()
		w.pass(2 * time.Minute)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		Expect(milo2.weighed).To(BeEmpty())
	})

	It("tries all the same what could not start on the other", func() {
		w, milo1, milo2 := crowded(1)
		milo1.crash()
		milo1.refuseStart["xenHA"] = true
		w.until(60 * time.Second)
		milo1.boot(true)
		w.pass(time.Minute)
		Expect(w.done()).To(Equal(script("milo1"+startOrder, "milo1 stop xenHA LVM::vg drbddisk::r1", "milo2"+startOrder)))
		Expect(milo2.weighed).To(BeEmpty())
	})

	It("does not get back what is its own before it has room, and that is told once", func() {
		w, milo1, milo2 := crowded(0)
		milo1.crash()
		w.pass(2 * time.Minute)
		milo1.boot(true)
		w.pass(10 * time.Minute)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
		why := "milo1 refuses: there is no room on milo1: " + tooLittle
		Expect(milo2.fail.Snapshot().Failback).To(Equal(why))
		told := 0
		for _, d := range milo2.fail.Snapshot().Decisions {
			if d.Rule == "failback waits: "+why {
				told += d.Times
			}
		}
		Expect(told).To(Equal(1))
		Expect(milo2.notes).To(ContainElement("failback to milo1 waits: " + why))
		Expect(milo2.offers()).To(Equal(1))
		Expect(len(milo1.weighed)).To(BeNumerically(">", 5), "it is asked again and again")
		milo1.noRoom = ""
		w.pass(time.Minute)
		Expect(w.done()).To(Equal(script("milo2"+stopOrder, "milo1"+startOrder)))
		Expect(milo2.fail.Snapshot().Failback).To(BeEmpty())
		Expect(milo2.offers()).To(Equal(2))
	})

	It("takes it when nobody knows whether there is room", func() {
		w, milo1, milo2 := crowded(1)
		milo2.dumb = true
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(4 * time.Second)
		Expect(milo2.fail.Snapshot().Exchange).To(Equal("seeing whether there is room for the peer's groups"))
		Expect(w.done()).To(BeEmpty())
		w.pass(5 * time.Second)
		Expect(milo1.answers[1]).To(HavePrefix("true"))
		Expect(w.done()).To(Equal(script("milo1"+stopOrder, "milo2"+startOrder)))
	})

	It("takes it over when the other one dies while it looks for room", func() {
		w, milo1, milo2 := crowded(1)
		milo2.dumb = true
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(time.Second)
		milo1.crash()
		w.pass(2 * time.Minute)
		Expect(w.done()).To(Equal(script("milo2" + startOrder)))
	})

	It("does not take what the other one no longer offers", func() {
		w, milo1, milo2 := crowded(1)
		milo2.noRoom, w.took = "", 12*time.Second
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(time.Second)
		w.cut = true
		w.pass(20 * time.Second)
		Expect(milo1.answers[1]).To(HavePrefix("false milo2 did not answer"))
		w.cut = false
		w.pass(time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo2.fail.Snapshot().Exchange).To(Equal("none"))
	})
})
