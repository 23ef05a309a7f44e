package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
)

// Monitor says how what runs is looked after. Each resource of a group that is held is looked at; one that was seen
// stopped twice in a row has failed. What is right of it, and so may need it, is stopped, then it is started again, and
// the rest.
//
//	            seen stopped          again, after 1 s                      runs
//	+---------+ ----------> +---------+ ----------> +------------+ ------------------------> +---------+
//	| running |             | suspect |             | restarting |  or the start fails: as    | running |
//	+---------+ <---------- +---------+             +------------+  every failed start        +---------+
//	            seen running                             | Restarts used up within Period
//	                                                     v
//	             the peer can take it: it goes there; else it is restarted here, once each Period/Restarts
//
// What can't be seen has not failed: only the status tells of it.
type Monitor struct {
	Every    time.Duration // from one look at a group to the next; 0: what runs is not looked at
	Restarts int           // of a group, within Period, before the peer is asked; at least 1
	Period   time.Duration
}

// maxWatches is how many looks may be under way: programs that hang must not hold up all others.
const maxWatches = 8

// A watch is a group's state in the diagram.
type watch struct {
	id       uint64 // of the look under way; 0: none
	turn     uint64 // the group's, when it was asked
	index    int    // of the resource to look at
	at       time.Duration
	suspect  bool
	restarts []time.Duration // within Period
	blind    string          // why something could not be seen
	trouble  string          // what is wrong, and is not being mended now
}

// watched says whether a group is to be looked at: it runs here, and nothing is done with it.
func (c *Core) watched(i int) bool {
	g := &c.groups[i]
	return c.cfg.Monitor.Every > 0 && c.stage == stable && !c.upkeep.on() && g.goal == leave && g.held && g.full() && g.conflict == 0 &&
		(c.exchange.phase == noExchange || !c.exchange.mask.has(i))
}

// watchOver begins the looks whose time has come.
func (c *Core) watchOver() {
	for i := range c.groups {
		g := &c.groups[i]
		if c.watching >= maxWatches {
			return
		}
		if g.watch.id != 0 || c.now < g.watch.at || !c.watched(i) {
			continue
		}
		c.lastID++
		c.watching++
		g.watch.id, g.watch.turn = c.lastID, g.turn
		c.emit(Effect{Kind: Do, ID: c.lastID, Group: i, Index: g.watch.index, Action: Status, Watch: true})
	}
}

// watchDeadline is when the next look is due.
func (c *Core) watchDeadline() time.Duration {
	at := Never
	if c.watching >= maxWatches {
		return at
	}
	for i := range c.groups {
		if g := &c.groups[i]; g.watch.id == 0 && c.watched(i) {
			at = min(at, g.watch.at)
		}
	}
	return at
}

// sawWatched takes the answer to a look of watchOver, and says whether it was one. What was asked before the group was
// moved or restarted says nothing about now.
func (c *Core) sawWatched(in Input) bool {
	for i := range c.groups {
		g := &c.groups[i]
		if in.ID == 0 || g.watch.id != in.ID {
			continue
		}
		g.watch.id = 0
		c.watching--
		stale := g.watch.turn != g.turn || !c.watched(i)
		if stale && !planted.On(planted.MonitorStale) {
			return true
		}
		g.watch.suspect = g.watch.suspect || stale // which a planted bug alone comes to
		c.judge(i, in)
		return true
	}
	return false
}

func (c *Core) judge(i int, in Input) {
	g := &c.groups[i]
	w := &g.watch
	state := in.State
	if planted.On(planted.MonitorBlindActs) && state == Unknown {
		state, w.suspect = Stopped, true
	}
	switch {
	case state == Stopped && planted.On(planted.MonitorDeaf):
		w.next(g, c)
	case state == Stopped && !w.suspect && w.trouble == "":
		w.suspect, w.at = true, c.now+retryEach
	case state == Stopped:
		w.suspect = false
		c.fell(i, in.Text)
	case state == Unknown:
		w.suspect = false
		blind := fmt.Sprintf("%s could not be seen%s", g.steps[w.index].name, because(in.Text))
		if blind != w.blind {
			c.notef("%s: %s; nothing is done about it", g.key, blind)
		}
		w.blind = blind
		w.next(g, c)
	default:
		w.suspect, w.trouble = false, ""
		if w.index == 0 {
			w.blind = ""
		}
		w.next(g, c)
	}
}

