package witness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// pair is two nodes and a witness, who hear each other at once.
type pair struct {
	now     time.Duration
	clients [2]*witness.Client
	voter   *witness.Voter
	lost    [2]bool // nothing passes between a node and the witness
	cut     bool    // nor between the nodes
}

func newPair(policy witness.Policy) *pair {
	p := &pair{voter: witness.NewVoter(0, lease, 7)}
	for n, name := range []string{"milo1", "milo2"} {
		p.clients[n] = witness.NewClient(0, witness.Config{
			Policy: policy, Cluster: "site", Node: name, Peer: []string{"milo2", "milo1"}[n], Lease: lease,
			Groups: []string{"drbddisk::r1"}, Start: 1,
		})
	}
	return p
}

func (p *pair) step(n int, in witness.Input) {
	for _, e := range p.clients[n].Step(p.now, in, nil) {
		switch {
		case e.Kind == witness.AskWitness && !p.lost[n]:
			ask, _ := witnesswire.DecodeAsk(e.Data)
			if a, ok := p.voter.Ask(p.now, ask); ok {
				p.step(n, witness.Input{Kind: witness.Answered, Data: a.Append(nil)})
			}
		case e.Kind == witness.AskPeer && !p.cut:
			p.step(1-n, witness.Input{Kind: witness.PeerAsks, Data: e.Data})
		case e.Kind == witness.AnswerPeer && !p.cut:
			p.step(1-n, witness.Input{Kind: witness.PeerAnswered, Data: e.Data})
		default:
		}
	}
}

func (p *pair) pass(d time.Duration) {
	for until := p.now + d; p.now < until; {
		for n, c := range p.clients {
			if c.Deadline() <= p.now {
				p.step(n, witness.Input{Kind: witness.Tick})
			}
		}
		p.now = min(until, max(p.now+time.Millisecond, min(p.clients[0].Deadline(), p.clients[1].Deadline())))
	}
}

func (p *pair) want(n int) {
	p.clients[n].Say(p.now, 0, want)
	p.pass(2 * time.Second)
}

func (p *pair) held(n int) bool {
	held, _ := p.clients[n].Held(p.now, 0)
	return held
}

func TestTwoVotesAreTheLease(t *testing.T) {
	for name, tc := range map[string]struct {
		policy   witness.Policy
		cut      bool
		lost     [2]bool
		survives bool // milo1, which holds the lease, keeps it
		takes    bool // milo2, which wants it a minute later, gets it
	}{
		"the witness is lost":                          {policy: witness.ByWitness, lost: [2]bool{true, true}, survives: true},
		"the link is cut":                              {policy: witness.ByWitness, cut: true, survives: true},
		"the holder is cut off from all":               {policy: witness.ByWitness, cut: true, lost: [2]bool{true, false}, takes: true},
		"the other is cut off from all":                {policy: witness.ByWitness, cut: true, lost: [2]bool{false, true}, survives: true},
		"witness and link are lost":                    {policy: witness.ByWitness, cut: true, lost: [2]bool{true, true}},
		"nothing is lost, and there is no witness":     {policy: witness.Freeze, survives: true},
		"the link is cut, and there is no witness":     {policy: witness.Freeze, cut: true},
		"the holder can't reach the witness, only":     {policy: witness.ByWitness, lost: [2]bool{true, false}, survives: true},
		"the other one can't reach the witness, alone": {policy: witness.ByWitness, lost: [2]bool{false, true}, survives: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := newPair(tc.policy)
			p.pass(time.Second)
			p.want(0)
			g.Expect(p.held(0)).To(BeTrue())
			p.cut, p.lost = tc.cut, tc.lost
			p.pass(time.Minute)
			g.Expect(p.held(0)).To(Equal(tc.survives))
			p.want(1)
			g.Expect(p.held(1)).To(Equal(tc.takes))
		})
	}
}

// The holder knows that its lease is over before anybody else may have it, also
// when answers are slow.
func TestTheHolderKnowsFirst(t *testing.T) {
	g, p := NewWithT(t), newPair(witness.ByWitness)
	p.pass(time.Second)
	p.want(0)
	p.cut, p.lost = true, [2]bool{true, true}
	until := p.clients[0].Until(0)
	g.Expect(until).To(BeNumerically(">", p.now))
	g.Expect(p.clients[0].Safe(until-lease/2-1, 0)).To(BeTrue())
	g.Expect(p.clients[0].Safe(until-lease/2, 0)).To(BeFalse())
	g.Expect(p.clients[0].StopAt(0)).To(And(BeNumerically(">", until-lease/2), BeNumerically("<", until)))
	p.now = until
	p.lost = [2]bool{true, false}
	p.step(1, witness.Input{Kind: witness.Tick})
	p.clients[1].Say(p.now, 0, want)
	p.step(1, witness.Input{Kind: witness.Tick})
	g.Expect(p.held(0)).To(BeFalse())
	g.Expect(p.held(1)).To(BeFalse(), "not yet")
}

