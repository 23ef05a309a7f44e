package failover_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

var _ = Describe("A word that groups are stopped", func() {
	It("is not sent again when the node that gave them has started them again, since its peer was silent", func() {
		w, milo1, milo2 := started()
		milo1.slow = 5 * time.Second
		milo1.order(1, failover.OrderStandby, failover.All, false)
		w.pass(2 * time.Second)
		milo2.mute = true
		w.pass(25 * time.Second)
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("stopping groups for the peer"))
		w.cut = true
		w.pass(10 * time.Second)
		Expect(milo1.fail.Snapshot().Exchange).To(Equal("the peer is starting groups"))
		milo1.slow = 0
		w.pass(57 * time.Second)
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.fail.Snapshot().Peer.Present).To(BeTrue(), "it has heard its peer for longer")
		w.done()
		milo2.mute, w.cut = false, false
		w.pass(2 * time.Minute)
		Expect(w.done()).To(BeEmpty())
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo2.fail.Snapshot().Exchange).To(Equal("none"))
	})
})

var _ = Describe("A look at what was started a moment ago", func() {
	It("does not make up for its stop, when the group is to be stopped meanwhile", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		milo1 := w.machines[0]
		milo1.shy["xenHA"] = 1
		milo1.boot(false)
		w.machines[1].boot(false)
		for !slices.Contains(w.log, "milo1 start xenHA") {
			w.pass(50 * time.Millisecond)
		}
		w.pass(250 * time.Millisecond)
		w.done()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(10 * time.Second)
		Expect(w.done()[:3]).To(Equal(script("milo1" + stopOrder)))
		Expect(w.broken).To(BeEmpty())
	})

	It("does not let the peer start it, while its stop waits for that of another group", func() {
		w := newWorld(1, "milo1 xenA\nmilo2 xenB\n", haconf.FailbackOn)
		milo1, milo2 := w.machines[0], w.machines[1]
		milo1.shy["xenB"], milo1.slow = 1, 10*time.Second
		milo1.boot(false)
		for !slices.Contains(w.log, "milo1 start xenB") {
			w.pass(50 * time.Millisecond)
		}
		milo2.boot(false)
		w.pass(45 * time.Second)
		Expect(milo1.group(0).State).To(Equal("running"))
		Expect(milo1.group(1).State).To(Equal("starting"), "it is looked at")
		w.done()
		milo1.order(1, failover.OrderStop, failover.All, false)
		w.pass(time.Minute)
		Expect(w.done()[:2]).To(Equal(script("milo1 stop xenA xenB")))
		Expect(w.broken).To(BeEmpty())
	})
})

var _ = Describe("A node that takes groups, and whose lease ends while a start hangs", func() {
	It("does not wait for it for ever", func() {
		w := newWorld(1, firstLine, haconf.FailbackOn)
		f := &facing{machine: w.machines[1], hangs: "xenHA"}
		var err error
		f.fail, err = failover.New(failover.Config{Node: f.name, Peer: f.peer, Failback: f.failback, Groups: f.groups}, f)
		Expect(err).NotTo(HaveOccurred())
		said := third{held: true}
		f.fail.Lease(&said)
		f.step(failover.Input{Kind: failover.Started})
		f.step(failover.Input{Kind: failover.PeerUp})
		f.step(failover.Input{Kind: failover.CommsUp})
		f.hear("t", "resource", "rsc_hold", "local", "rtype", "full", "isstable", "1", "px_groups", "r", "px_fit", "1")
		f.hear("t", "ask_resources", "rsc_hold", "local", "info", "me", "px_round", "milo1:1", "px_why", "order")
		f.hear("t", "ask_resources", "rsc_hold", "local", "info", "done", "px_round", "milo1:1", "px_groups", "-")
		Expect(f.fail.Snapshot().Exchange).To(Equal("starting the peer's groups"))
		f.pass(40 * time.Second)
		Expect(f.group(0).State).To(Equal("starting"))
		said = third{left: 8 * time.Second}
		f.step(failover.Input{Kind: failover.Poke})
		f.step(failover.Input{Kind: failover.Done, ID: f.hung})
		Expect(f.running).To(BeEmpty())
		said = third{}
		f.pass(10 * time.Minute)
		Expect(f.fail.Snapshot().Exchange).To(Equal("none"))
	})
})
