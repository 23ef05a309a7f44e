package ledger_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/plans/ledger"
)

// holds are places of which the first few have these numbers.
func holds(first ...ledger.Number) []ledger.Number {
	return append(first, make([]ledger.Number, ledger.Places-len(first))...)
}

func TestLedger(t *testing.T) {
	first := func(count uint32) ledger.Number { return ledger.NewNumber(1, count) }
	second := func(count uint32) ledger.Number { return ledger.NewNumber(2, count) }
	begin := func(l *ledger.Ledger) {
		l.Found(0, 1, holds(), false)
		l.Acked(0, 0, first(1))
		l.Acked(0, 1, first(2))
	}
	for name, tc := range map[string]struct {
		forgives bool
		do       func(l *ledger.Ledger)
		broken   string
		forks    int
	}{
		"the other node has all": {do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1), first(2)), false)
		}},
		"a write without an answer may be there": {do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1), first(3)), false)
			l.Final(1, holds(first(1), first(3)))
		}},
		"or not, but never again": {broken: ledger.Promise1, do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1), first(2)), false)
			l.Final(1, holds(first(1), first(3)))
		}},
		"an acknowledged write is missing": {broken: ledger.Promise1, forks: 1, do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1)), false)
		}},
		"an answer is told late": {do: func(l *ledger.Ledger) {
			l.Found(0, 2, holds(first(1), first(3)), false)
			l.Acked(0, 1, first(3))
		}},
		"an answer is told late, and the write is not there": {broken: ledger.Promise1, do: func(l *ledger.Ledger) {
			l.Found(0, 2, holds(first(1), first(2)), false)
			l.Acked(0, 1, first(3))
		}},
		"a split brain": {forgives: true, forks: 1, do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1), first(2)), true)
			l.Acked(0, 2, first(4))
			l.Acked(1, 3, second(1))
			l.Found(1, 3, holds(first(1), first(2), first(4)), false) // its data were given up
			l.Final(1, holds(first(1), first(2), first(4)))
		}},
		"a split brain that mixes both histories": {forgives: true, forks: 1, broken: ledger.Promise1, do: func(l *ledger.Ledger) {
			l.Found(1, 2, holds(first(1), first(2)), true)
			l.Acked(0, 2, first(4))
			l.Acked(1, 3, second(1))
			l.Final(0, holds(first(1), first(2), first(4), second(1)))
		}},
		"old data at the end": {broken: ledger.Promise1, do: func(l *ledger.Ledger) {
			l.Final(0, holds(first(1)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			l := ledger.New(tc.forgives)
			begin(l)
			tc.do(l)
			g.Expect(l.Broken).To(Equal(tc.broken), l.Why)
			g.Expect(l.Forks).To(Equal(tc.forks))
		})
	}
}

func TestPlace(t *testing.T) {
	g := NewWithT(t)
	older, newer := ledger.NewNumber(1, 9), ledger.NewNumber(2, 1)
	p, q := make([]byte, ledger.PlaceSize), make([]byte, ledger.PlaceSize)
	g.Expect(ledger.Oldest(p, 7)).To(BeZero(), "nothing was written")
	ledger.Fill(p, 7, older)
	g.Expect(ledger.Oldest(p, 7)).To(Equal(older))
	ledger.Fill(q, 7, newer)
	g.Expect(ledger.Oldest(slices.Concat(q[:1024], p[1024:]), 7)).To(Equal(older), "a part of it was written")
	g.Expect(ledger.Oldest(p, 8)).Error().To(HaveOccurred(), "it belongs elsewhere")
	q[700]++
	g.Expect(ledger.Oldest(q, 7)).Error().To(HaveOccurred(), "it is damaged")
	g.Expect(newer.String()).To(Equal("2.1"))
	g.Expect(ledger.Offset(ledger.Places-1, 24<<20) + ledger.PlaceSize).To(BeNumerically("<=", 24<<20))
}
