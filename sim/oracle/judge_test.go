package oracle

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/liveness"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/format/hbwire"
	"github.com/optionc/pollux/sim/world"
)

type nobody struct{}

func (nobody) Start(int)                             {}
func (nobody) Stop(int)                              {}
func (nobody) Completed(int, uint64, bool, []uint64) {}

// court is two nodes that are connected and do nothing, and what tests tell the
// oracle of users that there are not.
type court struct {
	g *WithT
	w *world.World
	o *Oracle
}

func newCourt(t *testing.T, rules Rules) *court {
	t.Helper()
	c := &court{g: NewWithT(t)}
	rules.Protocol = drbdwire.ProtocolC
	w, err := world.New(world.Config{
		Seed: 1, Sectors: 16 << 11, Machine: machine.Config{
			Resources: []replica.Config{{
				Name: "r1", Protocol: drbdwire.ProtocolC, ALExtents: 257, PingInt: time.Second,
				PingTimeout: 500 * time.Millisecond, Timeout: 6 * time.Second, MaxEpochSize: 2048, VerifyAlg: "sha1",
			}},
			Cluster: true,
			Liveness: liveness.Config{
				Keepalive: time.Second, Deadtime: time.Hour, Initdead: time.Hour, Media: []string{"eth1"},
				Keys:     hbwire.Keys{Keys: [16]hbwire.Key{{Method: hbwire.CRC}}},
				Encoding: hbwire.Netstring,
			},
			Failover: failover.Config{},
		},
	}, nil)
	c.g.Expect(err).NotTo(HaveOccurred())
	c.w, c.o = w, New(w, rules)
	w.Attend(c.o, nobody{})
	for n := range 2 {
		w.Node(n).Boot(false)
	}
	c.g.Expect(w.Run(5 * time.Second)).NotTo(HaveOccurred())
	c.g.Expect(w.Node(0).State().Conn).To(Equal(drbdwire.Connected))
	return c
}

// part cuts the connection.
func (c *court) part() {
	c.w.CutData(0)
	c.w.CutData(1)
	c.g.Expect(c.w.Run(c.w.Now() + 5*time.Second)).NotTo(HaveOccurred())
	c.g.Expect(c.w.Node(0).State().Conn).To(BeNumerically("<", drbdwire.Connected))
}

func (c *court) join() {
	c.w.HealData(0)
	c.w.HealData(1)
	c.g.Expect(c.w.Run(c.w.Now() + 30*time.Second)).NotTo(HaveOccurred())
	c.g.Expect(c.w.Node(0).State().Conn).To(Equal(drbdwire.Connected))
}

// detach lets go of a node's disk.
func (c *court) detach(n int) {
	c.w.Node(n).Order(replica.OrderDetach, false, nil)
	c.g.Expect(c.w.Run(c.w.Now() + 2*time.Second)).NotTo(HaveOccurred())
	c.g.Expect(c.w.Node(n).State().Disk).To(Equal(drbdwire.Diskless))
}

// stored puts a version on the disks of these nodes.
func (c *court) stored(w *Write, on ...int) *Write {
	for _, n := range on {
		c.w.Node(n).Data()[w.sector] = w.value
	}
	return w
}

// wrote is a write of node n that was acknowledged and is on those disks.
func (c *court) wrote(n int, sector, value uint64, on ...int) {
	c.o.Wrote(c.stored(c.o.Writes(n, sector, 1, value), on...))
}

// died is a write of node n whose user died before there was an answer; it is on that node's disk.
func (c *court) died(n int, sector, value uint64) {
	c.o.Lost(c.stored(c.o.Writes(n, sector, 1, value), n))
}

// saw is a read on node n that found a version.
func (c *court) saw(n int, sector, value uint64) { c.o.Saw(c.o.Reads(n, sector, 1), []uint64{value}) }

// forked gives the second node a history of its own that begins with what its
// disk has.
func (c *court) forked() { c.o.fork(1, c.w.Node(1).Data()) }

func (c *court) verdict() string {
	if broken := c.w.Run(c.w.Now()); broken != nil {
		return broken.Error()
	}
	return ""
}

// rot changes a block on the second node, and tells the oracle or does not.
func (c *court) rot(sector uint64, told bool) {
	c.w.Node(1).Rot(sector)
	if told {
		c.o.Rots(sector)
	}
}

// verify compares both copies, and goes on when that is done.
func (c *court) verify() {
	before := c.o.Counts.Verified
	c.w.Node(0).Order(replica.OrderVerify, false, nil)
	for range 60 {
		if c.w.Run(c.w.Now()+time.Second) != nil || c.o.Counts.Verified > before {
			return
		}
	}
	c.g.Expect(c.o.Counts.Verified).To(BeNumerically(">", before), "no online verify came to its end")
}

