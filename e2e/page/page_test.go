package page_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/page/site"
	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/cable"
)

var _ = Describe("The page, on two Xen dom0s", Label("vm", "xen"), Ordered, func() {
	Describe("step by step", steps)
	Describe("a planned move while the guest runs", planned)
	Describe("a power loss of the active dom0", powerLoss)
	Describe("a death of polluxd alone", daemonDeath)
	Describe("a bad link", badLink)
})

// refused expects an order to fail for a reason.
func refused(err error, reason string) {
	GinkgoHelper()
	Expect(err).To(MatchError(ContainSubstring(reason)))
}

func shell(ctx SpecContext, n *site.Node, script string) error {
	_, err := n.Shell(ctx, script)
	return err
}

func must(ctx SpecContext, n *site.Node, script string) {
	GinkgoHelper()
	Expect(shell(ctx, n, script)).To(Succeed(), logs)
}

func steps() {
	It("is told of each of its traps beforehand", func(ctx SpecContext) {
		for _, t := range traps {
			By(t.name)
			Expect(milo1.Check(ctx, t.edit)).To(ContainSubstring(t.says), t.name)
		}
	}, SpecTimeout(5*time.Minute))

	It("syncs two disks with fresh metadata", func(ctx SpecContext) {
		Expect(pair.Replicate(ctx)).To(Succeed(), logs)
		refused(milo1.Order(ctx, "create-md", "r1"), "found DRBD 8.4 metadata")
		refused(milo2.Order(ctx, "primary", "r1"), "Multiple primaries")
	}, SpecTimeout(15*time.Minute))

	It("has a volume group on the replicated device, and on that only", func(ctx SpecContext) {
		Expect(pair.MakeVolume(ctx)).To(Succeed(), logs)
		must(ctx, milo1, "pvs --noheadings -o pv_name | grep -qE '^ */dev/(drbd1|nbd[0-9]+) *$'")
		By("not seeing it on the Secondary")
		refused(shell(ctx, milo2, "vgchange -ay vg"), "exit status 5")
		By("not getting it there either when lvm.conf lets LVM see the disk below")
		refused(shell(ctx, milo2, "vgchange --config 'devices{filter=[\"a|.*|\"]}' -ay vg"), "exit status 5")
		Expect(pair.Synced(ctx)).To(Succeed(), logs)
	}, SpecTimeout(10*time.Minute))

	It("does not use a disk below on which the group is active", func(ctx SpecContext) {
		Expect(milo2.Order(ctx, "detach", "r1")).To(Succeed(), logs)
		must(ctx, milo2, "vgchange --config 'devices{filter=[\"a|.*|\"]}' -ay vg")
		said, err := milo2.Shell(ctx, "pollux attach r1 2>&1 || true")
		Expect(err).NotTo(HaveOccurred())
		Expect(said).To(ContainSubstring("volume group vg is active on"))
		By("using it again after the command that the reason says")
		cure := regexp.MustCompile("then: (vgchange .* -an vg); then: pollux attach r1,").FindStringSubmatch(said)
		Expect(cure).To(HaveLen(2), said)
		must(ctx, milo2, cure[1])
		Expect(milo2.Order(ctx, "attach", "r1")).To(Succeed(), logs)
		Expect(pair.Synced(ctx)).To(Succeed(), logs)
	}, SpecTimeout(10*time.Minute))

	It("moves by hand in the right order, and refuses every wrong one", func(ctx SpecContext) {
		byHand(ctx, milo1)
		wrongOrders(ctx, milo1, milo2)
		awayByHand(ctx, milo1)
		Expect(milo2.Order(ctx, "primary", "r1")).To(Succeed(), logs)
		byHand(ctx, milo2)
		wrongOrders(ctx, milo2, milo1)
		awayByHand(ctx, milo2)
		Expect(milo1.Order(ctx, "primary", "r1")).To(Succeed(), logs)
	}, SpecTimeout(20*time.Minute))

	It("lets the cluster do it from now on", func(ctx SpecContext) {
		Expect(pair.Cluster(ctx)).To(Succeed(), logs)
		ready = true
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		Expect(milo2.Guests(ctx)).To(BeEmpty())
		intact(ctx, milo1)
	}, SpecTimeout(20*time.Minute))
}

