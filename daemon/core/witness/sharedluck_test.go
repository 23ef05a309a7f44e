package witness_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/format/witnesswire"
)

// A chance is a pair with a store between them, on which everything goes wrong
// that may: answers are late or lost, writes arrive after everybody has given
// them up, nodes crash, freeze and have clocks of different speed, the store is
// emptied or restored from a backup.
type chance struct {
	luck   *rand.Rand
	now    time.Duration
	queue  []happening
	order  int
	nodes  [2]*gambler
	cut    bool
	data   []byte
	at     int      // version of data
	states [][]byte // what the store was, each second
	holds  [2]int   // how often each was seen to hold the lease
}

type happening struct {
	at    time.Duration
	order int
	do    func()
}

// gambler is one node, with what a driver does for it.
type gambler struct {
	world  *chance
	n      int
	client *witness.Client
	shared *witness.Shared
	life   int
	speed  int64         // of its clock, in hundredths
	frozen time.Duration // until then
	away   bool          // it can't reach the store
	try    int           // number of the attempt that is under way
	busy   bool
	ask    []byte // waits
	flags  witnesswire.Flags
}

func (w *chance) after(d time.Duration, do func()) {
	w.order++
	w.queue = append(w.queue, happening{w.now + d, w.order, do})
}

func (w *chance) delay() time.Duration {
	if w.luck.IntN(10) == 0 {
		return time.Duration(w.luck.Int64N(int64(8 * time.Second)))
	}
	return time.Duration(w.luck.Int64N(int64(300 * time.Millisecond)))
}

func (g *gambler) local() time.Duration { return time.Duration(int64(g.world.now) * g.speed / 100) }

// later does something on the node as it is now, when it can.
func (g *gambler) later(d time.Duration, do func()) {
	life := g.life
	var try func()
	try = func() {
		switch {
		case g.life != life:
		case g.frozen > g.world.now:
			g.world.after(g.frozen-g.world.now, try)
		default:
			do()
		}
	}
	g.world.after(d, try)
}

func (g *gambler) boot() {
	g.life++
	g.busy, g.ask, g.flags = false, nil, 0
	g.client = witness.NewClient(g.local(), witness.Config{
		Policy: witness.ByWitness, Cluster: "site", Node: name(g.n), Peer: name(1 - g.n), Lease: lease,
		Groups: []string{"drbddisk::r1"}, Start: uint64(g.life),
	})
	g.shared = witness.NewShared(name(g.n), lease, g.world.luck.Uint64()|1)
	g.later(0, g.tick)
	g.later(0, g.look)
}

func name(n int) string { return fmt.Sprint("milo", n+1) }

func (g *gambler) tick() {
	if g.client.Deadline() <= g.local() {
		g.step(witness.Input{Kind: witness.Tick})
	}
	g.later(100*time.Millisecond, g.tick)
}

func (g *gambler) step(in witness.Input) {
	peer := g.world.nodes[1-g.n]
	for _, e := range g.client.Step(g.local(), in, nil) {
		kind := witness.PeerAsks
		switch e.Kind {
		case witness.AskWitness:
			g.ask = e.Data
			g.begin()
			continue
		case witness.AnswerPeer:
			kind = witness.PeerAnswered
		case witness.AskPeer:
		case witness.Note:
			continue
		}
		if !g.world.cut {
			peer.later(g.world.delay(), func() { peer.step(witness.Input{Kind: kind, Data: e.Data}) })
		}
	}
}

func (g *gambler) look() {
	g.begin()
	g.later(lease/12, g.look)
}

// begin reads the store, decides, and writes if nobody has written meanwhile.
func (g *gambler) begin() {
	if g.busy {
		return
	}
	g.busy = true
	g.try++
	try := g.try
	g.later(5*time.Second, func() {
		if g.try == try {
			g.busy = false
		}
	})
	g.reach(func() {
		data, at := g.world.data, g.world.at
		g.answer(try, func() { g.decide(try, data, at) })
	})
}

