package failover

import (
	"fmt"
	"time"

	"github.com/optionc/pollux/daemon/core/planted"
)

// A goal is what a group is being brought to.
type goal uint8

const (
	leave goal = 0 // nothing to do
	look  goal = 1 // find out what runs
	run   goal = 2
	halt  goal = 3
)

// Times of retrying. A program that says "stopped" right after its start is looked at again: guests take a moment.
const (
	retryEach = time.Second
	slowRetry = 10 * time.Second // after quickTries
	lookEach  = 5 * time.Second  // at what could not be seen
)

const (
	quickTries = 10 // as Heartbeat's HA_STOPRETRYMAX
	startLooks = 10 // that may fail to confirm a start
)

// group is one line of haresources on this node.
type group struct {
	key   string
	local bool // the line names this node
	steps []step

	goal    goal
	retryAt time.Duration
	tries   int
	served  uint64 // the number of its last action
	turn    uint64 // of its goals: what was asked at an earlier one says nothing now
	looked  bool   // every resource has been looked at since the daemon started
	held    bool   // Held was said

	ordered bool          // an operator wants it here; counts in maintenance, until it runs or has failed
	failed  string        // why the last start failed; empty after a start or an order
	handed  bool          // the peer was asked to take over after that failure, or handed it to us: not again
	used    bool          // the peer used the data when that start failed
	waiting string        // why it is not started though it should be
	unfit   bool          // it waits for this node's data
	since   time.Duration // when the waiting began
	partAt  time.Duration // when it was first decided about as one that runs in part; 0: not
	stuck   string        // why the stop does not end
	again   int           // how often a failed start was tried again here
	againAt time.Duration // when it is next; 0: not decided

	// A restart of what has died: goal halt comes to the step from, then goal run
	// starts the step mend-1 whatever a look says of it; see Monitor.
	restarting bool
	from, mend int
	watch      watch

	owed     bool          // a legacy peer has asked for it
	gave     bool          // it ran here when it was asked for
	allowed  bool          // a legacy peer has answered that it may start here
	askAt    time.Duration // when a legacy peer is asked again
	conflict time.Duration // when both nodes were first seen to hold it; 0: they don't
}

// step is one resource.
type step struct {
	name    string
	state   State
	fresh   bool // state was seen for the present goal, and after the last action
	tried   bool // the goal's action was called and not yet judged
	touched bool // was started, or its stop was called, since it was last seen stopped: only a stop makes sure
}

func (g *group) full() bool  { return g.all(Running) }
func (g *group) empty() bool { return g.all(Stopped) }

func (g *group) all(s State) bool {
	for i := range g.steps {
		if g.steps[i].state != s {
			return false
		}
	}
	return true
}

func (g *group) unknown() bool {
	for i := range g.steps {
		if g.steps[i].state == Unknown {
			return true
		}
	}
	return false
}

// partly says whether some of its resources run, and others do not.
func (g *group) partly() bool { return !g.unknown() && !g.full() && !g.empty() }

// unclear says whether another look may show something else: what was not seen, or does not fit together. A daemon that
// was killed leaves a device that is promoted again after the first look.
func (g *group) unclear() bool { return g.unknown() || g.partly() }

// touched says whether this run of the daemon has started something of it, or called its stop in vain.
func (g *group) touched() bool {
	for i := range g.steps {
		if g.steps[i].touched {
			return true
		}
	}
	return false
}

// inVain says whether what is next is another try.
func (g *group) inVain() bool { return g.tries > 0 || g.goal == look && g.looked }

// claims says whether anything of the group may run here, or is about to.
func (g *group) claims() bool { return !g.empty() || g.goal == run }

// aim gives the group a goal. What was seen for an earlier one does not count.
func (g *group) aim(to goal, now time.Duration) {
	if g.goal == to && !g.restarting {
		return
	}
	g.goal, g.retryAt, g.tries, g.stuck = to, now, 0, ""
	g.restarting, g.from, g.turn = false, 0, g.turn+1
	for i := range g.steps {
		g.steps[i].fresh, g.steps[i].tried = false, false
	}
}

// next returns what to do for the goal, or ok=false once it is reached.
func (g *group) next() (index int, action Action, ok bool) {
	switch g.goal {
	case look:
		for i := range g.steps {
			if !g.steps[i].fresh {
				return i, Status, true
			}
		}
	case run:
		for k := range g.steps {
			i := k
			if planted.On(planted.GuestBeforePrimary) {
				i = len(g.steps) - 1 - k
			}
			switch s := &g.steps[i]; {
			case !s.fresh:
				return i, Status, true
			case s.state != Running:
				return i, Start, true
			}
		}
	case halt:
		for k := range g.steps[g.from:] {
			i := len(g.steps) - 1 - k
			if planted.On(planted.StopFromLeft) {
				i = k
			}
			switch s := &g.steps[i]; {
			case s.fresh && s.state == Stopped:
			case s.tried, !s.fresh && !s.touched && s.state != Running:
				return i, Status, true
			default:
				return i, Stop, true
			}
		}
	default:
	}
	return 0, 0, false
}

// called notes that an action is under way: until the next look nothing is known.
func (g *group) called(index int, action Action) {
	s := &g.steps[index]
	if action != Status {
		s.state, s.fresh, s.tried, s.touched = Unknown, false, true, true
	}
}

// acted judges the end of a start or stop: a start that failed is not looked at, a stop is judged by looking alone.
func (g *group) acted(index int, action Action, failed bool, text string) {
	switch {
	case planted.On(planted.TrustExitCode) && action == Start && !failed:
		g.steps[index].state, g.steps[index].fresh = Running, true
	case action == Start && failed && g.goal == run:
		g.fail(fmt.Sprintf("start of %s failed: %s", g.steps[index].name, text))
	case action == Stop && failed:
		g.stuck = fmt.Sprintf("stop of %s failed: %s", g.steps[index].name, text)
	}
}

// seen judges a look.
func (g *group) seen(index int, state State, text string, now time.Duration) {
	s := &g.steps[index]
	tried := s.tried
	s.state, s.fresh, s.tried = state, true, false
	switch {
	case planted.On(planted.StopUnseen) && g.goal == halt && tried:
		s.state = Stopped
	case g.goal == halt && state == Stopped && s.touched && !tried:
		s.state, s.fresh = Unknown, false // the look is from before the goal: what was started may yet come
	case g.goal == run && state == Running, g.goal == halt && state == Stopped:
		g.tries, g.stuck = 0, ""
		s.touched = s.touched && state == Running
	case g.goal == run && (tried || state == Unknown):
		g.tries++
		if g.tries >= startLooks {
			g.fail(fmt.Sprintf("%s is %v after its start%s", s.name, state, because(text)))
			return
		}
		s.fresh, s.tried = false, tried
		g.retryAt = now + retryEach
	case g.goal == halt && tried:
		g.tries++
		if g.stuck == "" || state == Unknown {
			g.stuck = fmt.Sprintf("%s is %v after its stop%s", s.name, state, because(text))
		}
		s.fresh = false
		g.retryAt = now + retryEach
		if g.tries >= quickTries {
			g.retryAt = now + slowRetry
		}
	}
}

// fail gives a start up: what was started is stopped again, in reverse order.
func (g *group) fail(why string) {
	g.failed = why
	g.aim(halt, 0)
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