// A node that is overwritten may lose nothing but what somebody gave up.
func TestOverwrites(t *testing.T) {
	const (
		allowed   = ""
		unordered = "though nobody ordered it"
		old       = "by a copy that is old itself"
	)
	for name, tc := range map[string]struct {
		rules Rules
		do    func(c *court)
		want  string
	}{
		"of equal copies": {
			do: func(c *court) { c.wrote(0, 8, 1, 0, 1) }, want: allowed,
		},
		"by a copy that lacks an acknowledged write": {
			do: func(c *court) { c.wrote(0, 8, 1, 0) }, want: unordered,
		},
		"by a copy that lacks one, and a policy would solve a split brain, but there was none": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardLeastChanges},
			do:    func(c *court) { c.wrote(0, 8, 1, 0) }, want: unordered,
		},
		"by a policy, of a node that has told its users of nothing since both were alone": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardYoungerPrimary},
			do: func(c *court) {
				c.o.nodes[0].begun, c.o.nodes[1].begun = true, true
				c.wrote(0, 8, 1, 0)
			}, want: allowed,
		},
		"by a policy, of a node that was not alone": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardYoungerPrimary},
			do: func(c *court) {
				c.o.nodes[0].begun = true
				c.wrote(0, 8, 1, 0)
			}, want: unordered,
		},
		"by order": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0)
				c.o.Discards(0)
			}, want: allowed,
		},
		"by a history in which the node has done nothing": {
			do: func(c *court) {
				c.forked()
				c.wrote(1, 8, 1, 1)
			}, want: allowed,
		},
		"by a history that lacks a write of this node's": {
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
			}, want: unordered,
		},
		"by a history that has the write, which was acknowledged after it went apart": {
			do: func(c *court) {
				late := c.stored(c.o.Writes(0, 8, 1, 1), 0, 1)
				c.forked()
				c.wrote(1, 8, 2, 1)
				c.o.Wrote(late)
			}, want: allowed,
		},
		"by a history that lacks the write, which was acknowledged after it went apart": {
			do: func(c *court) {
				late := c.stored(c.o.Writes(0, 8, 1, 1), 0)
				c.forked()
				c.o.Wrote(late)
			}, want: unordered,
		},
		"by a history, in which an older write got lost": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0, 1)
				c.forked()
				c.w.Node(1).Data()[8] = 0
			}, want: old,
		},
		"by order, and the history of the other lost a write of its own": {
			do: func(c *court) {
				c.forked()
				c.wrote(1, 8, 1)
				c.o.Discards(0)
			}, want: old,
		},
		"by a policy": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardLeastChanges},
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
			}, want: allowed,
		},
		"by a policy that lets only a node lose that has done nothing": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardZeroChanges, AfterSB1: drbdwire.AfterSBDiscardSecondary},
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
			}, want: unordered,
		},
		"by a policy for one Primary": {
			rules: Rules{AfterSB1: drbdwire.AfterSBDiscardSecondary},
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
				c.o.nodes[0].met.Peer = drbdwire.Primary
			}, want: allowed,
		},
		"by a policy against a Primary": {
			rules: Rules{AfterSB1: drbdwire.AfterSBDiscardSecondary},
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
				c.o.nodes[0].met.Role = drbdwire.Primary
			}, want: unordered,
		},
		"by a policy, and the history of the other lost a write of its own": {
			rules: Rules{AfterSB0: drbdwire.AfterSBDiscardLeastChanges},
			do: func(c *court) {
				c.forked()
				c.wrote(0, 8, 1, 0)
				c.wrote(1, 16, 2)
			}, want: old,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, tc.rules)
			tc.do(c)
			c.o.overwritten(0)
			if tc.want == allowed {
				c.g.Expect(c.verdict()).To(BeEmpty())
				return
			}
			c.g.Expect(c.verdict()).To(ContainSubstring(tc.want))
		})
	}
}

// A read that was under way when a resync began may find what the history of its node
// had, which ends there; one that begins later, or finds what was older there, may not.
func TestReadsAcrossTheEndOfAHistory(t *testing.T) {
	const (
		allowed = ""
		stale   = promise2
	)
	for name, tc := range map[string]struct {
		forked bool
		before bool   // the read begins before the resync
		found  uint64 // version
		want   string
	}{
		"what the history had":                       {forked: true, before: true, found: 2, want: allowed},
		"what the other history has":                 {forked: true, before: true, found: 3, want: allowed},
		"what was older in the history":              {forked: true, before: true, found: 1, want: stale},
		"what the history had, and began afterwards": {forked: true, found: 2, want: stale},
		"an old version, and there was one history":  {before: true, found: 2, want: stale},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, Rules{})
			c.wrote(0, 8, 1, 0, 1)
			c.wrote(0, 8, 2, 0, 1)
			if tc.forked {
				c.forked()
			}
			c.wrote(1, 8, 3, 0, 1)
			read := c.o.Reads(0, 8, 1)
			c.o.resyncBegins(0)
			if !tc.before {
				c.o.Forget(read)
				read = c.o.Reads(0, 8, 1)
			}
			c.o.Saw(read, []uint64{tc.found})
			if tc.want == allowed {
				c.g.Expect(c.verdict()).To(BeEmpty())
				return
			}
			c.g.Expect(c.verdict()).To(ContainSubstring(tc.want))
		})
	}
}

