// Package failover decides which node runs what: the groups of haresources, one after the other and each resource in
// its order, so that no group runs on two nodes. Whether the other node is alive is for package liveness.
//
// Core does no I/O. Step takes one Input, changes state, and appends the Effects that the shell must carry out in
// order. It speaks Heartbeat's protocol for two nodes, with fields of its own (see message.go) that Heartbeat ignores.
//
//	Started      looks done      CommsUp        its report         10 s, or it is stable
//	  |  +---------+  +---------+   +--------+   +----------+      +--------+  OrderStop  +---------+
//	  +->| looking |->| waiting |-->| asking |-->| settling |----->| stable |------------>| leaving |
//	     +---------+  +---------+   +--------+   +----------+      +--------+             +---------+
//	                       |   the peer is dead, or has left           ^
//	                       +-------------------------------------------+
//
// The 10 s are for a Heartbeat, whose report says what it is going to hold, and not what it does. A peer that tells of
// each group has looked at all of them before it reports, and starts none that this node claims: nothing is to be waited
// for then.
//
// A stable node starts a group that nothing claims
//   - if it is the group's preferred node, and the peer has reported since it came up;
//   - if the peer is dead or has left. But after a crash of this node, only once the peer has reported to it since, an
//     operator has vouched for the peer, or the witness has given it the lease and says that nobody has newer data: a
//     node that crashed knows nothing of who took over.
//
// While both nodes live, a group moves by an exchange alone (exchange.go), of which there is one at a time.
//
// A group is Held once every resource was seen to run. It is claimed, towards the peer, as long as anything of it may
// run. A failed start is undone, in reverse order, and the peer is asked to take over, once. A failed stop is retried
// for ever; until it is seen to have worked, the group is claimed and the peer is not told to start.
//
// When both nodes turn out to hold a group (the network was cut, or a node was paused), the preferred node decides,
// since two that decide for themselves could both give up: it keeps the group, unless its data may not be used and the
// peer's may, or the peer is Primary of them, or a part of it is all that runs here, and the peer runs it whole. The other
// one stops the group when it sees that verdict. A real Heartbeat knows no verdict. If it has taken over meanwhile, it
// restarts itself two seconds after a cut if it hears this node at rest, and all runs on here. If it was frozen it does
// not, but gives back what is this node's. If it still holds the group after 10 s, or 20 s where it gives back, or 5 s if
// it has noticed nothing, this node gives up.
//
// Source: Heartbeat wire, sections 8, 9 and 18.
package failover

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Never is the Deadline of a core that waits for nothing.
const Never = time.Duration(math.MaxInt64)

// A stage is how far this node has come.
type stage uint8

const (
	off      stage = 0
	looking  stage = 1 // finding out what runs here
	waiting  stage = 2 // for communication
	asking   stage = 3 // what the peer holds
	settling stage = 4 // giving a peer that starts as well the time to say so
	stable   stage = 5
	leaving  stage = 6 // stopping everything
	lingered stage = 7 // everything is stopped; the peer is being told
	gone     stage = 8
)

// String says what the node is doing, for people.
func (s stage) String() string {
	return [...]string{
		"not started", "looking at what runs here", "waiting for the peer", "asking the peer what it holds",
		"settling", "stable", "stopping", "leaving", "left",
	}[s]
}

// Times of the protocol. Source: Heartbeat wire, sections 8.2 and 8.8.
const (
	settleFor = 10 * time.Second
	lingerFor = 2 * time.Second // heartbeats go on after shutdone
	askEach   = 5 * time.Second // when the peer does not say what it holds
	pollEach  = 5 * time.Second // for data that is not fit
)

// Core decides for one node. Make one with New.
type Core struct {
	cfg    Config
	copies Copies
	leases Leases // nil: there are none
	groups []group

	now time.Duration
	out []Effect

	stage    stage
	crashed  bool // the previous run did not end cleanly, and nothing has been heard or ordered since
	comms    bool
	settleAt time.Duration
	askAt    time.Duration
	leftAt   time.Duration
	pollAt   time.Duration

	peer     peer
	life     lifetime
	exchange exchange
	rounds   uint64
	declined string // why the last offer was not taken; empty if it was
	order    order

	goback  goback
	handAt  time.Duration
	upkeep  maintenance
	keeping keeping

	lastID     uint64
	doing      doing
	fence      fencing
	decisions  []Decision // oldest first
	watching   int        // looks under way at what runs; see Monitor
	mustReport bool
	reported   string
}

