package failover_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/format/hbwire"
)

// facing is a node whose peer is a script of messages, as a real Heartbeat would send them.
type facing struct {
	*machine
	seq   uint64
	said  []hbwire.Message
	hangs string // the resource whose start does not end
	hung  uint64 // the number of that start
}

func face(which int) *facing { return faceWith(which, haconf.FailbackOn) }

func faceWith(which int, failback haconf.Failback) *facing {
	w := newWorld(1, firstLine, failback)
	f := &facing{machine: w.machines[which]}
	var err error
	f.fail, err = failover.New(failover.Config{
		Node: f.name, Peer: f.peer, Failback: f.failback, Groups: f.groups, Rooms: []bool{true},
	}, f)
	Expect(err).NotTo(HaveOccurred())
	f.step(failover.Input{Kind: failover.Started})
	return f
}

// step carries actions out at once.
func (f *facing) step(in failover.Input) {
	for _, e := range f.fail.Step(f.w.now, in, nil) {
		switch e.Kind {
		case failover.Say:
			f.said = append(f.said, e.Message)
		case failover.Answer:
			f.answers[e.ID] = e.Text
		case failover.Note:
			f.notes = append(f.notes, e.Text)
		case failover.Do:
			name := f.groups[e.Group].Resources[e.Index].Text
			done := failover.Input{Kind: failover.Done, ID: e.ID, State: failover.Stopped}
			switch {
			case e.Action == failover.Start && name == f.hangs:
				f.running[name], f.hung = true, e.ID
				continue
			case e.Action == failover.Start:
				f.running[name] = true
			case e.Action == failover.Stop:
				delete(f.running, name)
			case f.running[name]:
				done.State = failover.Running
			}
			f.step(done)
		default:
		}
	}
}

func (f *facing) pass(d time.Duration) {
	for end := f.w.now + d; ; {
		at := f.fail.Deadline()
		if at > end {
			f.w.now = end
			return
		}
		f.w.now = max(f.w.now, at)
		f.step(failover.Input{Kind: failover.Tick})
	}
}

func (f *facing) hear(fields ...string) {
	f.seq++
	f.hearAs(f.seq, fields...)
}

func (f *facing) hearAs(seq uint64, fields ...string) {
	m := hbwire.Message{hbwire.Hex("seq", seq)}
	for i := 0; i < len(fields); i += 2 {
		m = append(m, hbwire.Text(fields[i], fields[i+1]))
	}
	f.step(failover.Input{Kind: failover.Message, Message: m})
}

func (f *facing) reports(holds, stable string) {
	f.hear("t", "resource", "rsc_hold", holds, "rtype", "full", "isstable", stable)
}

// texts returns one field of what was said since the last call, for messages of one type.
func (f *facing) texts(kind, field string) (texts []string) {
	for _, m := range f.said {
		if m.Text("t") == kind {
			texts = append(texts, m.Text(field))
		}
	}
	f.said = nil
	return texts
}

// settledWith is a node whose peer has come up and is stable.
func settledWith(which int, holds string) *facing {
	f := face(which)
	f.step(failover.Input{Kind: failover.PeerUp})
	f.step(failover.Input{Kind: failover.CommsUp})
	f.reports(holds, "1")
	f.pass(time.Second)
	f.said = nil
	return f
}

