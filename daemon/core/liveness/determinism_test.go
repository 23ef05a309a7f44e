package liveness_test

import (
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
)

// Whatever comes, in any order and at any time, the core takes it, keeps a Deadline that is not in the past, and does
// the same again for the same inputs.
func TestAnyInputTwice(t *testing.T) {
	RegisterTestingT(t)
	for seed := range uint64(20) {
		first, second := randomRun(seed), randomRun(seed)
		NewWithT(t).Expect(second).To(Equal(first))
	}
}

func randomRun(seed uint64) []liveness.Effect {
	draw := rand.New(rand.NewPCG(seed, 1))
	n, p := newNode(config()), &milo2{generation: 3, time: 1}
	kept := [][]byte{p.status("up")}
	for range 400 {
		n.until(n.now + time.Duration(draw.Int64N(int64(20*time.Second))))
		switch draw.IntN(8) {
		case 0:
			n.now += time.Duration(draw.Int64N(int64(200 * time.Second)))
			n.step(liveness.Input{Kind: liveness.Tick, Drained: draw.IntN(2) == 0})
		case 1:
			kept = append(kept, p.status("active"))
		case 2:
			kept = append(kept, p.nodes(), p.resource())
		case 3:
			p.seq += draw.Uint64N(300)
		case 4:
			*p = milo2{generation: p.generation + draw.Uint64N(2), seq: draw.Uint64N(20), time: p.time}
		case 5:
			damaged := append([]byte(nil), kept[draw.IntN(len(kept))]...)
			damaged[draw.IntN(len(damaged))] ^= 1
			n.hear(damaged)
		default:
			n.hear(kept[draw.IntN(len(kept))])
		}
	}
	return n.seen
}