// New makes a core that waits for Started. It fails if the configuration cannot work.
func New(cfg Config, copies Copies) (*Core, error) {
	cfg.Node, cfg.Peer = strings.ToLower(cfg.Node), strings.ToLower(cfg.Peer)
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("set up failover of %s: %w", cfg.Node, err)
	}
	c := &Core{cfg: cfg, copies: copies, life: lifetime{holds: All}}
	for _, line := range cfg.Groups {
		g := group{key: line.Key(), local: strings.ToLower(line.Node) == cfg.Node}
		for _, r := range line.Resources {
			g.steps = append(g.steps, step{name: r.Text})
		}
		c.groups = append(c.groups, g)
	}
	return c, nil
}

// Step applies one input and appends to out what must be done about it, in order.
func (c *Core) Step(now time.Duration, in Input, out []Effect) []Effect {
	if (in.Kind == Started) != (c.stage == off) {
		return out
	}
	c.now, c.out = now, out
	switch in.Kind {
	case Started:
		c.start(in)
	case Tick:
	case PeerUp:
		c.life = lifetime{holds: All}
		c.hearPeer(now+askEach, "has started")
	case PeerHealed:
		c.hearPeer(now, "is back without having restarted; this node may have been given up by it")
	case PeerDied:
		c.losePeer(in.Silent)
	case CommsUp:
		c.comms = true
	case Lost:
		c.askAnew()
	case Message:
		c.hear(in.Message, in.Own)
	case Order:
		c.obey(in)
	case Done:
		if !c.sawWatched(in) {
			c.done(in)
		}
	case Fenced:
		c.fenced(in)
	case Kept:
		c.kept(in)
	case Weighed:
		c.weighed(in)
	case Poke:
		c.pollAt, c.goback.at = now, now
	default:
		panic(fmt.Sprintf("failover: input %d has no case in Step", in.Kind))
	}
	c.settle()
	for c.work() {
		c.settle()
	}
	c.shoot()
	c.watchOver()
	c.report()
	out, c.out = c.out, nil
	return out
}

// settle draws the conclusions from what is known now.
func (c *Core) settle() {
	if c.now >= c.pollAt {
		c.pollAt = c.now + pollEach
	}
	c.advance()
	c.goOn()
	c.giveOwed()
	c.stopUnleased()
	c.settleConflicts()
	c.nudge()
	c.acquire()
	c.handOver()
	c.failBack()
	c.closeOrder()
}

func (c *Core) start(in Input) {
	c.stage, c.crashed, c.upkeep = looking, in.Crashed, parseMaintenance(in.Text)
	c.remember(in.Since)
	for i := range c.groups {
		c.groups[i].aim(look, c.now)
	}
}

// advance goes on to the next stage, perhaps to several.
func (c *Core) advance() {
	if c.stage == looking && c.lookedAtAll() {
		c.stage = waiting
	}
	if c.stage == waiting && c.comms {
		c.stage, c.askAt, c.mustReport = asking, c.now, true
	}
	if c.stage == asking && c.peer.known {
		c.stage, c.settleAt = settling, c.now+settleFor
	}
	c.findLegacy()
	if c.stage == asking && c.peer.legacy {
		c.stage = stable
	}
	if c.stage == asking || c.stage == settling {
		settled := c.stage == settling && (c.peer.stable || c.peer.detailed || c.now >= c.settleAt)
		if settled || c.peer.absent() {
			c.stage = stable
		}
	}
	if c.mustAsk() && c.now >= c.askAt {
		c.askAt = c.now + askEach
		c.say(starting())
	}
	c.leave()
}

// askAnew asks a peer what it holds that has said so, since a later word of it may be lost. It tells that once, when it
// changes.
func (c *Core) askAnew() {
	if c.stage >= asking && c.stage <= stable && !c.peer.absent() && !c.peer.legacy {
		c.mustReport = true // it takes this node for unsettled when it is asked
		c.say(starting())
	}
}

