package main

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func TestAPlanIsAskedOfTheDaemon(t *testing.T) {
	g := NewWithT(t)
	var asked control.Order
	_, dir := daemon(t, control.Handlers{Order: func(_ context.Context, o control.Order) control.Answer {
		asked = o
		return control.Answer{OK: o.Args[0] == "standby", Text: "as planned\n"}
	}})
	out, _, err := pollux(t, "plan", "standby", "--run-dir", dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal("as planned\n"))
	g.Expect(asked).To(Equal(control.Order{Order: "plan", Args: []string{"standby", "all"}}))
	_, status, err := pollux(t, "plan", "takeover", "local", "--force", "--run-dir", dir)
	g.Expect(err).To(MatchError("as planned\n"))
	g.Expect(status).To(Equal(exitFailed))
	g.Expect(asked).To(Equal(control.Order{Order: "plan", Args: []string{"takeover", "local"}, Force: true}))
}

func TestFailuresArePlannedFromWhereThingsAre(t *testing.T) {
	well := node.Status{Node: "milo1", Peer: "milo2", Resources: []node.ResourceStatus{{
		Name: "r1", Connection: "Connected", Disk: "UpToDate", PeerDisk: "UpToDate",
	}}, Cluster: &node.ClusterStatus{
		PeerPresent: true, PeerHolding: "none", Groups: []node.GroupStatus{{Key: "drbddisk::r1", Preferred: "milo1", State: "running"}},
	}}
	moved := well
	moved.Cluster = &node.ClusterStatus{
		PeerPresent: true, PeerHolding: "foreign", Groups: []node.GroupStatus{{Key: "drbddisk::r1", Preferred: "milo1", State: "stopped"}},
	}
	parted := well
	parted.Resources = []node.ResourceStatus{{Name: "r1", Connection: "WFConnection", Disk: "UpToDate", PeerDisk: "DUnknown"}}
	down := well
	down.Cluster = &node.ClusterStatus{Groups: []node.GroupStatus{{Key: "drbddisk::r1", Preferred: "milo1", State: "waiting", Reason: "so"}}}
	const head = "WHEN THIS FAILS GUESTS RUN ON AWAY AT MOST WHY "
	for name, tc := range map[string]struct {
		status node.Status
		ask    string
		want   string
	}{
		"the active node": {well, "power-off milo1", "drbddisk::r1 on milo1: " + head + "milo1 milo2 90 s + start milo2 takes over"},
		"the standby":     {moved, "power-off MILO1", "drbddisk::r1 on milo2: " + head + "milo1 milo2 10.5 s milo2 goes on alone"},
		"the active node, after a cut": {
			parted, "power-off milo1",
			"drbddisk::r1 on milo1: " + head + "replication link, then milo1 NOWHERE until it is mended milo2 does not take over with old data",
		},
		"all links": {
			well, "cut all", "drbddisk::r1 on milo1: " + head + "all links between the nodes BOTH 10.5 s milo1 goes on alone; milo2 takes over. " +
				"DATA: both write: what one of them wrote is lost when the nodes meet",
		},
		"what is down": {down, "cut replication", "drbddisk::r1 runs nowhere now: so"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, dir := daemon(t, control.Handlers{Status: func(context.Context) (any, error) { return tc.status, nil }})
			args := append([]string{"plan"}, strings.Fields(tc.ask)...)
			out, _, err := pollux(t, append(args, "--run-dir", dir, "--config-dir", seed(t), "--node", "milo1")...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(strings.Join(strings.Fields(out), " ")).To(Equal(tc.want))
		})
	}
	g := NewWithT(t)
	_, dir := daemon(t, control.Handlers{Status: func(context.Context) (any, error) { return well, nil }})
	for ask, want := range map[string]string{
		"power-off milo3": "found node milo3, want milo1 or milo2", "cut witness": "there is no witness that is asked",
		"cut rope": `found "rope", want replication|`,
	} {
		args := append([]string{"plan"}, strings.Fields(ask)...)
		_, _, err := pollux(t, append(args, "--run-dir", dir, "--config-dir", seed(t), "--node", "milo1")...)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
}