// byHand is the second half of a move, on a node that is Primary.
func byHand(ctx SpecContext, n *site.Node) {
	GinkgoHelper()
	must(ctx, n, "vgscan && vgchange -ay vg && xl create -q /etc/xen/ha.d/web1.cfg")
	Expect(n.Writes(ctx, 10)).To(Succeed(), logs)
}

// awayByHand is the first half.
func awayByHand(ctx SpecContext, n *site.Node) {
	GinkgoHelper()
	must(ctx, n, "xl shutdown -w web1 && while xl domid web1 2>/dev/null; do sleep 0.2; done; vgchange -an vg")
	Expect(n.Order(ctx, "secondary", "r1")).To(Succeed(), logs)
}

// wrongOrders tries what must not be done while the guest runs on active, and
// sees the guest go on.
func wrongOrders(ctx SpecContext, active, other *site.Node) {
	GinkgoHelper()
	By("refusing to be Secondary under a volume group")
	refused(active.Order(ctx, "secondary", "r1"), "vg/web1")
	By("refusing to deactivate the volume group under the guest")
	refused(shell(ctx, active, "vgchange -an vg"), "in use")
	By("refusing a second Primary")
	refused(other.Order(ctx, "primary", "r1"), "Multiple primaries")
	refused(other.Order(ctx, "primary", "--force", "r1"), "Multiple primaries")
	By("refusing to activate the volume group on the Secondary")
	refused(shell(ctx, other, "vgchange -ay vg"), "exit status 5")
	refused(shell(ctx, other, "vgchange --config 'devices{filter=[\"a|.*|\"]}' -ay vg"), "exit status 5")
	Expect(active.Writes(ctx, 10)).To(Succeed(), logs)
	Expect(pair.Synced(ctx)).To(Succeed(), logs)
}

func planned() {
	It("moves by standby and goes home by failback", func(ctx SpecContext) {
		running(ctx)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		_, before := milo1.Printed()
		Expect(milo1.Order(ctx, "standby", "all")).To(Succeed(), logs)
		Expect(pair.Runs(ctx, milo2)).To(Succeed(), logs)
		Expect(milo2.Writes(ctx, 20)).To(Succeed(), logs)
		Expect(milo1.Guests(ctx)).To(BeEmpty())
		away := intact(ctx, milo2)
		_, after := milo1.Printed()
		Expect(after).To(BeNumerically(">=", before))
		Expect(milo2.Writes(ctx, 20)).To(Succeed(), logs)

		Expect(milo1.Order(ctx, "takeover", "all")).To(Succeed(), logs)
		Expect(pair.Runs(ctx, milo1)).To(Succeed(), logs)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		home := intact(ctx, milo1)
		took(site.Phase{Name: "away", Took: away}, site.Phase{Name: "home", Took: home})
	}, SpecTimeout(20*time.Minute))
}

func powerLoss() {
	for round := range rounds() {
		It(fmt.Sprintf("loses no promised record, and the other dom0 takes over (round %d)", round+1), func(ctx SpecContext) {
			running(ctx)
			Expect(milo1.Writes(ctx, 20+rand.IntN(100))).To(Succeed(), logs)
			o, err := pair.Crash(ctx, milo1, milo2)
			Expect(err).NotTo(HaveOccurred(), logs)
			Expect(milo2.Writes(ctx, 50)).To(Succeed(), logs)

			By("starting nothing on the dom0 that returns before its copy is good, then failing back")
			Expect(pair.Return(ctx, milo1, &o)).To(Succeed(), logs)
			Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
			intact(ctx, milo1)
			took(o.Phases.List()...)
		}, SpecTimeout(30*time.Minute))
	}
}

// rounds is how often the power is cut, and polluxd killed: POLLUX_ROUNDS, or once.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("POLLUX_ROUNDS")); err == nil {
		return n
	}
	return 1
}

