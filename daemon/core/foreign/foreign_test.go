package foreign_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/foreign"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

func TestForeign(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "core/foreign")
}

var _ = Describe("A resource that the kernel's DRBD replicates", func() {
	var r *foreign.Resource
	var now time.Duration

	waiting := drbdwire.State{
		Role: drbdwire.Secondary, Conn: drbdwire.WFConnection, Disk: drbdwire.UpToDate, PeerDisk: drbdwire.DUnknown,
	}
	connected := drbdwire.State{
		Role: drbdwire.Secondary, Peer: drbdwire.Primary, Conn: drbdwire.Connected, Disk: drbdwire.UpToDate,
		PeerDisk: drbdwire.UpToDate,
	}
	primary := connected
	primary.Role, primary.Peer = drbdwire.Primary, drbdwire.Secondary

	BeforeEach(func() {
		now = 0
		r = foreign.New(replica.Config{Name: "r1", WFCTimeout: 90 * time.Second})
	})
	step := func(in replica.Input) []replica.Effect { return r.Step(now, in, nil) }
	see := func(s drbdwire.State) []replica.Effect {
		return step(replica.Input{Kind: replica.Observed, State: s.Pack(), ID: 7})
	}
	order := func(kind replica.OrderKind, force bool) []replica.Effect {
		return step(replica.Input{Kind: replica.Order, Order: kind, Force: force, ID: 5})
	}
	may := func() drbdwire.Code {
		code, _ := r.MayPromote(false)
		return code
	}

	It("may not be used before it was seen", func() {
		Expect(may()).To(Equal(drbdwire.NoUpToDateDisk))
		Expect(order(replica.OrderPrimary, false)).To(ConsistOf(
			And(HaveField("Kind", replica.Answer), HaveField("Code", drbdwire.NoUpToDateDisk))))
	})

	It("is not UpToDate before it met its peer, whatever the kernel says", func() {
		Expect(see(waiting)).To(ConsistOf(HaveField("Kind", replica.Changed)))
		Expect(r.State().Disk).To(Equal(drbdwire.Consistent))
		Expect(may()).To(Equal(drbdwire.NoUpToDateDisk))

		see(connected)
		Expect(r.State()).To(Equal(connected))
		Expect(may()).To(Equal(drbdwire.TwoPrimaries))
		see(waiting)
		Expect(r.State().Disk).To(Equal(drbdwire.UpToDate), "it has met it")
		Expect(may()).To(Equal(drbdwire.Success))
	})

	It("is when it has waited for as long as drbd.conf says", func() {
		see(waiting)
		Expect(r.Deadline()).To(Equal(90 * time.Second))
		now = r.Deadline()
		Expect(step(replica.Input{Kind: replica.Tick})).To(ConsistOf(HaveField("Kind", replica.Changed)))
		Expect(may()).To(Equal(drbdwire.Success))
		Expect(r.Deadline()).To(Equal(replica.Never))
	})

	It("starts anew with a disk that comes back", func() {
		see(connected)
		gone := waiting
		gone.Disk = drbdwire.Diskless
		see(gone)
		see(waiting)
		Expect(r.State().Disk).To(Equal(drbdwire.Consistent))
	})

	It("hands an order on and answers with what became of it", func() {
		see(waiting)
		Expect(order(replica.OrderPrimary, true)).To(ConsistOf(replica.Effect{
			Kind: replica.Delegate, Order: replica.OrderPrimary, Force: true, ID: 5,
		}))
		Expect(order(replica.OrderSecondary, false)).To(ConsistOf(HaveField("Code", drbdwire.InTransientState)))
		see(primary)
		Expect(step(replica.Input{Kind: replica.Delegated, ID: 4, Exit: 1})).To(BeEmpty(), "another's")
		Expect(step(replica.Input{Kind: replica.Delegated, ID: 5, Exit: 1})).To(ConsistOf(
			And(HaveField("Kind", replica.Answer), HaveField("Code", drbdwire.Success))))

		Expect(order(replica.OrderSecondary, false)).To(HaveLen(1))
		Expect(step(replica.Input{Kind: replica.Delegated, ID: 5, Exit: -12, Text: "held"})).To(ConsistOf(replica.Effect{
			Kind: replica.Answer, ID: 5, Code: drbdwire.DeviceInUse, Text: "held",
		}))
		Expect(r.Status().Note).To(Equal("held"))
	})

	It("is left as it is when the daemon ends", func() {
		see(primary)
		Expect(order(replica.OrderShutdown, false)).To(ConsistOf(
			And(HaveField("Kind", replica.Answer), HaveField("Code", drbdwire.Success))))
	})

	It("says how far a resync is, and what is marked", func() {
		see(connected)
		syncing := connected
		syncing.Conn, syncing.Disk = drbdwire.SyncTarget, drbdwire.Inconsistent
		marked := func(s drbdwire.State, kib uint64) {
			step(replica.Input{Kind: replica.Observed, State: s.Pack(), ID: 7, Marked: kib})
		}
		marked(syncing, 4000)
		now += 2 * time.Second
		marked(syncing, 1000)
		s := r.Status()
		Expect(s.OutOfSync).To(BeEquivalentTo(1000))
		Expect(*s.Resync).To(And(HaveField("PerMille", BeEquivalentTo(750)), HaveField("Average", BeEquivalentTo(1500))))
		marked(connected, 0)
		Expect(r.Status()).To(And(HaveField("Resync", BeNil()), HaveField("OutOfSync", BeZero())))
	})

	It("says why the kernel has given its peer up", func() {
		see(connected)
		alone := waiting
		alone.Conn = drbdwire.StandAlone
		Expect(step(replica.Input{Kind: replica.Observed, State: alone.Pack(), Text: "Split-Brain detected"})).To(ConsistOf(
			HaveField("Text", ContainSubstring("given the peer up: Split-Brain detected"))))
		see(waiting)
		Expect(r.Status().Note).To(Equal("the kernel's DRBD has given the peer up: Split-Brain detected"))
	})

	It("tells of a state once", func() {
		Expect(see(connected)).To(HaveLen(1))
		Expect(see(connected)).To(BeEmpty())
		Expect(r.Generation()).To(BeEquivalentTo(6), "without the mark of a Primary")
	})
})
