package forecast

import (
	"time"

	"github.com/optionc/pollux/daemon/core/witness"
)

// pair is two nodes after some failures: node 0 ran the group before them. What each rule says, the cores do in many
// steps.
type pair struct {
	setup     Setup
	up        [2]bool
	disk      [2]bool
	runs      [2]bool // the guests run, and have their disk
	held      [2]bool // the group is this node's, also if its guests can't go on
	gated     [2]bool // it was shot, and has heard nobody since
	stale     [2]bool // it knows that the other one went on without it
	denied    [2]bool // the witness knows that
	failed    [2]bool // to start the group, while the other node was Primary
	link      bool
	beats     bool
	witness   bool
	way       [2]bool
	device    bool
	connected bool // replication, before the failure that is being looked at
	gap       time.Duration
	starts    bool // the gap ends with a start of the group
	why       []string
}

func newPair(s Setup) *pair {
	both := [2]bool{true, true}
	return &pair{
		setup: s, up: both, disk: both, runs: [2]bool{true}, held: [2]bool{true}, link: true, beats: true,
		witness: s.Policy == witness.ByWitness, way: both, device: s.Fence,
	}
}

// fail lets something fail, and everything come to rest.
func (p *pair) fail(f Failure) {
	p.connected = p.replicates()
	p.gap, p.starts, p.why = 0, false, nil
	switch f {
	case Active, Standby:
		n := int(f - Active)
		p.up[n], p.runs[n], p.held[n] = false, false, false
	case ActiveDisk, StandbyDisk:
		p.disk[f-ActiveDisk] = false
	case Link:
		p.link = false
	case Beats:
		p.beats = false
	case Network:
		p.link, p.beats = false, false
	case Witness:
		p.witness = false
	case ActiveWay, StandbyWay:
		p.way[f-ActiveWay] = false
	case Device:
		p.device = false
	}
	for n := range 2 {
		p.goesOn(n)
	}
	for _, n := range [2]int{1, 0} {
		p.takesOver(n)
	}
	if n := int(f - ActiveDisk); (f == ActiveDisk || f == StandbyDisk) && p.runs[n] {
		p.say("the guests on %s go on with the disk of %s", n, 1-n)
	}
}

func (p *pair) replicates() bool { return p.link && p.up[0] && p.up[1] }

// hears tells whether the nodes have each other's heartbeats.
func (p *pair) hears() bool { return p.beats && p.up[0] && p.up[1] }

// hasData tells whether a node's users could have the newest data.
func (p *pair) hasData(n int) bool {
	return p.disk[n] && !p.stale[n] || p.replicates() && p.disk[1-n] && !p.stale[1-n]
}

// asks tells whether the witness answers a node.
func (p *pair) asks(n int) bool { return p.witness && p.way[n] }

// leased tells whether a node has the lease, or can get it.
func (p *pair) leased(n int) bool {
	switch p.setup.Policy {
	case witness.Freeze:
		return p.hears()
	case witness.ByWitness:
		other := p.held[1-n] && p.asks(1-n)
		return p.hears() || p.asks(n) && !p.denied[n] && !other
	default:
		return true
	}
}

// goesOn says what becomes of a node that has the group.
func (p *pair) goesOn(n int) {
	if !p.held[n] {
		return
	}
	lost := p.connected && !p.replicates()
	before := p.runs[n]
	switch {
	case !p.leased(n):
		p.loses(n)
		return
	case !p.hasData(n):
		p.runs[n] = false
		if before {
			p.say("the guests on %s get no data any more: there is no good copy that it reaches", n)
		}
		return
	}
	if !lost || !p.disk[n] {
		return
	}
	if p.setup.Policy == witness.ByWitness && !p.asks(n) {
		p.runs[n] = false
		p.say("the guests on %s wait: the witness has to know that it goes on alone, and does not answer", n)
		return
	}
	if p.disk[1-n] {
		p.gap = p.setup.Detect // no write waits for a node that has no disk
	}
	p.say("%s goes on alone", n)
	if p.hears() {
		p.stale[1-n] = true
		p.say("%s knows that its copy is old, and never takes over with it", 1-n)
	}
	p.denied[1-n] = p.denied[1-n] || p.asks(n)
}

// loses takes the lease from a node that has the group.
func (p *pair) loses(n int) {
	before := p.runs[n]
	p.runs[n] = false
	switch {
	case p.setup.Policy == witness.Freeze && before:
		p.say("the guests on %s wait until the nodes hear each other again", n)
	case p.setup.Policy == witness.ByWitness:
		p.held[n] = false
		p.say("%s lets its guests wait at once, and stops them before its lease ends", n)
	}
}

// takesOver says whether a node starts what the other one seems to run no more.
func (p *pair) takesOver(n int) {
	o := 1 - n
	switch {
	case !p.up[n] || p.held[n] || p.gated[n]:
		return
	case p.hears():
		return // it is the other one's
	case !p.hasData(n) || p.setup.Fence && !p.disk[n]:
		p.refuses(n)
		return
	case !p.leased(n):
		if !p.runs[o] || n == 1 {
			p.say("%s does not get the lease", n)
		}
		return
	case p.setup.Fence && !p.device:
		p.say("%s can't switch %s off, and starts nothing", n, o)
		return
	case p.failed[n] && !p.setup.Monitor:
		p.say("%s has failed to start the group, and does not try again (see monitor in ha.cf)", n)
		return
	}
	wait := p.setup.Deadtime
	if p.setup.Policy == witness.ByWitness {
		wait = max(wait, p.setup.Lease)
	}
	if p.setup.Fence {
		if p.runs[o] && p.gap < wait {
			wait = 0 // the guests run, or run again, until then
		}
		p.shoot(n, o)
	}
	if p.replicates() && p.held[o] {
		p.failed[n] = true
		p.say("%s is refused the Primary's role, since %s has it", n, o)
		return
	}
	p.start(n, wait)
}

func (p *pair) refuses(n int) {
	switch {
	case p.disk[n] && p.stale[n]:
		p.say("%s does not take over with old data", n)
	case !p.disk[n]:
		p.say("%s has no disk to take over with", n)
	}
}

// shoot has a node switched off; it comes back, and starts nothing before it has heard the other one.
func (p *pair) shoot(n, o int) {
	p.say("%s has %s switched off", n, o)
	p.runs[o], p.held[o], p.gated[o] = false, false, true
	p.gap = max(p.gap, p.setup.Shot)
}

func (p *pair) start(n int, wait time.Duration) {
	if !p.runs[1-n] {
		p.gap, p.starts = p.gap+wait, true
	}
	p.held[n], p.runs[n] = true, true
	p.say("%s takes over", n)
}
