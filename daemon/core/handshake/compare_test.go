package handshake_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/handshake"
	"github.com/optionc/pollux/daemon/format/drbdmeta"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// Generations, all with bit 0 clear. step is what a bitmap generation grows by
// when a resync starts.
const (
	fresh = drbdmeta.JustCreated
	genA  = 0xaaaa000000000010
	genB  = 0xbbbb000000000020
	genC  = 0xcccc000000000030
	genD  = 0xdddd000000000040
	genE  = 0xeeee000000000050
	step  = 0x0001000000000000
)

const wsame = drbdwire.FeatureWSame

func uuids(current, bitmap, history0, history1 uint64) drbdmeta.UUIDs {
	return drbdmeta.UUIDs{Current: current, Bitmap: bitmap, History0: history0, History1: history1}
}

func TestCompare(t *testing.T) {
	type side = handshake.Side
	primary := side{UUIDs: uuids(genA, 0, 0, 0), Role: drbdwire.Primary, Features: wsame}
	secondary := side{UUIDs: uuids(genA, 0, 0, 0), Role: drbdwire.Secondary, Features: wsame}
	crashed := func(s side) side { s.CrashedPrimary = true; return s }
	resolve := func(s side) side { s.Resolve = true; return s }
	old := func(s side) side { s.Features &^= wsame; return s }
	data := func(current, bitmap, history0, history1 uint64) side {
		return side{UUIDs: uuids(current, bitmap, history0, history1)}
	}
	for name, tc := range map[string]struct {
		own, peer    side
		result, rule int
		// What is corrected; nothing if zero.
		correctOwn, correctPeer drbdmeta.UUIDs
	}{
		"10: both fresh":                      {own: data(fresh, 0, 0, 0), peer: data(fresh, 0, 0, 0), rule: 10},
		"10: both fresh, one of them Primary": {own: data(fresh|1, 0, 0, 0), peer: data(fresh, 0, 0, 0), rule: 10},
		"20: fresh meets data": {
			own: data(fresh, 0, 0, 0), peer: data(genA, 0, 0, 0), result: -2, rule: 20,
		},
		"20: zero meets data": {own: data(0, 0, 0, 0), peer: data(genA, 0, 0, 0), result: -2, rule: 20},
		"20: fresh meets its own descendant": {
			own: data(fresh, 0, 0, 0), peer: data(genA, fresh, 0, 0), result: -2, rule: 20,
		},
		"30: data meet fresh": {
			own: data(genA, 0, 0, 0), peer: data(fresh, 0, 0, 0), result: 2, rule: 30,
		},
		"30: data meet zero":   {own: data(genA, 0, 0, 0), peer: data(0, 0, 0, 0), result: 2, rule: 30},
		"30: zero meets fresh": {own: data(0, 0, 0, 0), peer: data(fresh, 0, 0, 0), result: 2, rule: 30},
		"40: the same, Primary bits aside": {
			own: data(genA|1, 0, genB, 0), peer: data(genA, 0, genB|1, 0), rule: 40,
		},
		"40: the same, both know a bitmap":   {own: data(genA, genB, 0, 0), peer: data(genA, genC, 0, 0), rule: 40},
		"40: the same though one is Primary": {own: primary, peer: secondary, rule: 40},
		"40: this node crashed":              {own: crashed(secondary), peer: secondary, result: 1, rule: 40},
		"40: the peer crashed":               {own: secondary, peer: crashed(secondary), result: -1, rule: 40},
		"40: both crashed, here is resolved": {
			own: resolve(crashed(secondary)), peer: crashed(secondary), result: -1, rule: 40,
		},
		"40: both crashed, there is resolved": {
			own: crashed(secondary), peer: resolve(crashed(secondary)), result: 1, rule: 40,
		},
		"40: crashed, no WSAME, nobody Primary": {
			own: old(crashed(secondary)), peer: old(secondary), result: 1, rule: 40,
		},
		"41: the peer crashed, this is Primary": {own: primary, peer: crashed(secondary), result: 1, rule: 41},
		"41: this crashed, the peer is Primary": {own: crashed(secondary), peer: primary, result: -1, rule: 41},
		"41: crashed and Primary again":         {own: crashed(primary), peer: secondary, result: 1, rule: 41},
		"41: both are Primary":                  {own: primary, peer: crashed(primary), result: -100, rule: 41},
		"41: without WSAME on both sides": {
			own: old(primary), peer: crashed(old(secondary)), result: -(0x10000 | 101 | 4<<8), rule: 41,
		},
		"34: was source, the peer ended the resync": {
			own: data(genA, genB, genC, genD), peer: data(genA|1, 0, genB|1, genC), result: 1, rule: 34,
			correctOwn: uuids(genA, 0, genB, genC),
		},
		"36: was source, the peer did not note the sync": {
			own: data(genA, genB, genC, 0), peer: data(genA, 0, genD, genC), result: 1, rule: 36,
		},
		"36: only one history entry matches": {
			own: data(genA, genB, genC, 0), peer: data(genA, 0, genB, genD), result: 1, rule: 36,
		},
		"35: the peer was source, this ended the resync": {
			own: data(genA, 0, genB, genC), peer: data(genA, genB|1, genC, genD), result: -1, rule: 35,
			correctPeer: uuids(genA, 0, genB|1, genC),
		},
		"37: the peer was source, this did not note the sync": {
			own: data(genA, 0, 0, 0), peer: data(genA, genB, genC, 0), result: -1, rule: 37,
		},
		"50: the peer went on alone": {
			own: data(genA, 0, 0, 0), peer: data(genB|1, genA|1, 0, 0), result: -1, rule: 50,
		},
		"50: target of an interrupted resync": {
			own: data(genA+step, 0, 0, 0), peer: data(genB, genA+step, genA, 0), result: -1, rule: 50,
		},
		"60: older than the peer's bitmap": {
			own: data(genA, 0, 0, 0), peer: data(genB, genC, genA, 0), result: -2, rule: 60,
		},
		"60: older by two generations": {
			own: data(genA, 0, 0, 0), peer: data(genB, genC, genD, genA|1), result: -2, rule: 60,
		},
		"70: this node went on alone": {
			own: data(genB|1, genA|1, 0, 0), peer: data(genA, 0, 0, 0), result: 1, rule: 70,
		},
		"80: the peer is older than the bitmap": {
			own: data(genB, genC, genA, 0), peer: data(genA, 0, 0, 0), result: 2, rule: 80,
		},
		"80: the peer is older by two": {
			own: data(genB, genC, genD, genA), peer: data(genA, 0, 0, 0), result: 2, rule: 80,
		},
		"51: the sync UUID got lost on its way here": {
			own: data(genA, 0, 0, 0), peer: data(genB, (genA|1)+step, genA|1, genC), result: -1, rule: 51,
			correctPeer: uuids(genB, genA|1, genC, genC),
		},
		"71: the sync UUID got lost on its way there": {
			own: data(genB, (genA|1)+step, genA|1, genC), peer: data(genA, 0, 0, 0), result: 1, rule: 71,
			correctOwn: uuids(genB, genA|1, genC, genC),
		},
		"90: both went on alone": {
			own: data(genB, genA|1, 0, 0), peer: data(genC, genA, 0, 0), result: 100, rule: 90,
		},
		"100: common history, other bitmaps": {
			own: data(genA, genB, genC, 0), peer: data(genD, genE, genA|8, genC), result: -100, rule: 100,
		},
		"100: two empty histories are equal": {
			own: data(genA, 0, 0, 0), peer: data(genB, 0, 0, 0), result: -100, rule: 100,
		},
		"100: nothing in common is unrelated": {
			own: data(genA, 0, genB, genC), peer: data(genD, 0, genE, genE+2), result: -1000, rule: 100,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := handshake.Compare(tc.own, tc.peer)
			g.Expect(v.Result).To(Equal(tc.result))
			g.Expect(v.Rule).To(Equal(tc.rule))
			g.Expect(v.Text).NotTo(BeEmpty())
			g.Expect(v.String()).To(Equal(fmt.Sprintf("uuid_compare()=%d by rule %d", tc.result, tc.rule)))
			if tc.correctOwn == (drbdmeta.UUIDs{}) {
				tc.correctOwn = tc.own.UUIDs
			}
			if tc.correctPeer == (drbdmeta.UUIDs{}) {
				tc.correctPeer = tc.peer.UUIDs
			}
			g.Expect(v.Own).To(Equal(tc.correctOwn))
			g.Expect(v.Peer).To(Equal(tc.correctPeer))
		})
	}
}

