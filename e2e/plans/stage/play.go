package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	nodepkg "github.com/optionc/pollux/daemon/node"
	"github.com/optionc/pollux/e2e/plans/ledger"
	"github.com/optionc/pollux/faults/plan"
)

// The promises that are judged here and not in package ledger, in the words of
// the design.
const (
	promise3  = "3: after a resync both copies are equal"
	promise7  = "7: a guest runs on at most one node"
	promise8  = "8: every step in its order"
	promise10 = "10: when faults end, the cluster reaches its stable state"
)

// The times of a play, those of the simulator.
const (
	prologue = 3 * time.Second // before the first fault
	lookEach = 2 * time.Second
	helpEach = 15 * time.Second
	settled  = 3 // looks
	patience = 240 * time.Second
)

// play is a scenario under way.
type play struct {
	stage    *Stage
	scenario plan.Scenario
	set      settings

	mu      sync.Mutex
	over    bool
	sides   [2]side
	book    *ledger.Ledger
	counts  map[string]int
	pending []pending
	calmed  bool
	lastRun int
	below   func(n int) int // luck
	acts    chan act
	open    int            // acts that are not over
	trouble error          // of the stage itself
	cuts    [2][]time.Time // until when what a node sends of each protocol is lost
	started time.Time      // second 0 of the scenario
	helped  time.Time
	asked   bool // the operator has tried to just connect the nodes
}

// act is a fault that is to strike.
type act struct {
	after time.Duration
	fault plan.Fault
}

