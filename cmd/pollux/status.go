package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/pingnode"
	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

func newStatus(p *place) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "status", Short: "tell the state of every resource and group", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(shapeOf(s))
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; the resources have the keys of drbdsetup status --json of DRBD 9 too")
	return cmd
}

// statusJSON is a status whose resources have the keys that version 9 of DRBD
// gives them, besides pollux's own.
type statusJSON struct {
	node.Status
	Resources []resourceJSON `json:"resources"`
}

type resourceJSON struct {
	node.ResourceStatus
	drbdtext.JSONState
}

func shapeOf(s *node.Status) statusJSON {
	shape := statusJSON{Status: *s}
	for i := range s.Resources {
		r := &s.Resources[i]
		text := r.Text(s.Peer)
		shape.Resources = append(shape.Resources, resourceJSON{*r, text.JSON().JSONState})
	}
	return shape
}

func newEvents(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "events", Short: "print what happens, as it happens, one JSON value a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := p.dial()
			if err != nil {
				return err
			}
			return client.Events(cmd.Context(), func(line json.RawMessage) {
				// A reader that went away ends the command by a signal.
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), string(line))
			})
		},
	}
}

// printStatus writes for a person.
func printStatus(w io.Writer, s *node.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "node %s, peer %s\n", s.Node, s.Peer)
	for i := range s.Resources {
		printResource(&b, &s.Resources[i])
	}
	if c := s.Cluster; c != nil {
		fmt.Fprintf(&b, "\ncluster: %s, peer %s", c.Stage, c.PeerState)
		if c.PeerSilent > 0 {
			fmt.Fprintf(&b, " (heard %.1f s ago)", c.PeerSilent)
		}
		fmt.Fprintf(&b, ", holding %s\n", c.Holding)
		if c.Maintenance {
			b.WriteString("  maintenance is on: nothing is decided about groups but what operators order\n")
		}
		for _, g := range c.Groups {
			fmt.Fprintf(&b, "  group %s (prefers %s): %s\n", g.Key, g.Preferred, g.State)
			if g.Reason != "" {
				fmt.Fprintf(&b, "    %s\n", g.Reason)
			}
			for _, r := range g.Resources {
				fmt.Fprintf(&b, "    %s\n", r)
			}
		}
		if len(c.Displaced) > 0 {
			fmt.Fprintf(&b, "  displaced, until no guest of a group is here: %s\n", strings.Join(c.Displaced, ", "))
		}
		printPingNodes(&b, c.Nodes)
		printWitness(&b, c.Witness)
		if c.Failback != "" {
			fmt.Fprintf(&b, "  failback waits: %s", c.Failback)
			if c.FailbackAt != nil {
				fmt.Fprintf(&b, " (at %s)", c.FailbackAt.Local().Format(time.TimeOnly))
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printPingNodes says which of them answer, in words that mean more than Heartbeat's.
func printPingNodes(b *strings.Builder, nodes []node.Member) {
	for _, m := range nodes {
		if m.Type != node.TypePing {
			continue
		}
		word := "was not heard yet"
		switch m.State {
		case pingnode.Alive:
			word = "answers"
		case pingnode.Dead:
			word = "does not answer"
		}
		fmt.Fprintf(b, "  ping node %s %s\n", m.Name, word)
	}
}

func printResource(b *strings.Builder, r *node.ResourceStatus) {
	fmt.Fprintf(b, "\n%s role:%s disk:%s size:%s protocol:%s\n", r.Name, r.Role, r.Disk, size(r.SizeKiB), r.Protocol)
	fmt.Fprintf(b, "  peer connection:%s role:%s disk:%s\n", r.Connection, r.PeerRole, r.PeerDisk)
	if r.OutOfSyncKiB > 0 {
		fmt.Fprintf(b, "  out of sync: %s\n", size(r.OutOfSyncKiB))
	}
	if r.Resync != nil {
		fmt.Fprintf(b, "  resync: %s\n", progress(r.Resync))
	}
	printVerify(b, r)
	if r.Device != "" {
		where := r.Device
		if !strings.HasPrefix(where, "/dev/") {
			where = fmt.Sprintf("nbd+unix:///%s?socket=%s", r.Name, r.Device)
		}
		fmt.Fprintf(b, "  device: %s (%d users)\n", where, r.Users)
	}
	if s := drbdwire.UnpackState(r.StateWord); s.Suspended || s.SuspNoData || s.SuspFencing {
		fmt.Fprintf(b, "  I/O waits: suspended by user %t, for want of data %t, by fencing %t\n", s.Suspended, s.SuspNoData,
			s.SuspFencing)
	}
	if r.Frozen != "" {
		fmt.Fprintf(b, "  FROZEN: %s\n", r.Frozen)
	}
	if r.Note != "" {
		fmt.Fprintf(b, "  last refusal or failure: %s\n", r.Note)
	}
}

func progress(y *node.ResyncStatus) string {
	eta := "stalled"
	if y.ETASeconds >= 0 {
		eta = (time.Duration(y.ETASeconds) * time.Second).String() + " left"
	}
	return fmt.Sprintf("%.1f %% of %s, %s/s, %s", y.PercentDone, size(y.TotalKiB), size(y.KiBPerSecond), eta)
}

// size prints KiB in a unit that a person reads easily.
func size(kib uint64) string {
	switch {
	case kib >= 10<<20:
		return fmt.Sprintf("%d GiB", kib>>20)
	case kib >= 10<<10:
		return fmt.Sprintf("%d MiB", kib>>10)
	default:
		return fmt.Sprintf("%d KiB", kib)
	}
}
