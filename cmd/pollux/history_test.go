package main

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func TestWhyAndHistoryTellOfGroups(t *testing.T) {
	g := NewWithT(t)
	s := node.Status{Cluster: &node.ClusterStatus{
		Groups: []node.GroupStatus{{Key: "drbddisk::r1"}, {Key: "IPaddr::10.0.0.9"}},
		Decisions: []node.Decision{{
			Time: time.Date(2026, 3, 1, 12, 30, 0, 0, time.Local), Times: 1, About: "drbddisk::r1", Outcome: "starts here",
			Rule: "milo1 counts as dead", Inputs: "milo1 is not heard", Instead: "to wait",
		}},
	}}
	kept := "2026-03-01T12:30:00Z drbddisk::r1 starts here: milo1 counts as dead\n"
	_, dir := daemon(t, control.Handlers{
		Status: func(context.Context) (any, error) { return s, nil },
		Order: func(_ context.Context, o control.Order) control.Answer {
			return control.Answer{OK: o.Order == "history", Text: kept}
		},
	})
	out, _, err := pollux(t, "why", "--run-dir", dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal(`group drbddisk::r1
  2026-03-01 12:30:00.000  group starts here
      rule:   milo1 counts as dead
      inputs: milo1 is not heard
      instead of: to wait
group IPaddr::10.0.0.9
`))
	out, _, err = pollux(t, "why", "IPaddr::10.0.0.9", "--run-dir", dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal("group IPaddr::10.0.0.9\n"))
	out, _, err = pollux(t, "history", "--run-dir", dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal(kept))
}
