// Package search runs many seeds on all processors, keeps what they came to,
// and looks where new things were found: the plan of a seed that reached a pair
// of state and event that no seed before it did is changed a little and run
// again.
package search

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/sim/oracle"
	"github.com/optionc/pollux/sim/trial"
	"github.com/optionc/pollux/sim/world"
)

// Sweep says what to run.
type Sweep struct {
	// From is the first seed; Count is how many runs there are, 0 is no limit.
	From, Count uint64
	// For is how long new runs are begun; 0 is no limit.
	For     time.Duration
	Options trial.Options
	// Guided: every second run changes a plan that found something new. The runs
	// then depend on the order in which others end, but each can be replayed.
	Guided bool
	// KeepGoing after a broken promise.
	KeepGoing bool
	// Progress gets a line now and then, unless it is nil.
	Progress io.Writer
	// Failed hears of each run that broke a promise, Ended of every run.
	Failed, Ended func(trial.Result)
}

// Sum is what came of all runs.
type Sum struct {
	Runs, Broken uint64
	Events       uint64
	Lived, Took  time.Duration
	Counts       oracle.Counts
	Seen         world.Coverage
}

// String is one line with rates.
func (s Sum) String() string {
	took := max(s.Took.Seconds(), 1e-9)
	return fmt.Sprintf("%d runs, %d broken, in %v: %.1f runs/s, %.0f events/s, %.1f simulated h (%.0f s/s), %d pairs of state and event",
		s.Runs, s.Broken, s.Took.Round(time.Millisecond), float64(s.Runs)/took, float64(s.Events)/took, s.Lived.Hours(),
		s.Lived.Seconds()/took, len(s.Seen))
}

// Missing is a paragraph about what no run came to.
func (s Sum) Missing() string { return "never reached: " + strings.Join(s.Seen.Missing(), ", ") }

// sweep is a Sweep under way.
type sweep struct {
	Sweep

	mu    sync.Mutex
	sum   Sum
	next  uint64
	begun time.Time
	worth []trial.Result // that found something new, and were not changed yet
	luck  *draw.Stream
}

// progressEach is how often there is a line.
const progressEach = 5 * time.Second

// Run runs it.
func (s Sweep) Run() Sum {
	w := &sweep{Sweep: s, next: s.From, begun: time.Now(), luck: draw.New(s.From, "search")}
	w.sum.Seen = world.Coverage{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(w.work)
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	tick := time.NewTicker(progressEach)
	defer tick.Stop()
	for {
		select {
		case <-done:
			w.sum.Took = time.Since(w.begun)
			return w.sum
		case <-tick.C:
			w.tell()
		}
	}
}

func (w *sweep) tell() {
	if w.Progress == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sum.Took = time.Since(w.begun)
	_, _ = fmt.Fprintln(w.Progress, w.sum)
}

func (w *sweep) work() {
	for {
		seed, opt, ok := w.pick()
		if !ok {
			return
		}
		opt.Seen = world.Coverage{}
		w.took(trial.Run(seed, opt), opt.Seen)
	}
}

// pick gives the next run.
func (w *sweep) pick() (seed uint64, opt trial.Options, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	begun := w.next - w.From
	if w.Count > 0 && begun >= w.Count || w.For > 0 && time.Since(w.begun) > w.For || w.sum.Broken > 0 && !w.KeepGoing {
		return 0, opt, false
	}
	opt = w.Options
	if w.Guided && len(w.worth) > 0 && w.luck.Below(2) == 0 {
		last := len(w.worth) - 1
		r := w.worth[last]
		w.worth = w.worth[:last]
		opt.Profile, opt.Settings, opt.Plan = r.Profile, r.Settings, plan.Change(r.Plan, w.luck)
		return r.Seed, opt, true
	}
	seed = w.next
	w.next++
	return seed, opt, true
}

// most is how many runs wait to be changed.
const most = 10_000

func (w *sweep) took(r trial.Result, seen world.Coverage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := len(w.sum.Seen)
	for p, n := range seen {
		w.sum.Seen[p] += n
	}
	if w.Guided && len(w.sum.Seen) > known && len(w.worth) < most {
		w.worth = append(w.worth, r, r)
	}
	w.sum.Runs++
	w.sum.Events += r.Events
	w.sum.Lived += r.Time
	w.sum.Counts.Add(r.Counts)
	if w.Ended != nil {
		w.Ended(r)
	}
	if r.Broken != nil {
		w.sum.Broken++
		if w.Failed != nil {
			w.Failed(r)
		}
	}
}
