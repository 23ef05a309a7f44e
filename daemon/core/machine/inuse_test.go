package machine_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// ordered is what becomes of an operator's order to the replica.
func (n *node) ordered(kind replica.OrderKind) replica.Effect {
	delete(n.answers, 90)
	n.replica(replica.Input{Kind: replica.Order, Order: kind, ID: 90})
	n.pair.run()
	return n.answers[90]
}

func (n *node) group(in failover.Input) {
	in.Kind = failover.Order
	n.step(machine.Input{Part: machine.Failover, Failover: in})
}

var _ = Describe("A resource that a group uses", func() {
	It("is not demoted under a group that is being started, though nothing has opened the device", func() {
		p := makePair(func(*machine.Config) {})
		milo1 := p.nodes[0]
		milo1.hangs = 1 // the volume group
		for i, n := range p.nodes {
			n.attach()
			p.run()
			n.connect(uint64(2 + i))
			n.join()
		}
		p.pass(30 * time.Second)
		Expect(milo1.ordered(replica.OrderSecondary)).To(And(
			HaveField("Code", drbdwire.DeviceInUse),
			HaveField("Text", Equal("group drbddisk::r1 is starting here, 1 of its 3 resources run, and start of LVM::vg is under "+
				"way: \"pollux standby\" gives it to the peer, in order"))))
		Expect(milo1.core.State(0).Role).To(Equal(drbdwire.Primary))
	})

	It("is not demoted under a group that runs, and is detached and disconnected as ever", func() {
		p := newPair()
		milo1 := p.nodes[0]
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("running"))
		Expect(milo1.ordered(replica.OrderSecondary).Text).To(HavePrefix(
			"group drbddisk::r1 is running here, 3 of its 3 resources run: "))
		Expect(milo1.ordered(replica.OrderDisconnect).Code).To(Equal(drbdwire.Success))
		p.cut = false
		milo1.connect(4)
		p.pass(10 * time.Second)
		Expect(milo1.ordered(replica.OrderDetach).Code).To(Equal(drbdwire.Success))
		Expect(milo1.core.State(0)).To(And(HaveField("Role", drbdwire.Primary), HaveField("Disk", drbdwire.Diskless)))
		Expect(milo1.ordered(replica.OrderDisconnect)).To(HaveField("Code", drbdwire.NoUpToDateDisk), "its users have the peer's disk alone")
		Expect(milo1.core.Status().Failover.Groups[0].State).To(Equal("running"))
	})

	It("is demoted for the group itself, and by operators where no group uses it", func() {
		p := newPair()
		milo1, milo2 := p.nodes[0], p.nodes[1]
		Expect(milo2.ordered(replica.OrderSecondary).Code).To(Equal(drbdwire.NothingToDo))
		milo1.group(failover.Input{ID: 91, Order: failover.OrderStandby, Set: failover.All})
		p.pass(time.Second)
		Expect(milo1.core.State(0).Role).To(Equal(drbdwire.Secondary))
		Expect(milo1.ordered(replica.OrderSecondary).Code).To(Equal(drbdwire.NothingToDo))
		Expect(milo2.core.Status().Failover.Groups[0].State).To(Equal("running"))
	})

	It("is the operators' in maintenance", func() {
		p := newPair()
		milo1 := p.nodes[0]
		milo1.group(failover.Input{ID: 92, Order: failover.OrderMaintenanceOn})
		Expect(milo1.ordered(replica.OrderSecondary).Code).To(Equal(drbdwire.Success))
		Expect(milo1.core.State(0).Role).To(Equal(drbdwire.Secondary))
	})
})