func TestFacingAHeartbeat(t *testing.T) {
	for name, story := range map[string]func(g Gomega){
		"it is asked what it holds, and again until it says so": func(g Gomega) {
			f := face(0)
			f.step(failover.Input{Kind: failover.PeerUp})
			f.step(failover.Input{Kind: failover.CommsUp})
			f.pass(11 * time.Second)
			g.Expect(f.texts("starting", "t")).To(HaveLen(3))
			g.Expect(f.running).To(BeEmpty())
			f.reports("none", "0")
			f.pass(10*time.Second - 1)
			g.Expect(f.running).To(BeEmpty())
			f.pass(1)
			g.Expect(f.running).To(HaveLen(3))
		},
		"it is answered when it starts, in words it knows": func(g Gomega) {
			f := settledWith(0, "none")
			f.hear("t", "starting")
			g.Expect(f.texts("resource", "rsc_hold")).To(Equal([]string{"local"}))
		},
		"it holds everything: nothing is started": func(g Gomega) {
			f := settledWith(0, "all")
			f.pass(time.Hour)
			g.Expect(f.running).To(BeEmpty())
		},
		"a report of a script adds to what it holds, and is no full one": func(g Gomega) {
			f := face(0)
			f.step(failover.Input{Kind: failover.PeerUp})
			f.step(failover.Input{Kind: failover.CommsUp})
			f.hear("t", "resource", "rsc_hold", "foreign", "info", "mach_down")
			f.pass(time.Minute)
			g.Expect(f.fail.Snapshot().Peer.Known).To(BeFalse())
			g.Expect(f.running).To(BeEmpty())
		},
		"a report that was overtaken says nothing": func(g Gomega) {
			f := settledWith(0, "all")
			f.hearAs(0, "t", "resource", "rsc_hold", "none", "rtype", "full", "isstable", "1")
			f.pass(time.Minute)
			g.Expect(f.running).To(BeEmpty())
		},
		"it does not answer a standby: the order fails after 10 s, the group runs on": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.Order, ID: 1, Order: failover.OrderStandby, Set: failover.All})
			g.Expect(f.texts("ask_resources", "info")).To(Equal([]string{"me"}))
			f.pass(10 * time.Second)
			g.Expect(f.answers[1]).To(Equal("milo2 did not answer within 10s"))
			g.Expect(f.running).To(HaveLen(3))
		},
		"it takes whole sets: three steps, and its last one counts": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.Order, ID: 1, Order: failover.OrderStandby, Set: failover.Local})
			f.hear("t", "ask_resources", "rsc_hold", "local", "info", "other")
			g.Expect(f.running).To(BeEmpty())
			g.Expect(f.texts("ask_resources", "info")).To(Equal([]string{"me", "done"}))
			f.reports("all", "1")
			f.hear("t", "ask_resources", "rsc_hold", "local", "info", "done")
			g.Expect(f.answers[1]).To(Equal("milo2 has the local groups"))
			f.pass(time.Hour)
			g.Expect(f.running).To(BeEmpty())
		},
		"it dies between two steps: the group is taken back": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.Order, ID: 1, Order: failover.OrderStandby, Set: failover.Local})
			f.hear("t", "ask_resources", "rsc_hold", "local", "info", "other")
			f.step(failover.Input{Kind: failover.PeerDied})
			g.Expect(f.answers[1]).To(Equal("milo2 died"))
			g.Expect(f.running).To(HaveLen(3))
		},
		"it restarts itself after a cut: the group runs on here": func(g Gomega) {
			f := settledWith(1, "local")
			f.step(failover.Input{Kind: failover.PeerDied})
			g.Expect(f.running).To(HaveLen(3))
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("all", "1")
			f.pass(2 * time.Second)
			f.hear("t", "resource", "rsc_hold", "none", "rtype", "full", "isstable", "0", "info", "shutdown")
			f.hear("t", "shutdone", "st", "dead")
			f.pass(time.Minute)
			g.Expect(f.running).To(HaveLen(3))
			g.Expect(f.notes).NotTo(ContainElement(ContainSubstring("is given up here")))
		},
		"it has taken over meanwhile: it hears that this node is at rest, and has the time to restart itself": func(g Gomega) {
			f := settledWith(1, "local")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.said = nil
			f.reports("all", "1")
			g.Expect(f.texts("resource", "isstable")).To(HaveExactElements("1"))
			f.pass(9 * time.Second)
			g.Expect(f.running).To(HaveLen(3))
			g.Expect(f.texts("ask_resources", "info")).To(BeEmpty(), "nothing is given to a node that is about to restart")
			f.pass(time.Second)
			g.Expect(f.running).To(BeEmpty())
		},
		"it has taken over, and is cut off again before it has restarted: it will all the same": func(g Gomega) {
			f := settledWith(1, "local")
			for range 2 {
				f.step(failover.Input{Kind: failover.PeerDied})
				f.step(failover.Input{Kind: failover.PeerHealed})
				f.reports("all", "1")
				f.pass(4 * time.Second)
			}
			f.pass(5 * time.Second)
			g.Expect(f.running).To(HaveLen(3))
		},
		"it has taken over, restarts itself, and gets its groups back: they move once": func(g Gomega) {
			f := settledWith(1, "local")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("all", "1")
			f.pass(2 * time.Second)
			f.hear("t", "resource", "rsc_hold", "none", "rtype", "full", "isstable", "0", "info", "shutdown")
			f.hear("t", "shutdone", "st", "dead")
			f.said = nil
			f.step(failover.Input{Kind: failover.PeerUp})
			f.reports("none", "0")
			f.reports("none", "1")
			f.pass(10 * time.Second)
			g.Expect(f.texts("ask_resources", "info")).To(HaveExactElements("me"))
			g.Expect(f.running).To(HaveLen(3))
		},
		"it was frozen, and takes over late: it is asked again, and gives this node's group back": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("all", "1")
			f.pass(4 * time.Second)
			f.said = nil
			f.pass(time.Second)
			var said []string
			for _, m := range f.said {
				said = append(said, m.Text("t")+m.Text("isstable"))
			}
			g.Expect(said).To(HaveExactElements("starting", "resource1"))
			f.reports("all", "1")
			f.hear("t", "ask_resources", "rsc_hold", "foreign", "info", "me")
			f.hear("t", "ask_resources", "rsc_hold", "foreign", "info", "done")
			f.reports("local", "1")
			f.said = nil
			f.pass(time.Minute)
			g.Expect(f.running).To(HaveLen(3))
			g.Expect(f.said).To(BeEmpty())
		},
		"it was given a group, and has noticed no cut: it is not taken for one that restarts": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.Order, ID: 1, Order: failover.OrderStandby, Set: failover.Local})
			f.hear("t", "ask_resources", "rsc_hold", "local", "info", "other")
			f.hear("t", "ask_resources", "rsc_hold", "local", "info", "done")
			f.reports("all", "1")
			f.step(failover.Input{Kind: failover.PeerDied})
			g.Expect(f.running).To(HaveLen(3))
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("all", "1")
			g.Expect(f.notes).NotTo(ContainElement(ContainSubstring("restarts itself")))
		},
		"it has not noticed the cut, and holds the group on: it is given up here": func(g Gomega) {
			f := settledWith(1, "local")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("local", "1")
			f.pass(5 * time.Second)
			g.Expect(f.running).To(BeEmpty())
		},
		"it stops everything: nothing starts here before it says that all is stopped": func(g Gomega) {
			f := settledWith(0, "all")
			f.hear("t", "resource", "rsc_hold", "none", "rtype", "full", "isstable", "0", "info", "shutdown")
			f.pass(time.Minute)
			g.Expect(f.running).To(BeEmpty())
			f.hear("t", "shutdone", "st", "dead")
			g.Expect(f.running).To(HaveLen(3))
		},
		"it stops groups for somebody: nothing starts here before it has settled": func(g Gomega) {
			f := settledWith(0, "all")
			f.hear("t", "resource", "rsc_hold", "none", "rtype", "full", "isstable", "0", "info", "standby")
			f.pass(time.Minute)
			g.Expect(f.running).To(BeEmpty())
			f.reports("none", "1")
			g.Expect(f.running).To(HaveLen(3))
		},
		"it holds a group that runs here too, and offers it: the offer is taken at once": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.reports("all", "1")
			f.said = nil
			f.hear("t", "ask_resources", "rsc_hold", "foreign", "info", "me")
			g.Expect(f.texts("ask_resources", "info")).To(Equal([]string{"other"}))
			f.hear("t", "ask_resources", "rsc_hold", "foreign", "info", "done")
			g.Expect(f.texts("ask_resources", "info")).To(Equal([]string{"done"}))
			f.pass(time.Minute)
			g.Expect(f.running).To(HaveLen(3))
		},
		"it holds this node's group too: it hears that this node is at rest, and gives it back": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.PeerDied})
			f.step(failover.Input{Kind: failover.PeerHealed})
			f.said = nil
			f.reports("foreign", "1")
			g.Expect(f.texts("resource", "isstable")).To(HaveExactElements("1"))
			f.pass(19 * time.Second)
			g.Expect(f.running).To(HaveLen(3))
			f.pass(time.Second)
			g.Expect(f.running).To(BeEmpty())
		},
		"it leaves: its groups are taken at once": func(g Gomega) {
			f := settledWith(1, "local")
			f.hear("t", "shutdone", "st", "dead")
			g.Expect(f.running).To(HaveLen(3))
		},
		"its operator wants a set: it is given as the other node names it": func(g Gomega) {
			f := settledWith(0, "none")
			f.hear("t", "hb_takeover", "rsc_hold", "foreign")
			g.Expect(f.texts("ask_resources", "rsc_hold")).To(Equal([]string{"local"}))
		},
		"words that nobody knows change nothing": func(g Gomega) {
			f := settledWith(0, "none")
			before := f.fail.Snapshot()
			f.hear("t", "resource", "rsc_hold", "some")
			f.hear("t", "ask_resources", "rsc_hold", "all", "info", "maybe")
			f.hear("t", "ask_resources", "rsc_hold", "all", "info", "done")
			f.hear("t", "ask_resources", "rsc_hold", "all", "info", "other")
			f.hear("t", "ip-request", "ipaddr", "drbddisk::r1")
			f.hear("t", "addnode", "nodelist", "milo3")
			g.Expect(f.fail.Snapshot()).To(Equal(before))
		},
		"a script of this node writes an order into the FIFO": func(g Gomega) {
			f := settledWith(0, "none")
			f.step(failover.Input{Kind: failover.Message, Own: true, Message: hbwire.Message{
				hbwire.Text("t", "ask_resources"), hbwire.Text("rsc_hold", "all"), hbwire.Text("info", "me"),
			}})
			g.Expect(f.fail.Snapshot().Exchange).To(Equal("waiting for the peer's answer"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			RegisterTestingT(t)
			story(NewWithT(t))
		})
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	group := func(node string) haconf.Resources {
		return haconf.Resources{{Node: node, Resources: []haconf.Resource{{Text: "xenHA"}}}}
	}
	for name, tc := range map[string]struct {
		cfg  failover.Config
		want string
	}{
		"one node":     {failover.Config{Node: "milo1", Peer: "MILO1"}, "two different names"},
		"a third node": {failover.Config{Node: "milo1", Peer: "milo2", Groups: group("milo3")}, "want milo1 or milo2"},
		"an empty group": {
			failover.Config{Node: "milo1", Peer: "milo2", Groups: haconf.Resources{{Node: "milo1"}}}, "at least one",
		},
		"too many groups": {
			failover.Config{Node: "milo1", Peer: "milo2", Groups: make(haconf.Resources, 1025)}, "at most 1024",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := failover.New(tc.cfg, nil)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}

// Whatever the peer sends, in any order, the core takes it, and its deadline is never in the past.
func TestAnyMessage(t *testing.T) {
	RegisterTestingT(t)
	words := map[string][]string{
		"t":         {"starting", "resource", "ask_resources", "hb_takeover", "shutdone", "stonith", "ip-request", "x"},
		"rsc_hold":  {"none", "local", "foreign", "all", "failback", ""},
		"rtype":     {"full", ""},
		"isstable":  {"0", "1", ""},
		"info":      {"me", "other", "done", "no", "shutdown", ""},
		"px_groups": {"", "-", "r", "R", "f", "p", "xx"},
		"px_fit":    {"", "1", "0"},
		"px_round":  {"", "milo1:1", "milo1:2", "milo2:1"},
		"px_why":    {"", "order", "failed", "unfit", "failback"},
		"px_only":   {"", "0", "1", "111"},
	}
	names := slices.Sorted(maps.Keys(words))
	for seed := range uint64(40) {
		draw := rand.New(rand.NewPCG(seed, 3))
		f := face(int(seed % 2))
		f.step(failover.Input{Kind: failover.PeerUp})
		f.step(failover.Input{Kind: failover.CommsUp})
		for range 300 {
			switch draw.IntN(20) {
			case 0:
				f.step(failover.Input{Kind: failover.InputKind(3 + draw.IntN(3))})
			case 1:
				f.step(failover.Input{
					Kind: failover.Order, Order: failover.OrderKind(draw.IntN(3)), Set: failover.Set(draw.IntN(4)),
				})
			case 2:
				f.mayStart[0], f.mayGive[0] = draw.IntN(2) == 0, draw.IntN(2) == 0
			case 3:
				f.pass(time.Duration(draw.Int64N(int64(time.Minute))))
			default:
				var fields []string
				for _, name := range names {
					fields = append(fields, name, words[name][draw.IntN(len(words[name]))])
				}
				f.hear(fields...)
			}
			Expect(f.fail.Deadline()).To(BeNumerically(">", f.w.now), "%+v", f.fail.Snapshot())
		}
	}
}
