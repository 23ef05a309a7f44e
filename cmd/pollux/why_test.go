package main

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func TestWhyTellsTheLastDecisions(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 30, 0, 0, time.Local)
	s := node.Status{Node: "milo2", Resources: []node.ResourceStatus{
		{Name: "r1", Decisions: []node.Decision{
			{
				Time: at, Times: 3, About: "primary", Outcome: "refused", Rule: "Need access to UpToDate data: it is old",
				Inputs: "Secondary/Unknown WFConnection Outdated/DUnknown",
			},
			{Time: at.Add(-time.Second), Times: 1, About: "handshake", Outcome: "no resync", Rule: "rule 40, both have the same data"},
		}},
		{Name: "r2"},
	}}
	_, dir := daemon(t, control.Handlers{Status: func(context.Context) (any, error) { return s, nil }})
	first := `r1
  2026-03-01 12:30:00.000  primary refused (3 times)
      rule:   Need access to UpToDate data: it is old
      inputs: Secondary/Unknown WFConnection Outdated/DUnknown
  2026-03-01 12:29:59.000  handshake no resync
      rule:   rule 40, both have the same data
`
	for line, want := range map[string]string{"": first + "r2\n", "r1": first, "r2": "r2\n"} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			args := []string{"why", "--run-dir", dir}
			if line != "" {
				args = append(args, line)
			}
			out, _, err := pollux(t, args...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out).To(Equal(want))
		})
	}
	g := NewWithT(t)
	_, status, err := pollux(t, "why", "r3", "--run-dir", dir)
	g.Expect(err).To(MatchError(`why: found "r3", want r1 or r2`))
	g.Expect(status).To(Equal(exitFailed))
}
