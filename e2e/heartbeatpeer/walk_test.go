package heartbeatpeer_test

import (
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// full says that all of the matrix is wanted (POLLUX_MATRIX=full): else it is some rows, with one digest.
func full() bool { return os.Getenv("POLLUX_MATRIX") == "full" }

// column is a digest, and the node that pollux runs on.
type column struct {
	digest string
	ours   string
	pair   *pair // as a row has left it; nil if the next one needs a new one
}

func (c *column) String() string { return c.digest + " " + c.ours }

func columns() (all []*column) {
	wanted := []string{"crc"}
	if full() {
		wanted = []string{"crc", "md5", "sha1"}
	}
	if one := os.Getenv("POLLUX_DIGEST"); one != "" {
		wanted = strings.Fields(one)
	}
	for _, digest := range wanted {
		all = append(all, &column{digest: digest, ours: "milo1"}, &column{digest: digest, ours: "milo2"})
	}
	return all
}

// row is something that a pair goes through. It begins and ends with each node holding its own group.
type row struct {
	name  string
	smoke bool // one of the few that are run when there is little time
	body  func(ctx SpecContext, p *pair)
}

func rows() []row {
	all := slices.Concat(startRows, moveRows, lossRows, failRows)
	if !full() {
		all = slices.DeleteFunc(all, func(r row) bool { return !r.smoke })
	}
	return all
}

const theMatrix = "The matrix"

var _ = Describe(theMatrix, Label("matrix"), func() {
	for _, c := range columns() {
		Describe(c.String(), Ordered, ContinueOnFailure, func() {
			for _, r := range rows() {
				It(r.name, func(ctx SpecContext) { c.run(ctx, r) }, SpecTimeout(attempts*4*time.Minute))
			}
			AfterAll(func() {
				if c.pair != nil {
					c.pair.close()
				}
			})
		})
	}
})

// run takes the column's pair through a row, or a new one if the last row has left none.
func (c *column) run(ctx SpecContext, r row) {
	GinkgoHelper()
	for attempt := 1; ; attempt++ {
		p := c.pair
		c.pair = nil
		failed := InterceptGomegaFailure(func() {
			if p == nil {
				p = c.newPair(ctx)
				p.begin(ctx)
			}
			r.body(ctx, p)
			p.hold(ctx, "local", "local")
			Expect(p.since()).To(BeEmpty(), p.logs)
		})
		if failed == nil {
			c.pair = p
			return
		}
		lost := p != nil && p.hasLost()
		if p != nil {
			p.close()
		}
		if !lost || attempt == attempts {
			Fail(failed.Error())
		}
		AddReportEntry("the real one has lost a message of its own programs: the row begins anew", failed.Error())
	}
}

// attempts are how often a row is begun.
const attempts = 3

// hasLost says whether a Heartbeat has lost what its own programs told it, as in order: then it may never start its group,
// or never end what it is about, and all that follows proves nothing. It happens on a machine that is busy.
func (p *pair) hasLost() bool { return strings.Contains(p.theirs().log(), "Message with zero fields") }

func (c *column) newPair(ctx SpecContext) *pair {
	GinkgoHelper()
	if c.ours == "milo2" {
		return newPair(ctx, c.digest, heartbeat, pollux)
	}
	return newPair(ctx, c.digest, pollux, heartbeat)
}

// begin starts both nodes.
func (p *pair) begin(ctx SpecContext) {
	GinkgoHelper()
	p.startBoth(ctx)
	p.hold(ctx, "local", "local")
}

// startBoth waits until each node has started its own group.
func (p *pair) startBoth(ctx SpecContext) {
	GinkgoHelper()
	for _, n := range p.nodes() {
		n.start(ctx)
	}
	Eventually(p.since).WithContext(ctx).WithTimeout(patience).Should(HaveLen(4), p.logs)
	calls := p.seen()
	for _, n := range p.nodes() {
		Expect(n.of(calls)).To(Equal(n.of(n.starts(n))), p.logs)
	}
}

var startRows = []row{
	{name: "start-up, steady state", smoke: true, body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		for _, tc := range []struct{ ask, want string }{
			{"hbstatus", "Heartbeat is running on this machine."},
			{"listnodes", "milo2\nmilo1"},
			{"nodestatus " + ours.name, "active"},
			{"nodestatus " + theirs.name, "active"},
			{"hblinkstatus " + ours.name + " eth0", "up"},
		} {
			Expect(theirs.sees(ctx, strings.Fields(tc.ask)...)).To(Equal(tc.want), tc.ask)
		}
		for _, ask := range []string{
			"hbstatus", "listnodes", "listnodes -v", "listnodes -n", "listnodes -p", "nodestatus milo1",
			"nodestatus -m milo2", "nodestatus milo9", "nodestatus", "nodetype milo1", "nodetype -m milo1",
			"nodeweight milo1", "nodeweight -m milo2", "nodesite milo1", "nodesite -m milo1", "listhblinks milo1",
			"listhblinks -m milo2", "listhblinks milo9", "hblinkstatus milo2 eth0", "hblinkstatus -m milo2 eth0",
			"hblinkstatus milo2 eth9", "hblinkstatus milo2", "rscstatus", "rscstatus -m", "hbparameter -p deadtime",
			"hbparameter -m -p keepalive", "hbparameter -p warntime", "hbparameter -p nonsense", "hbparameter",
			"nonsense",
		} {
			Expect(ours.says(ctx, ask)).To(Equal(theirs.says(ctx, ask)), "cl_status %s", ask)
		}
		Consistently(p.since).WithContext(ctx).WithTimeout(2*deadtime()).Should(BeEmpty(), p.logs)
	}},
}

