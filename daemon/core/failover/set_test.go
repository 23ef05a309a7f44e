package failover

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestSetsOfGroups(t *testing.T) {
	g := NewWithT(t)
	var low, high groupSet
	for _, i := range []int{0, 63, 64, 500, maxGroups - 1} {
		g.Expect(low.has(i)).To(BeFalse())
		low.add(i)
		g.Expect(low.has(i)).To(BeTrue())
	}
	g.Expect(low.has(1)).To(BeFalse())
	high = low
	high.remove(63)
	high.remove(0)
	g.Expect(low.has(63)).To(BeTrue(), "a copy is another set")
	g.Expect(low.and(high)).To(Equal(high))
	g.Expect(low.or(high)).To(Equal(low))
	rest := low.without(high)
	g.Expect(rest.has(0) && rest.has(63) && !rest.has(64)).To(BeTrue())
	g.Expect(rest.and(only(64)).empty()).To(BeTrue())
	g.Expect(rest.empty()).To(BeFalse())
}

func TestSetsTakeNoMemory(t *testing.T) {
	NewWithT(t).Expect(testing.AllocsPerRun(100, func() {
		s := only(700)
		s.add(1)
		if s.and(only(1)).empty() || s.or(only(2)).without(s) != only(2) {
			t.Error("that is not how sets work")
		}
	})).To(BeZero())
}