// reach is a message to the store, answer one from it.
func (g *gambler) reach(do func()) {
	if !g.away && g.world.luck.IntN(20) > 0 {
		g.world.after(g.world.delay(), do)
	}
}

func (g *gambler) answer(try int, do func()) {
	if g.away || g.world.luck.IntN(20) == 0 {
		return
	}
	g.later(g.world.delay(), func() {
		if g.busy && g.try == try {
			do()
		}
	})
}

func (g *gambler) decide(try int, data []byte, at int) {
	if err := g.shared.Saw(g.local(), data); err != nil {
		panic(err)
	}
	if g.ask == nil {
		g.busy = false
		return
	}
	ask, err := witnesswire.DecodeAsk(g.ask)
	if err != nil {
		panic(err)
	}
	g.ask = nil
	a, change, ok := g.shared.Ask(g.local(), ask)
	if !ok || change == nil {
		g.busy = false
		if ok {
			g.step(witness.Input{Kind: witness.Answered, Data: a.Append(nil)})
		}
		return
	}
	packet := a.Append(nil)
	g.reach(func() {
		if g.world.at != at {
			g.answer(try, func() { g.busy = false })
			return
		}
		g.world.write(change)
		g.answer(try, func() {
			g.busy = false
			if err := g.shared.Saw(g.local(), change); err != nil {
				panic(err)
			}
			g.step(witness.Input{Kind: witness.Answered, Data: packet})
		})
	})
}

func (w *chance) write(data []byte) { w.data, w.at = data, w.at+1 }

// mishap is something that happens every few seconds.
func (w *chance) mishap() {
	g := w.nodes[w.luck.IntN(2)]
	switch w.luck.IntN(14) {
	case 0, 1, 2, 3:
		g.flags ^= witnesswire.Want
		g.client.Say(g.local(), 0, g.flags)
	case 4, 5:
		w.cut = !w.cut
	case 6:
		g.away = !g.away
	case 7:
		w.nodes[0].away, w.nodes[1].away = false, false
	case 8:
		g.frozen = w.now + time.Duration(w.luck.Int64N(int64(2*lease)))
	case 9:
		g.boot()
	case 10:
		if w.luck.IntN(4) == 0 {
			w.write(nil)
		}
	case 11: // nobody restores a backup within a minute
		if age := 60 + w.luck.IntN(600); len(w.states) > age && w.luck.IntN(4) == 0 {
			w.write(bytes.Clone(w.states[len(w.states)-age]))
		}
	}
	w.after(time.Duration(w.luck.Int64N(int64(10*time.Second))), w.mishap)
}

func (w *chance) remember() {
	w.states = append(w.states, w.data)
	w.after(time.Second, w.remember)
}

// run plays until a time; both is when both nodes held the lease, or 0.
func (w *chance) run(until time.Duration) (both time.Duration) {
	for w.now < until {
		i := 0
		for j := range w.queue {
			if a, b := &w.queue[j], &w.queue[i]; a.at < b.at || a.at == b.at && a.order < b.order {
				i = j
			}
		}
		next := w.queue[i]
		w.queue = slices.Delete(w.queue, i, i+1)
		w.now = max(w.now, next.at)
		next.do()
		holders := 0
		for n, g := range w.nodes {
			if held, _ := g.client.Held(g.local(), 0); held && g.frozen <= w.now {
				holders++
				w.holds[n]++
			}
		}
		if holders == 2 {
			return w.now
		}
	}
	return 0
}

func TestNeverTwoHoldersByAStore(t *testing.T) {
	for seed := range uint64(20) {
		g := NewWithT(t)
		w := &chance{luck: rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // luck
		for n := range w.nodes {
			w.nodes[n] = &gambler{world: w, n: n, speed: 97 + w.luck.Int64N(7)}
		}
		for _, node := range w.nodes {
			node.boot()
		}
		w.after(0, w.mishap)
		w.after(0, w.remember)
		g.Expect(w.run(time.Hour)).To(BeZero(), "seed %d: both nodes held the lease", seed)
		g.Expect(w.holds).To(HaveEach(BeNumerically(">", 100)), "seed %d", seed)
	}
}