// A node whose users will miss acknowledged writes may show its data only if
// nobody could know, or somebody said so.
func TestShows(t *testing.T) {
	const (
		allowed = ""
		lost    = promise1
		stale   = promise5
	)
	alone := func(c *court) {
		c.part()
		c.wrote(0, 8, 1, 0)
	}
	restarted := func(ago time.Duration) func(c *court) {
		return func(c *court) {
			alone(c)
			c.o.nodes[1].restarted, c.o.nodes[1].up = true, c.w.Now()-ago
		}
	}
	for name, tc := range map[string]struct {
		rules Rules
		do    func(c *court)
		want  string
	}{
		"without a write that the peer alone has, unknown here": {do: alone, want: allowed},
		"without a write that was on both": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0)
				c.part()
			}, want: lost,
		},
		"without what nobody was told of, and users of the peer saw when it was alone": {
			do: func(c *court) {
				c.part()
				c.died(0, 8, 1)
				c.saw(0, 8, 1)
			}, want: allowed,
		},
		"without what nobody was told of, and users of both saw": {
			do: func(c *court) {
				c.died(0, 8, 1)
				c.saw(0, 8, 1)
				c.part()
			}, want: lost,
		},
		"and can tell that the peer went on": {
			do: func(c *court) {
				alone(c)
				c.o.nodes[1].known = true
			}, want: stale,
		},
		"and the peer is fenced before it goes on": {rules: Rules{Fenced: true}, do: alone, want: stale},
		"and was started anew":                     {do: restarted(time.Hour), want: stale},
		"and was started anew, and has waited for as long as it must": {
			rules: Rules{GoesOn: 10 * time.Second}, do: restarted(10 * time.Second), want: allowed,
		},
		"and was started anew, and has not waited for as long as it must": {
			rules: Rules{GoesOn: 10 * time.Second}, do: restarted(9 * time.Second), want: stale,
		},
		"and was started anew, has waited, and fences its peer off": {
			rules: Rules{GoesOn: 10 * time.Second, Fenced: true}, do: restarted(10 * time.Second), want: allowed,
		},
		"and was started anew, has not waited, and fences its peer off": {
			rules: Rules{GoesOn: 10 * time.Second, Fenced: true}, do: restarted(9 * time.Second), want: stale,
		},
		"while it is connected": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0)
				c.o.alone[1] = true
			}, want: stale,
		},
		"while it is connected, and an operator gave up what the peer has": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0)
				c.o.Discards(0)
			}, want: allowed,
		},
		"and an operator wants to give up what the peer has, who is not there": {
			do: func(c *court) {
				c.wrote(0, 8, 1, 0)
				c.part()
				c.o.Discards(0)
			}, want: lost,
		},
		"without a disk, on the peer's, whose history went its own way": {
			do: func(c *court) {
				c.o.fork(0, c.w.Node(0).Data())
				c.wrote(0, 8, 1, 0)
				c.detach(1)
			}, want: allowed,
		},
		"without a disk, on the peer's, which went its own way before users here were told of a write": {
			do: func(c *court) {
				c.o.fork(0, c.w.Node(0).Data())
				c.wrote(1, 8, 1, 1)
				c.detach(1)
			}, want: lost,
		},
		"and an operator gave up what the peer had, but that was as good": {
			do: func(c *court) {
				c.part()
				c.o.Discards(0)
				c.join()
				c.wrote(0, 8, 1, 0)
			}, want: lost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, tc.rules)
			tc.do(c)
			c.o.Exposed(1)
			if tc.want == allowed {
				c.g.Expect(c.verdict()).To(BeEmpty())
				return
			}
			c.g.Expect(c.verdict()).To(ContainSubstring(tc.want))
		})
	}
}

// What an online verify finds was not copied, unless somebody knows of it.
func TestVerifies(t *testing.T) {
	const allowed = ""
	for name, tc := range map[string]struct {
		do   func(c *court)
		want string
	}{
		"what is equal":           {do: func(*court) {}, want: allowed},
		"what rotted":             {do: func(c *court) { c.rot(0, true) }, want: allowed},
		"what nobody has spoiled": {do: func(c *court) { c.rot(0, false) }, want: "found 1 blocks"},
		"what was marked before": {
			do: func(c *court) {
				c.rot(0, true)
				c.verify()
				c.o.Found()
			}, want: allowed,
		},
		"more than what was marked before": {
			do: func(c *court) {
				c.rot(0, true)
				c.verify()
				c.o.Found()
				c.rot(80, false)
			}, want: "found 2 blocks",
		},
		"more than what rotted, and was found before": {
			do: func(c *court) {
				c.rot(0, true)
				c.verify()
				c.rot(80, false)
			}, want: "found 2 blocks",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, Rules{})
			tc.do(c)
			c.verify()
			if tc.want == allowed {
				c.g.Expect(c.verdict()).To(BeEmpty())
				return
			}
			c.g.Expect(c.verdict()).To(ContainSubstring(tc.want))
		})
	}
}
