package failover_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// third is what a witness says of the one group.
type third struct {
	held, vouched bool
	left          time.Duration // until its lease ends, if that is not renewed
}

func (t *third) MayRun(int) (bool, string)  { return t.held, "the other node has it" }
func (t *third) Vouched(int) (bool, string) { return t.vouched, "the witness does not know" }
func (t *third) MustStop(int) (bool, time.Duration, string) {
	return t.left > 0, t.left, "nobody answers"
}

// alone is a node whose peer is silent. What it is told to start runs at once.
type alone struct {
	now     time.Duration
	core    *failover.Core
	said    third
	running map[int]bool
	done    []failover.Effect
}

// cameUp is one after a crash, when it has waited for its peer for long enough.
func cameUp() *alone {
	GinkgoHelper()
	groups, err := haconf.ParseResources("haresources", []byte(firstLine), []string{"milo1", "milo2"})
	Expect(err).NotTo(HaveOccurred())
	a := &alone{running: map[int]bool{}}
	fit := &machine{mayStart: []bool{true}, mayGive: []bool{false}}
	a.core, err = failover.New(failover.Config{Node: "milo2", Peer: "milo1", Groups: groups}, fit)
	Expect(err).NotTo(HaveOccurred())
	a.core.Lease(&a.said)
	a.step(failover.Input{Kind: failover.Started, Crashed: true})
	a.step(failover.Input{Kind: failover.PeerDied, Silent: 120 * time.Second})
	a.step(failover.Input{Kind: failover.CommsUp})
	return a
}

func (a *alone) step(in failover.Input) {
	a.now += time.Second
	for _, e := range a.core.Step(a.now, in, nil) {
		if e.Kind != failover.Do {
			continue
		}
		answer := failover.Input{Kind: failover.Done, ID: e.ID, State: failover.Stopped}
		switch e.Action {
		case failover.Status:
			if a.running[e.Index] {
				answer.State = failover.Running
			}
		default:
			a.running[e.Index] = e.Action == failover.Start
			a.done = append(a.done, e)
		}
		a.step(answer)
	}
}

func (a *alone) group() failover.GroupSnapshot { return a.core.Snapshot().Groups[0] }

var _ = Describe("A node that came up after a crash and hears nobody but a witness", func() {
	It("starts nothing while the witness does not vouch for its data", func() {
		a := cameUp()
		a.said.held = true
		a.step(failover.Input{Kind: failover.Poke})
		Expect(a.group().State).To(Equal("waiting"))
		Expect(a.group().Reason).To(And(ContainSubstring("did not end cleanly"), ContainSubstring("the witness does not know")))
		Expect(a.done).To(BeEmpty())
	})

	It("starts nothing without the lease", func() {
		a := cameUp()
		a.said.vouched = true
		a.step(failover.Input{Kind: failover.Poke})
		Expect(a.group().Reason).To(ContainSubstring("does not have the lease"))
		Expect(a.done).To(BeEmpty())
	})

	It("starts its groups with both, and says why", func() {
		a := cameUp()
		a.said = third{held: true, vouched: true}
		a.step(failover.Input{Kind: failover.Poke})
		Expect(a.group().State).To(Equal("running"))
		decisions := a.core.Snapshot().Decisions
		Expect(decisions[len(decisions)-1].Rule).To(ContainSubstring("the witness vouches for the data here"))
	})
})

var _ = Describe("A group that is stopped because its lease ends", func() {
	stops := func(a *alone) (within []time.Duration) {
		for _, e := range a.done {
			if e.Action == failover.Stop {
				within = append(within, e.Within)
			}
		}
		return within
	}
	runs := func() *alone {
		a := cameUp()
		a.said = third{held: true, vouched: true}
		a.step(failover.Input{Kind: failover.Poke})
		Expect(a.group().State).To(Equal("running"))
		return a
	}

	It("is stopped within the time that is left", func() {
		a := runs()
		a.said = third{left: 8 * time.Second}
		a.step(failover.Input{Kind: failover.Poke})
		Expect(stops(a)).To(Equal([]time.Duration{4 * time.Second, 4 * time.Second, 4 * time.Second}))
	})

	It("is stopped at once when the lease is over: the machine stood still", func() {
		a := runs()
		a.said = third{left: 1}
		a.step(failover.Input{Kind: failover.Poke})
		Expect(stops(a)).To(HaveEach(time.Second))
	})

	It("has all the time it takes when an operator wants it stopped", func() {
		a := runs()
		a.step(failover.Input{Kind: failover.Order, Order: failover.OrderStop, ID: 7})
		Expect(stops(a)).To(HaveEach(time.Duration(0)))
		Expect(stops(a)).To(HaveLen(3))
	})
})
