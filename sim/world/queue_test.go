package world

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/draw"
)

func TestQueue(t *testing.T) {
	g := NewWithT(t)
	luck := draw.New(3, "queue")
	var q queue
	for range 1000 {
		q.push(luck.Between(0, 2*near), nil)
	}
	var out []entry
	for {
		e, _, ok := q.pop(time.Hour)
		if !ok {
			break
		}
		out = append(out, e)
		if luck.Below(3) == 0 && len(out) < 5000 {
			q.push(out[len(out)-1].at+luck.Between(0, 2*near), nil)
		}
	}
	g.Expect(len(out)).To(BeNumerically(">", 1000))
	g.Expect(slices.IsSortedFunc(out, func(a, b entry) int {
		if a.before(b) {
			return -1
		}
		return 1
	})).To(BeTrue(), "earliest first, and in the order of planning")
}
