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
		q.push(luck.Between(0, 50), nil)
	}
	var out []entry
	for len(q.heap) > 0 {
		e, _ := q.pop()
		out = append(out, e)
		if luck.Below(3) == 0 && len(out) < 5000 {
			q.push(out[len(out)-1].at+luck.Between(0, 50*time.Nanosecond), nil)
		}
	}
	g.Expect(slices.IsSortedFunc(out, func(a, b entry) int {
		if a.before(b) {
			return -1
		}
		return 1
	})).To(BeTrue(), "earliest first, and in the order of planning")
}