// Play plays a scenario. The error is about the stage, or a scenario that can't
// be played here; what pollux does is in the verdict.
func (s *Stage) Play(ctx context.Context, scenario plan.Scenario) (plan.Verdict, error) {
	set, err := settingsOf(scenario)
	if err != nil {
		return plan.Verdict{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := newPlay(s, scenario, set)
	defer p.end()
	if err := p.run(ctx); err != nil {
		return plan.Verdict{}, err
	}
	return p.verdict(ctx)
}

func newPlay(s *Stage, scenario plan.Scenario, set settings) *play {
	luck := rand.New(rand.NewPCG(scenario.Seed, 1))
	p := &play{
		stage: s, scenario: scenario, set: set, book: ledger.New(set.apart || !set.protocolC),
		counts: map[string]int{"promotions": 0, "resyncs": 0, "alone": 0, "refused": 0, "starts": 0, "stops": 0, "repairs": 0},
		acts:   make(chan act, len(scenario.Plan)+1),
		cuts:   [2][]time.Time{make([]time.Time, len(protocols)), make([]time.Time, len(protocols))},
	}
	p.below = func(n int) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return luck.IntN(n)
	}
	for _, f := range scenario.Plan {
		if f.On.Word != "" {
			p.pending = append(p.pending, pending{f, max(f.On.Nth, 1)})
		}
	}
	return p
}

// end lets nothing that the machines still say count.
func (p *play) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

func (p *play) say(format string, args ...any) { p.stage.say(fmt.Sprintf(format, args...)) }

func (p *play) fail(err error) {
	if p.trouble == nil {
		p.trouble = err
	}
}

// run is all of it, until the cluster is well again or has had its time.
func (p *play) run(ctx context.Context) error {
	if err := p.stage.reset(ctx, p.set); err != nil {
		return err
	}
	err := p.stage.both(func(n *node) error {
		if err := n.serve(ctx, p.set, func(line string) { p.told(n.number, line) }); err != nil {
			return err
		}
		return p.start(ctx, n)
	})
	if err != nil {
		return err
	}
	if err := wait(ctx, "the group runs on milo1", func() error { return p.unsettled(ctx) }); err != nil {
		return err
	}
	err = wait(ctx, "the guest writes", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.book.Writes < 20 {
			return fmt.Errorf("it has written %d times", p.book.Writes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.storm(ctx); err != nil {
		return err
	}
	p.say("the faults are over")
	return p.recover(ctx)
}

// start starts a node's daemon.
func (p *play) start(ctx context.Context, n *node) error {
	p.mu.Lock()
	p.sides[n.number].begins = true
	p.mu.Unlock()
	return n.start(ctx, func(line string) { p.logged(n.number, line) })
}

// storm carries the plan out, and is over when all of it is.
func (p *play) storm(ctx context.Context) error {
	first, last := p.set.calm, time.Duration(0)
	for _, f := range p.scenario.Plan {
		if f.On.Word == "" {
			first, last = min(first, f.At), max(last, f.At)
		}
	}
	p.mu.Lock()
	p.started = time.Now().Add(-max(0, first-prologue))
	p.say("it is second %.0f of the scenario", time.Since(p.started).Seconds())
	for _, f := range p.scenario.Plan {
		if f.On.Word == "" {
			p.after(f.At-time.Since(p.started), f)
		}
	}
	p.mu.Unlock()
	for {
		select {
		case a := <-p.acts:
			go p.carryOut(ctx, a)
			continue
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p.mu.Lock()
		now := time.Since(p.started)
		done := p.open == 0 && (len(p.pending) == 0 || now > p.set.calm)
		p.calmed = done
		trouble := p.trouble
		p.mu.Unlock()
		if done || trouble != nil {
			return trouble
		}
	}
}

// after plans a fault. Whoever calls it holds mu.
func (p *play) after(d time.Duration, f plan.Fault) {
	p.open++
	p.acts <- act{d, f}
}

func (p *play) carryOut(ctx context.Context, a act) {
	var err error
	if pause(ctx, a.after) {
		p.say("plan: %v %s %v", a.fault.Kind, name(a.fault.Node), a.fault.For)
		err = p.strike(ctx, a.fault)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if err != nil {
		p.fail(fmt.Errorf("%v %s: %w", a.fault.Kind, name(a.fault.Node), err))
	}
}

// recover waits until the cluster is well, and helps it as an operator does.
func (p *play) recover(ctx context.Context) error {
	calm := time.Now()
	p.helped = calm
	for well := 0; well < settled; {
		if !pause(ctx, lookEach) {
			return context.Cause(ctx)
		}
		well++
		why := p.unsettled(ctx)
		if why == nil {
			continue
		}
		well = 0
		if time.Since(calm) > patience {
			p.mu.Lock()
			p.book.Break(promise10, why.Error())
			p.mu.Unlock()
			return nil
		}
		if time.Since(p.helped) > helpEach {
			p.helped = time.Now()
			if err := p.help(ctx, time.Since(calm)); err != nil {
				p.say("operator: %v", err) // what he meant to mend has changed meanwhile
			}
		}
	}
	return nil
}

// unsettled says what is missing from the stable state of promise 10.
func (p *play) unsettled(ctx context.Context) error {
	guests := 0
	for i, n := range p.stage.nodes {
		s, err := n.status(ctx)
		if err != nil {
			return err
		}
		r := s.Resources[0]
		p.mu.Lock()
		runs := p.sides[i].guest
		p.mu.Unlock()
		switch {
		case r.Connection != "Connected" || r.Disk != "UpToDate" || r.PeerDisk != "UpToDate":
			return fmt.Errorf("%s is %s %s/%s %s/%s", n.name, r.Connection, r.Role, r.PeerRole, r.Disk, r.PeerDisk)
		case r.OutOfSyncKiB > 0:
			return fmt.Errorf("%s marks %d KiB as different", n.name, r.OutOfSyncKiB)
		case runs != groupRuns(s):
			return fmt.Errorf("the guest on %s runs: %t, the daemon says the opposite", n.name, runs)
		case runs:
			guests++
		}
	}
	if guests != 1 {
		return fmt.Errorf("the guest runs on %d nodes", guests)
	}
	return nil
}

func groupRuns(s nodepkg.Status) bool {
	return s.Cluster != nil && len(s.Cluster.Groups) == 1 && s.Cluster.Groups[0].State == "running"
}

// verdict ends the guest's requests, and compares what is left.
func (p *play) verdict(ctx context.Context) (plan.Verdict, error) {
	v := plan.Verdict{}
	size := int64(0)
	for i, n := range p.stage.nodes {
		r, err := n.replica(ctx)
		if err != nil {
			p.mu.Lock()
			p.book.Break(promise10, err.Error())
			p.mu.Unlock()
			continue
		}
		p.mu.Lock()
		v.End[i] = plan.End{Connection: r.Connection, Role: r.Role, Disk: r.Disk, Runs: p.sides[i].guest}
		p.mu.Unlock()
		size = int64(r.SizeKiB) << 10
		if _, err := n.vm.Output(ctx, "guest", "tell", "guest", "quiet"); err != nil {
			return v, err
		}
	}
	err := wait(ctx, "the guest has no request under way", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.sides[0].guest || p.sides[1].guest {
			return errors.New("it has")
		}
		return nil
	})
	if err != nil {
		p.mu.Lock()
		p.book.Break(promise10, err.Error())
		p.mu.Unlock()
	}
	copies, err := p.copies(ctx, size, &v)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		err = p.judge(copies, &v)
	}
	for _, w := range p.pending {
		v.Missed += plan.Plan{w.fault}.String()
	}
	return v, errors.Join(err, p.trouble)
}

// copies reads both disks. They may become equal a moment after the last
// answer, with a protocol that gives it early.
func (p *play) copies(ctx context.Context, size int64, v *plan.Verdict) (copies [2][]byte, err error) {
	for range 20 {
		for i, n := range p.stage.nodes {
			copies[i] = make([]byte, size)
			if _, err := n.data.ReadAt(copies[i], 0); err != nil {
				return copies, err
			}
		}
		if v.Equal = bytes.Equal(copies[0], copies[1]); v.Equal || !pause(ctx, poll) {
			break
		}
	}
	return copies, nil
}

// judge compares the copies with each other and with what was promised to the
// guest that ran last.
func (p *play) judge(copies [2][]byte, v *plan.Verdict) error {
	last := p.lastRun
	for n, end := range v.End {
		if end.Runs {
			last = n
		}
	}
	if !v.Equal {
		p.book.Break(promise3, "the disks differ, and nobody writes")
	}
	found := make([]ledger.Number, ledger.Places)
	for place := range found {
		at := ledger.Offset(place, int64(len(copies[0])))
		n, err := ledger.Oldest(copies[last][at:at+ledger.PlaceSize], place)
		if err != nil {
			p.book.Break(ledger.Promise1, err.Error())
		}
		found[place] = n
	}
	p.book.Final(last, found)
	v.Broken, v.Why, v.Counts = p.book.Broken, p.book.Why, p.counts
	v.Counts["writes"], v.Counts["reads"], v.Counts["forks"] = p.book.Writes, p.book.Reads, p.book.Forks
	if p.book.Writes == 0 {
		return errors.New("the guest wrote nothing")
	}
	return nil
}
