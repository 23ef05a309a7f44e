package heartbeatpeer_test

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// variant is another ha.cf.
type variant struct {
	name   string
	change []string // pairs of texts, old and new
	body   func(ctx SpecContext, p *pair)
}

var variants = []variant{
	{"auto_failback legacy", []string{"auto_failback on", "auto_failback legacy"}, func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		p.startBoth(ctx)
		p.dies(ctx, theirs, ours) // neither tells then what it holds
		p.returns(ctx, theirs, ours)
		p.dies(ctx, ours, theirs)
		p.returns(ctx, ours, theirs)
		for i, n := range p.nodes() {
			other := p.nodes()[1-i]
			n.stop(ctx)
			p.called(ctx, n.stops(n), other.starts(n))
			n.start(ctx)
			p.called(ctx, other.stops(n), n.starts(n))
		}
	}},
	{"auto_failback off", []string{"auto_failback on", "auto_failback off"}, func(ctx SpecContext, p *pair) {
		theirs, ours := p.theirs(), p.ours()
		p.begin(ctx)
		for _, n := range []*node{theirs, ours} {
			other := ours
			if n == ours {
				other = theirs
			}
			n.powerOff()
			p.called(ctx, other.starts(n))
			n.boot(ctx)
			n.start(ctx)
			Eventually(n.holds).WithContext(ctx).WithTimeout(patience).Should(Equal("none"), p.logs)
			Eventually(other.holds).WithContext(ctx).WithTimeout(patience).Should(Equal("all"), p.logs)
			n.takeover(ctx, "local")
			p.called(ctx, other.stops(n), n.starts(n))
			p.hold(ctx, "local", "local")
		}
	}},
	{"bcast", []string{"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2", "bcast eth0"}, moves},
	{"mcast", []string{"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2", "mcast eth0 225.0.0.1 694 1 0"}, moves},
	{"mcast6", []string{"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2", "mcast6 eth0 ff02::694 694 1 0"}, moves},
	{"ucast6", []string{
		"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2", "ucast6 eth0 fd00::1\nucast6 eth0 fd00::2",
	}, func(ctx SpecContext, p *pair) {
		for i, n := range p.nodes() {
			n.sh(ctx, fmt.Sprintf("ip -6 address add fd00::%d/64 dev eth0 nodad", i+1))
		}
		moves(ctx, p)
	}},
	{"ucast, bcast and mcast at once", []string{
		"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2",
		"ucast eth0 192.168.0.1\nucast eth0 192.168.0.2\nbcast eth0\nmcast eth0 225.0.0.1 694 1 0",
	}, moves},
	{"msgfmt netstring", []string{"auto_failback on", "auto_failback on\nmsgfmt netstring"}, func(ctx SpecContext, p *pair) {
		// More can't be had: with that, the real one ignores what its own scripts tell it.
		p.begin(ctx)
		Consistently(p.since).WithContext(ctx).WithTimeout(2*deadtime()).Should(BeEmpty(), p.logs)
	}},
}

// moves are a start and a move each way.
func moves(ctx SpecContext, p *pair) {
	theirs, ours := p.theirs(), p.ours()
	p.begin(ctx)
	theirs.standby(ctx, "all")
	p.called(ctx, theirs.stops(theirs), ours.starts(theirs))
	p.hold(ctx, "all", "none")
	ours.standby(ctx, "failback")
	p.called(ctx, ours.stops(theirs), theirs.starts(theirs))
	p.hold(ctx, "local", "local")
}

var _ = Describe("With", Label("variants"), func() {
	if !full() || !slices.ContainsFunc(columns(), func(c *column) bool { return c.digest == "md5" }) {
		return
	}
	for _, v := range variants {
		for _, first := range []engine{heartbeat, pollux} {
			It(v.name+", milo1 is "+string(first), func(ctx SpecContext) {
				second := heartbeat
				if first == heartbeat {
					second = pollux
				}
				p := newPair(ctx, "md5", first, second, v.change...)
				defer p.close()
				v.body(ctx, p)
				Expect(p.since()).To(BeEmpty(), p.logs)
			}, SpecTimeout(4*time.Minute))
		}
	}
})