func daemonDeath() {
	for round := range rounds() {
		It(fmt.Sprintf("does not disturb the guest: it waits, and goes on (round %d)", round+1), func(ctx SpecContext) {
			for killedTooLong(ctx) {
				By("trying again: the machine was so slow that the other dom0 took over")
			}
			running(ctx)
			took(site.Phase{Name: "longest wait", Took: intact(ctx, milo1)})
		}, SpecTimeout(20*time.Minute))
	}

	It("nor does an upgrade in place", func(ctx SpecContext) {
		running(ctx)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		before, err := milo1.Guests(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(milo1.Upgrade(ctx)).To(Succeed(), logs)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		Expect(domain(milo1.Guests(ctx))).To(Equal(domain(before, nil)), "number of the guest's domain")
		running(ctx)
		took(site.Phase{Name: "longest wait", Took: intact(ctx, milo1)})
	}, SpecTimeout(20*time.Minute))

	It("moves the guest when it lasts, and has it back afterwards", func(ctx SpecContext) {
		running(ctx)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		Expect(milo1.KillDaemon(ctx)).To(Succeed())
		Expect(pair.Runs(ctx, milo2)).To(Succeed(), logs)
		Expect(milo2.Writes(ctx, 20)).To(Succeed(), logs)
		By("giving up what is left of the guest, whose disk is another one by now")
		Expect(milo1.Start(ctx)).To(Succeed(), logs)
		running(ctx)
		Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
		Expect(milo2.Guests(ctx)).To(BeEmpty())
		intact(ctx, milo1)
	}, SpecTimeout(20*time.Minute))
}

// killedTooLong kills polluxd under the guest, starts it again, and sees the same guest
// go on. It is true if that took so long that the other dom0 took over; then there was
// another guest, and it runs at home again.
func killedTooLong(ctx SpecContext) bool {
	GinkgoHelper()
	running(ctx)
	Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
	before, err := milo1.Guests(ctx)
	Expect(err).NotTo(HaveOccurred())
	killed := time.Now()
	Expect(milo1.KillDaemon(ctx)).To(Succeed())
	Expect(milo1.Start(ctx)).To(Succeed(), logs)
	Expect(site.Wait(ctx, "milo2 hears milo1 again", site.Soon, func() (bool, error) {
		_, err := milo2.When(killed, "peer milo1 is up")
		return err == nil, err
	})).To(Succeed(), logs)
	if _, err := milo2.When(killed, "counts as dead"); err == nil {
		running(ctx)
		return true
	}
	Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
	Expect(domain(milo1.Guests(ctx))).To(Equal(domain(before, nil)), "number of the guest's domain")
	return false
}

func badLink() {
	AfterEach(func() {
		if pair != nil {
			pair.Wire.Heal("milo1", "milo2")
			pair.Wire.Both("milo1", "milo2", func(d *link.Direction) { d.Latency, d.Loss = 0, 0 })
		}
	})

	It("moves nothing when it is cut for less than deadtime", func(ctx SpecContext) {
		running(ctx)
		cutShortly(ctx)
		took(site.Phase{Name: "longest wait", Took: intact(ctx, milo1)})
	}, SpecTimeout(20*time.Minute))

	It("nor when it is slow and loses packets besides", func(ctx SpecContext) {
		running(ctx)
		wan(pair.Wire)
		cutShortly(ctx)
		took(site.Phase{Name: "longest wait", Took: intact(ctx, milo1)})
	}, SpecTimeout(20*time.Minute))
}

// cutShortly cuts the link for half of deadtime while the guest writes. What it
// wrote meanwhile is on both disks in the end.
func cutShortly(ctx SpecContext) {
	GinkgoHelper()
	Expect(milo1.Writes(ctx, 50)).To(Succeed(), logs)
	since := time.Now()
	pair.Wire.Both("milo1", "milo2", (*link.Direction).Cut)
	select {
	case <-time.After(pair.Timers.Deadtime / 2):
	case <-ctx.Done():
	}
	pair.Wire.Heal("milo1", "milo2")
	Expect(milo1.Writes(ctx, 20)).To(Succeed(), logs)
	running(ctx)
	for _, n := range []*site.Node{milo1, milo2} {
		for _, e := range n.Events(since) {
			Expect(e.Text).NotTo(Or(HavePrefix("start "), HavePrefix("stop "), ContainSubstring("counts as dead")), n.Name)
		}
	}
}

// wan is a link between two sites.
func wan(wire *cable.Switch) {
	wire.Both("milo1", "milo2", func(d *link.Direction) { d.Latency, d.Loss = 40*time.Millisecond, 10_000 })
}

// domain is the number of the one guest in the lines of xl list.
func domain(guests string, err error) string {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	fields := strings.Fields(guests)
	Expect(len(fields)).To(BeNumerically(">", 1), guests)
	return fields[1]
}