// mustAsk says whether the peer has yet to say what it holds.
func (c *Core) mustAsk() bool {
	return c.stage >= asking && c.stage <= stable && !c.peer.absent() && !c.peer.known && !c.peer.legacy
}

func (c *Core) lookedAtAll() bool {
	for i := range c.groups {
		if !c.groups[i].looked {
			return false
		}
	}
	return true
}

// leave ends the graceful stop.
func (c *Core) leave() {
	if c.stage == leaving && c.idle() && c.claimed().empty() {
		c.stage, c.leftAt = lingered, c.now+lingerFor
		c.report()
		c.say(shutdone())
	}
	if c.stage == lingered && c.now >= c.leftAt {
		c.stage = gone
		c.emit(Effect{Kind: Left})
		c.answer(c.order.id, c.order.own, true, "everything is stopped")
	}
}

// idle says whether no group is being brought anywhere.
func (c *Core) idle() bool {
	for i := range c.groups {
		if c.groups[i].goal != leave {
			return false
		}
	}
	return true
}

// settled is what the peer is told as isstable: nothing is on its way here.
func (c *Core) settled() bool { return c.atRest(true) }

// atRest is the same, and judges groups that run on both nodes only if conflicts is true: a Heartbeat that gives some of
// them ends that. It gives this node's own ones, or restarts itself, as soon as it hears that this node is at rest.
func (c *Core) atRest(conflicts bool) bool {
	if c.stage != stable || c.exchange.moving() {
		return false
	}
	for i := range c.groups {
		g := &c.groups[i]
		both := conflicts && g.conflict != 0 && !c.letsGo(g)
		if g.goal != leave || both || !g.full() && !g.empty() {
			return false
		}
	}
	return true
}

// claimed is the groups of which something may run here.
func (c *Core) claimed() (set groupSet) {
	for i := range c.groups {
		if c.groups[i].claims() {
			set.add(i)
		}
	}
	return set
}

// members turns a set, as this node names it, into groups.
func (c *Core) members(set Set) (members groupSet) {
	for i := range c.groups {
		if c.groups[i].local && set&Local != 0 || !c.groups[i].local && set&Foreign != 0 {
			members.add(i)
		}
	}
	return members
}

// Deadline is when the next Tick is wanted, on the clock of Step.
func (c *Core) Deadline() time.Duration {
	at := Never
	switch c.stage {
	case off, gone:
		return Never
	case settling:
		at = c.settleAt
	case lingered:
		at = c.leftAt
	default:
	}
	if c.mustAsk() {
		at = min(at, c.askAt)
		if c.peer.legacyAt != 0 {
			at = min(at, c.peer.legacyAt)
		}
	}
	if c.exchange.phase != noExchange {
		at = min(at, c.exchange.until)
		if c.exchange.again != 0 && (c.exchange.phase == gave || c.exchange.phase == offered) {
			at = min(at, c.exchange.again)
		}
	}
	if c.life.nudge != 0 {
		at = min(at, c.life.nudge)
	}
	if c.order.open && c.order.until != 0 {
		at = min(at, c.order.until)
	}
	poll := c.goback.wanted && c.peer.known
	if c.goback.due > c.now {
		at = min(at, c.goback.due)
	}
	for i := range c.groups {
		g := &c.groups[i]
		if c.doing.id == 0 && g.goal != leave {
			at = min(at, g.retryAt)
		}
		if g.goal == leave && g.unclear() {
			at = min(at, g.retryAt)
		}
		if g.conflict != 0 && !c.peer.detailed {
			at = min(at, g.conflict+c.conflictFor(g))
		}
		poll = poll || g.waiting != "" || g.owed || g.failed != "" && (!g.handed || c.cfg.Monitor.Every > 0)
	}
	at = min(at, c.watchDeadline(), c.fenceDeadline())
	if poll && c.stage == stable {
		at = min(at, c.pollAt)
	}
	return at
}

func (c *Core) emit(e Effect) { c.out = append(c.out, e) }

func (c *Core) notef(format string, args ...any) {
	c.emit(Effect{Kind: Note, Text: fmt.Sprintf(format, args...)})
}
