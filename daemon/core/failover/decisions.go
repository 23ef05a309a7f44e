package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxDecisions bounds what a core remembers of what it decided.
const maxDecisions = 64

// Decision is one thing that the core decided about a group: what came of it, by which rule, on what evidence, and what
// else could have been done.
type Decision struct {
	At      time.Duration
	Times   int // in a row
	Group   string
	Outcome string
	Rule    string
	Inputs  string
	Instead string
}

// String is the decision in one line.
func (d Decision) String() string {
	return fmt.Sprintf("%s %s: %s [%s] instead of: %s", d.Group, d.Outcome, d.Rule, d.Inputs, d.Instead)
}

// What a decision came to.
const (
	tookOver  = "starts here"
	stayed    = "stays as it is"
	gaveAway  = "is offered to the peer"
	refused   = "refused"
	restarted = "is restarted"
	gaveUp    = "is given up here"

	leftAlone   = "is left to operators"
	lookedAfter = "is decided about again"
)

// decided remembers a decision, and tells the shell. One that is the same as the last about that group is counted.
func (c *Core) decided(i int, outcome, rule, instead string) {
	d := Decision{
		At: c.now, Times: 1, Group: c.groups[i].key, Outcome: outcome, Rule: rule, Inputs: c.evidence(i), Instead: instead,
	}
	for k, o := range slices.Backward(c.decisions) {
		if o.Group != d.Group {
			continue
		}
		if o.Outcome == d.Outcome && o.Rule == d.Rule {
			d.Times = o.Times + 1
			c.decisions = append(c.decisions[:k], c.decisions[k+1:]...)
		}
		break
	}
	if len(c.decisions) >= maxDecisions {
		c.decisions = append(c.decisions[:0], c.decisions[1:]...)
	}
	c.decisions = append(c.decisions, d)
	if d.Times == 1 {
		c.emit(Effect{Kind: Decided, Group: i, Text: d.String()})
	}
}

// decidedAll is decided for each group of a set.
func (c *Core) decidedAll(mask groupSet, outcome, rule, instead string) {
	for i := range c.groups {
		if mask.has(i) {
			c.decided(i, outcome, rule, instead)
		}
	}
}

// indexOf is the number of a group.
func (c *Core) indexOf(g *group) int {
	for i := range c.groups {
		if &c.groups[i] == g {
			return i
		}
	}
	return 0
}

// evidence is what a decision about a group was made from.
func (c *Core) evidence(i int) string {
	g := &c.groups[i]
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	switch {
	case c.peer.left:
		add("%s has left", c.cfg.Peer)
	case !c.peer.present:
		add("%s is not heard", c.cfg.Peer)
	case !c.peer.known:
		add("%s is heard and has not said what it holds", c.cfg.Peer)
	case c.peer.claims.has(i):
		add("%s holds it", c.cfg.Peer)
	default:
		add("%s is heard and does not hold it", c.cfg.Peer)
	}
	if g.local {
		add("this node is preferred")
	}
	running := 0
	for k := range g.steps {
		if g.steps[k].state == Running {
			running++
		}
	}
	add("%d of %d resources run here", running, len(g.steps))
	if ok, why := c.copies.MayStart(i); ok {
		add("the data here may be used")
	} else {
		add("the data here may not be used: %s", why)
	}
	if ok, why := c.copies.MayGive(i); ok {
		add("the data there are fit")
	} else {
		add("the data there are not fit: %s", why)
	}
	if c.crashed {
		add("this node came up after a crash and has not heard its peer")
	}
	if c.cfg.Fence && c.peer.absent() {
		add("it is known to be off: %v", c.fence.off)
	}
	return strings.Join(facts, "; ")
}

// whyStart is the rule by which a group that nobody holds starts here.
func (c *Core) whyStart() (rule, instead string) {
	switch {
	case c.peer.left:
		return c.cfg.Peer + " has stopped everything and left", "to wait for its return, with the group down"
	case c.peer.absent() && c.crashed:
		return c.cfg.Peer + " is not heard since this node crashed, and the witness vouches for the data here",
			"to wait for its return, with the group down"
	case c.peer.absent():
		return c.cfg.Peer + " counts as dead", "to wait for its return, with the group down"
	default:
		return "nobody holds it, and this node is preferred", "to let " + c.cfg.Peer + " have it, against haresources"
	}
}