// That a node holds the lease by the peer's vote says nothing of what a witness that has
// started anew promised before: the peer may have its vote.
func TestAWitnessForgetsItsPromise(t *testing.T) {
	g, p := NewWithT(t), newPair(witness.ByWitness)
	p.lost = [2]bool{true, false}
	p.pass(lease)
	p.want(0)
	g.Expect(p.held(0)).To(BeTrue(), "by the peer's vote")
	p.cut = true
	p.want(1)
	p.pass(20 * time.Second)
	g.Expect(p.held(1)).To(BeFalse(), "its own vote is promised")
	g.Expect(p.held(0)).To(BeTrue())

	p.voter = witness.NewVoter(p.now, lease, 8)
	p.lost = [2]bool{false, true}
	for range 60 {
		p.pass(time.Second)
		g.Expect(p.held(0) && p.held(1)).To(BeFalse(), "%v", p.now)
	}
	g.Expect(p.held(0)).To(BeTrue())
}

func TestAnOperatorsWord(t *testing.T) {
	g, p := NewWithT(t), newPair(witness.Freeze)
	p.cut = true
	p.want(0)
	held, why := p.clients[0].Held(p.now, 0)
	g.Expect(held).To(BeFalse())
	g.Expect(why).To(ContainSubstring("nobody takes over by itself"))
	p.clients[0].Force(p.now, 0)
	g.Expect(p.held(0)).To(BeTrue())
	g.Expect(p.clients[0].StopAt(0)).To(Equal(witness.Never))
}

// An answer may be under way while the group is given up and wanted anew: what it
// grants, the witness has been told to take back.
func TestAVoteThatWasGivenBack(t *testing.T) {
	g, p := NewWithT(t), newPair(witness.ByWitness)
	p.pass(time.Second)
	p.cut, p.lost = true, [2]bool{true, true}
	c := p.clients[0]
	answered := func(flags witnesswire.Flags) (a witnesswire.Answer) {
		p.now += time.Second
		c.Say(p.now, 0, flags)
		for _, e := range c.Step(p.now, witness.Input{Kind: witness.Tick}, nil) {
			if e.Kind == witness.AskWitness {
				ask, err := witnesswire.DecodeAsk(e.Data)
				g.Expect(err).NotTo(HaveOccurred())
				a, _ = p.voter.Ask(p.now, ask)
			}
		}
		return a
	}
	late := answered(want)
	g.Expect(late.Groups[0].Verdict).To(Equal(granted))
	g.Expect(answered(0).Groups[0].Verdict).To(Equal(witnesswire.Free))
	again := answered(want)
	for _, tc := range []struct {
		answer witnesswire.Answer
		held   bool
	}{{late, false}, {again, true}} {
		p.step(0, witness.Input{Kind: witness.Answered, Data: tc.answer.Append(nil)})
		g.Expect(p.held(0)).To(Equal(tc.held))
	}
}

func TestConfigurationsThatDoNotWork(t *testing.T) {
	good := witness.Config{Policy: witness.ByWitness, Cluster: "site", Node: "milo1", Peer: "milo2", Lease: lease}
	for name, change := range map[string]func(c *witness.Config){
		"a lease that is too short":  func(c *witness.Config) { c.Lease = time.Second },
		"a lease that is too long":   func(c *witness.Config) { c.Lease = 2 * time.Hour },
		"too many groups":            func(c *witness.Config) { c.Groups = make([]string, 1025) },
		"no name of the cluster":     func(c *witness.Config) { c.Cluster = "" },
		"two nodes of the same name": func(c *witness.Config) { c.Peer = c.Node },
	} {
		t.Run(name, func(t *testing.T) {
			g, c := NewWithT(t), good
			g.Expect(c.Check()).To(Succeed())
			change(&c)
			g.Expect(c.Check()).NotTo(Succeed())
		})
	}
}

func TestNamesMustFitIntoOnePacket(t *testing.T) {
	g := NewWithT(t)
	cfg := witness.Config{Policy: witness.ByWitness, Cluster: "site", Node: "milo1", Peer: "milo2", Lease: lease}
	for i := range 1024 {
		cfg.Groups = append(cfg.Groups, fmt.Sprint("drbddisk::resource-", i))
	}
	g.Expect(cfg.Check()).To(Succeed())
	cfg.Groups[0] += strings.Repeat("x", 200)
	for i := range cfg.Groups {
		cfg.Groups[i] += "-of-the-third-floor"
	}
	g.Expect(cfg.Check()).To(MatchError(ContainSubstring("all of them go into one packet of 30720 bytes")))
}
