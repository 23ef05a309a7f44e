package node_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
)

// Nothing of a plan happens, and it is what the order would answer.
func TestAPlanIsWhatTheOrderWouldDo(t *testing.T) {
	g := NewWithT(t)
	n, _, end := startKernelNode(t, newModule(standing), true)
	state := func() string { return n.Status().Cluster.Groups[0].State }
	g.Eventually(state, soon).Should(Equal("running"))
	plan := func(words ...string) control.Answer {
		return n.Order(t.Context(), control.Order{Order: "plan", Args: words})
	}
	g.Expect(plan("takeover", "all")).To(Equal(control.Answer{
		OK: true, Text: "nothing would be done\nafter 0.0 s, the answer: the groups run here\n",
	}))
	a := plan("standby", "all")
	g.Expect(a.OK).To(BeFalse())
	g.Expect(a.Text).To(Equal(n.Order(t.Context(), control.Order{Order: "standby", Args: []string{"all"}}).Text))
	g.Expect(plan("standby", "some").Text).To(ContainSubstring("want none, local, foreign"))
	g.Expect(plan("stop", "all").Text).To(Equal(`found "stop", want standby or takeover`))
	g.Expect(plan().OK).To(BeFalse())
	g.Expect(state()).To(Equal("running"))
	g.Expect(end()).To(Succeed())
}
