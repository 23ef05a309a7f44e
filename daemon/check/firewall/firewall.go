// Package firewall says what a host's own packet filter does with the first
// packet of a peer. It reads what nft and iptables-save print, and walks the
// chains that a packet to the host itself meets. What it does not understand
// is neither a yes nor a no: then it says Unclear, and never that a packet is
// dropped that may get through.
package firewall

import "net/netip"

// A Packet is the first one of its kind, so that the filter has no connection
// for it yet. It comes from an ephemeral port.
type Packet struct {
	Protocol  string // udp or tcp
	Port      uint16 // it goes to
	Interface string // it comes in by; "" is unknown
	IPv6      bool
	Source    netip.Addr // the zero Addr is unknown
	Dest      netip.Addr // the zero Addr is unknown
	ToGroup   bool       // Dest is a broadcast or multicast address
}

// Fate is what becomes of a packet.
type Fate uint8

// The fates. Unclear: it depends on what this package does not understand.
const (
	Passed  Fate = 1
	Dropped Fate = 2
	Unclear Fate = 3
)

// A Verdict is the fate of a packet, and what decides it.
type Verdict struct {
	Fate  Fate
	Table string // as nft and iptables want it: "inet filter", "filter"
	Base  string // the chain where the packet comes in, and where a rule would let it pass
	Chain string // the chain that decides
	Rule  string // what decides in it: a rule, or its policy
}

// A Ruleset is a host's packet filter, or a part of it. Every part can drop a
// packet; none can let one pass that another drops.
type Ruleset struct {
	chains map[place]*chain
	bases  []*chain // in no order: the packet must pass all of them
}

// place names a chain.
type place struct{ table, chain string }

type chain struct {
	place
	family string // ip, ip6, inet
	policy outcomes
	rules  []rule
}

type rule struct {
	text  string
	tests []test
	act   action
}

// An action is what a rule does with a packet that all its tests fit. Without
// a target and choices it is out.
type action struct {
	out    outcomes
	target string // a chain to walk
	leave  bool   // and not to come back from (goto)
	// choices of a verdict map: the first that fits is taken.
	choices []choice
}

type choice struct {
	test test
	act  action
}

// outcomes are the things that may happen to a packet at a place: a set.
type outcomes uint8

const (
	accept outcomes = 1 << iota // by this base chain
	drop
	onward // to the next rule
	back   // to the calling chain, or the policy

	anything = accept | drop | onward
)

// maxDepth is how deep chains may call each other; the kernel's limit is 16.
const maxDepth = 16

// maxSteps bounds a walk through rules that nobody wrote by hand.
const maxSteps = 100_000

// A walk takes one packet through one base chain.
type walk struct {
	rules   *Ruleset
	packet  Packet
	steps   int
	dropped Verdict // the last thing that drops the packet
	unclear Verdict // the first thing that is not understood
}

// Judge tells the fate of a packet.
func (r *Ruleset) Judge(p Packet) Verdict {
	unclear := Verdict{Fate: Passed}
	for _, base := range r.bases {
		if base.family == "ip" && p.IPv6 || base.family == "ip6" && !p.IPv6 {
			continue
		}
		w := walk{rules: r, packet: p}
		result := w.chain(base, 0)
		if result&(back|onward) != 0 {
			if base.policy == drop {
				w.dropped = Verdict{Chain: base.chain, Rule: "its policy drop"}
			}
			result = result&^(back|onward) | base.policy
		}
		found := w.dropped
		found.Fate = Dropped
		if result != drop {
			found = w.unclear
			found.Fate = Unclear
		}
		found.Table, found.Base = base.table, base.chain
		switch {
		case result == drop:
			return found
		case result&drop != 0 && unclear.Fate == Passed:
			unclear = found
		}
	}
	return unclear
}

// chain tells how the packet may leave a chain.
func (w *walk) chain(c *chain, depth int) (result outcomes) {
	for i := range c.rules {
		r := &c.rules[i]
		if w.steps++; depth > maxDepth || w.steps > maxSteps {
			w.doubt(c, r)
			return anything | back
		}
		fits := all(r.tests, w.packet)
		if fits == no {
			continue
		}
		out := w.act(c, r, &r.act, depth)
		if fits == maybe && out != onward {
			w.doubt(c, r)
			out |= onward
		}
		result |= out &^ onward
		if out&onward == 0 {
			return result
		}
	}
	return result | back
}

func (w *walk) act(c *chain, r *rule, a *action, depth int) outcomes {
	switch {
	case a.target != "":
		called := w.rules.chains[place{c.table, a.target}]
		if called == nil {
			w.doubt(c, r)
			return anything
		}
		out := w.chain(called, depth+1)
		if out&back != 0 && !a.leave {
			out = out&^back | onward
		}
		return out
	case len(a.choices) > 0:
		return w.choose(c, r, a.choices, depth)
	}
	if a.out&drop != 0 {
		w.dropped = Verdict{Chain: c.chain, Rule: r.text}
	}
	if a.out == anything {
		w.doubt(c, r)
	}
	return a.out
}

func (w *walk) choose(c *chain, r *rule, choices []choice, depth int) (result outcomes) {
	for i := range choices {
		fits := choices[i].test(w.packet)
		if fits == no {
			continue
		}
		result |= w.act(c, r, &choices[i].act, depth)
		if fits == yes {
			return result
		}
		w.doubt(c, r)
	}
	return result | onward
}

func (w *walk) doubt(c *chain, r *rule) {
	if w.unclear.Rule == "" {
		w.unclear = Verdict{Chain: c.chain, Rule: r.text}
	}
}

// Has tells whether there is a chain of that name in any table.
func (r *Ruleset) Has(name string) bool {
	for at := range r.chains {
		if at.chain == name {
			return true
		}
	}
	return false
}
