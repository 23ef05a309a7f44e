package plan_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/plan"
)

func TestChange(t *testing.T) {
	g := NewWithT(t)
	luck := draw.New(1, "change")
	first := plan.Draw(1, plan.Profile{From: 20 * time.Second, To: 80 * time.Second, Faults: 6, Deadtime: 9 * time.Second})
	before, kinds := len(first), map[plan.Kind]bool{}
	for _, f := range first {
		kinds[f.Kind] = true
	}
	changed := 0
	for p := first; changed < 200; changed++ {
		p = plan.Change(p, luck)
		g.Expect(plan.Parse(p.String())).To(HaveLen(len(p)), "it can be run again")
		for _, f := range p {
			g.Expect(kinds).To(HaveKey(f.Kind))
		}
	}
	g.Expect(plan.Change(nil, luck)).To(BeEmpty())
	g.Expect(first).To(HaveLen(before), "the plan itself stays what it is")
}