// TestCompareMirrors tries all pairs over a small universe of generations. The
// rules come to mirrored results but for pairs that no history leads to: each
// current generation lies in the past of the other, or both are zero.
func TestCompareMirrors(t *testing.T) {
	universe := []uint64{0, fresh, genA, genA + step, genB}
	n := len(universe)
	mirrored := map[int]int{
		20: 30, 30: 20, 34: 35, 35: 34, 36: 37, 37: 36, 50: 70, 70: 50, 51: 71, 71: 51, 60: 80, 80: 60,
	}
	seen := map[int]int{}
	asymmetric := 0
	for i := range n * n * n * n * n * n * n * n {
		pick := func() uint64 {
			value := universe[i%n]
			i /= n
			return value
		}
		own := handshake.Side{UUIDs: uuids(pick(), pick(), pick(), pick())}
		peer := handshake.Side{UUIDs: uuids(pick(), pick(), pick(), pick()), Resolve: true}
		here, there := handshake.Compare(own, peer), handshake.Compare(peer, own)
		seen[here.Rule]++
		rule, ok := mirrored[here.Rule]
		if !ok {
			rule = here.Rule
		}
		result := -here.Result
		switch here.Result {
		case handshake.SplitBrain, -handshake.SplitBrain, handshake.Unrelated:
			result = here.Result
		}
		if there.Rule == rule && there.Result == result && there.Own == here.Peer && there.Peer == here.Own {
			continue
		}
		asymmetric++
		bothZero := own.UUIDs.Current == 0 && peer.UUIDs.Current == 0
		bothOlder := inPast(own.UUIDs.Current, peer.UUIDs) && inPast(peer.UUIDs.Current, own.UUIDs)
		if !bothZero && !bothOlder {
			t.Fatalf("%x and %x: %v here, %v there", own.UUIDs, peer.UUIDs, here, there)
		}
	}
	for _, rule := range []int{10, 20, 30, 34, 35, 36, 37, 40, 50, 51, 60, 70, 71, 80, 90, 100} {
		if seen[rule] == 0 {
			t.Errorf("rule %d never came up", rule)
		}
	}
	t.Logf("%d of %d pairs are contradictory", asymmetric, n*n*n*n*n*n*n*n)
}

func inPast(current uint64, u drbdmeta.UUIDs) bool {
	return current == u.Bitmap || current == u.History0 || current == u.History1
}