// next goes on to the group's next resource, or waits after the last one.
func (w *watch) next(g *group, c *Core) {
	w.at = c.now
	if w.index++; w.index >= len(g.steps) {
		w.index, w.at = 0, c.now+c.cfg.Monitor.Every
	}
}

// fell decides about a group of which something has died.
func (c *Core) fell(i int, text string) {
	g := &c.groups[i]
	w, m := &g.watch, c.cfg.Monitor
	for len(w.restarts) > 0 && c.now-w.restarts[0] >= m.Period {
		w.restarts = w.restarts[1:]
	}
	what := fmt.Sprintf("%s has died%s", g.steps[w.index].name, because(text))
	switch {
	case len(w.restarts) < m.Restarts || planted.On(planted.RestartsUnlimited):
		c.restart(g, what)
	case c.betterThere(i):
		c.notef("%s: %s, after %d restarts within %v: %s can run it, and is asked", g.key, what, len(w.restarts), m.Period,
			c.cfg.Peer)
		c.decided(i, gaveAway, what+", after all restarts that it had", "to restart it here at a slower pace")
		w.restarts, w.trouble, w.index = nil, "", 0
		g.fail(fmt.Sprintf("%s, after all restarts that it had", what))
	case c.now-w.restarts[len(w.restarts)-1] >= m.Period/time.Duration(m.Restarts):
		w.restarts = w.restarts[1:]
		c.restart(g, what)
	default:
		trouble := fmt.Sprintf("%s, after %d restarts within %v; %s can't take it. It is restarted later", what,
			len(w.restarts), m.Period, c.cfg.Peer)
		if w.trouble == "" {
			c.notef("%s: %s", g.key, trouble)
			c.decided(i, stayed, trouble, "to stop it here, and have it down on both nodes")
		}
		w.trouble, w.at = trouble, c.now+min(m.Every, pollEach)
	}
}

// betterThere says whether the peer can have a group that does not keep running here. One that has failed there, or
// was handed over after that, stays.
func (c *Core) betterThere(i int) bool {
	return !c.peer.absent() && c.peer.known && !c.peer.leaving && !c.peer.failed(i) && !c.groups[i].handed &&
		c.fitThere(only(i))
}

// restart begins to mend a group: see Monitor. The state of what has died is not known: perhaps part of it runs.
func (c *Core) restart(g *group, what string) {
	w := &g.watch
	w.restarts = append(w.restarts, c.now)
	w.trouble = ""
	c.notef("%s: %s; it is started again (restart %d of %d within %v)", g.key, what, len(w.restarts),
		c.cfg.Monitor.Restarts, c.cfg.Monitor.Period)
	c.decided(c.indexOf(g), restarted, what, "to move the group, before its restarts are used up")
	index := w.index
	w.index, w.at = 0, c.now+c.cfg.Monitor.Every
	if index+1 < len(g.steps) {
		g.aim(halt, c.now)
		g.from, g.restarting = index+1, true
	} else {
		g.aim(run, c.now)
	}
	g.mend = index + 1
	g.steps[index].state, g.steps[index].fresh = Unknown, true
}

// restopped goes on to the starting half of a restart.
func (g *group) restopped(now time.Duration) {
	g.restarting = false
	g.aim(run, now)
	if k := g.mend - 1; k >= 0 {
		g.steps[k].state, g.steps[k].fresh = Unknown, true
	}
}

// Times of starting again what failed to start and nobody else can run.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 30 * time.Minute
)

// triesAgain says whether a group that failed to start here is tried again, since it would else be down on both nodes:
// the peer is away, or its data are not fit, or it has failed there too.
func (c *Core) triesAgain(i int) bool {
	g := &c.groups[i]
	if c.cfg.Monitor.Every == 0 {
		return false
	}
	if g.againAt == 0 {
		g.againAt = c.now + min(firstRetry<<min(g.again, 10), lastRetry)
	}
	if c.now < g.againAt || c.betterThere(i) && !g.handed {
		return false
	}
	c.notef("%s: %s can't run it either: it is tried again here", g.key, c.cfg.Peer)
	g.again++
	g.againAt = 0
	return true
}