// deadtime is that of the pairs.
func deadtime() time.Duration {
	if full() {
		return 6 * time.Second
	}
	return 2 * time.Second
}

var moveRows = []row{
	{name: "hb_standby all by the real one, hb_takeover", smoke: true, body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		theirs.standby(ctx, "all")
		p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
		p.hold(ctx, "all", "none")
		theirs.takeover(ctx, "local")
		p.called(ctx, ours.stops(theirs), theirs.starts(theirs))
	}},
	{name: "standby all by pollux, takeover", smoke: true, body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		ours.standby(ctx, "all")
		p.called(ctx, ours.stops(ours), theirs.starts(ours))
		p.hold(ctx, "none", "all")
		ours.takeover(ctx, "local")
		p.called(ctx, theirs.stops(ours), ours.starts(ours))
	}},
	{name: "hb_standby local by the real one, failback by pollux", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		theirs.standby(ctx, "local")
		p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
		p.hold(ctx, "all", "none")
		ours.standby(ctx, "failback")
		p.called(ctx, ours.stops(theirs), theirs.starts(theirs))
	}},
	{name: "standby local by pollux, hb_standby foreign", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		ours.standby(ctx, "local")
		p.called(ctx, ours.stops(ours), theirs.starts(ours))
		p.hold(ctx, "none", "all")
		theirs.standby(ctx, "foreign")
		p.called(ctx, theirs.stops(ours), ours.starts(ours))
	}},
	{name: "takeover of all by pollux, hb_takeover of all", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		ours.takeover(ctx, "foreign")
		p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
		p.hold(ctx, "all", "none")
		theirs.takeover(ctx, "all")
		// Which group is stopped first is the own business of each.
		Eventually(p.since).WithContext(ctx).WithTimeout(patience).Should(ConsistOf(
			slices.Concat(p.inOrder(ours.stops), p.inOrder(theirs.starts))), p.logs)
		Expect(p.seen()).To(Not(ContainElement(HaveSuffix("twice"))), p.logs)
		p.hold(ctx, "none", "all")
		theirs.standby(ctx, "foreign")
		p.called(ctx, theirs.stops(ours), ours.starts(ours))
	}},
	{name: "graceful stop of the real one, return", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		theirs.stop(ctx)
		p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
		theirs.start(ctx)
		p.called(ctx, ours.stops(theirs), theirs.starts(theirs))
	}},
	{name: "graceful stop of pollux, return", body: func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		ours.stop(ctx)
		p.called(ctx, ours.stops(ours), theirs.starts(ours))
		ours.start(ctx)
		p.called(ctx, theirs.stops(ours), ours.starts(ours))
	}},
}

// inOrder are the calls for all groups in the order of haresources.
func (p *pair) inOrder(of func(owner *node) []string) []string {
	return slices.Concat(of(p.milo1), of(p.milo2))
}
