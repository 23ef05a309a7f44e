package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func newWhy(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "why [RESOURCE|GROUP]", Short: "tell what was refused or decided last, by which rule and on what evidence",
		Long: `Tell what this node has refused or decided about its resources since the daemon
started, newest first: handshakes with the rule and both sides' generations,
promotions, resyncs, fencing; and about groups of haresources, named by their
first word: what was started, given, refused or left alone, and what else could
have been done. The last 64 of each resource are kept, and of all groups; what
was decided again with the same outcome on the same evidence stands there once.
"pollux history" has what was decided before the daemon started.`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: p.completeResource,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.status(cmd.Context())
			if err != nil {
				return err
			}
			return printWhy(cmd.OutOrStdout(), s, args)
		},
	}
}

// printWhy writes for a person; names are the resources to tell about, none
// means all.
func printWhy(w io.Writer, s *node.Status, names []string) error {
	var b strings.Builder
	found := false
	for i := range s.Resources {
		r := &s.Resources[i]
		if len(names) > 0 && r.Name != names[0] {
			continue
		}
		found = true
		fmt.Fprintf(&b, "%s\n", r.Name)
		for _, d := range r.Decisions {
			printDecision(&b, d)
		}
	}
	if s.Cluster != nil {
		found = printGroups(&b, s.Cluster, names) || found
	}
	if !found && len(names) > 0 {
		return exitError{fmt.Errorf("why: found %q, want %s", names[0], strings.Join(decides(s), " or ")), exitFailed}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// decides are the names of what there are decisions about.
func decides(s *node.Status) (names []string) {
	for i := range s.Resources {
		names = append(names, s.Resources[i].Name)
	}
	if s.Cluster != nil {
		for _, g := range s.Cluster.Groups {
			names = append(names, g.Key)
		}
	}
	return names
}

// printGroups writes the decisions about groups, one group after the other, and
// tells whether there is one of the names.
func printGroups(b *strings.Builder, c *node.ClusterStatus, names []string) (found bool) {
	if c.Maintenance && len(names) == 0 {
		b.WriteString("maintenance is on: nothing is decided about groups but what operators order\n")
	}
	for _, g := range c.Groups {
		if len(names) > 0 && g.Key != names[0] {
			continue
		}
		found = true
		fmt.Fprintf(b, "group %s\n", g.Key)
		for _, d := range c.Decisions {
			if d.About == g.Key {
				d.About = "group"
				printDecision(b, d)
			}
		}
	}
	return found
}

func newHistory(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "history", Short: "tell what this node has decided about its groups, over all runs of the daemon",
		Long: `Tell what this node has decided about the groups of haresources, oldest first,
with the rule, the evidence and what else could have been done. It is kept over
restarts, up to 1 MiB.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := p.dial()
			if err != nil {
				return err
			}
			a, err := client.Order(cmd.Context(), control.Order{Order: "history"})
			if err != nil {
				return err
			}
			if !a.OK {
				return exitError{errors.New(a.Text), exitFailed}
			}
			_, err = io.WriteString(cmd.OutOrStdout(), a.Text)
			return err
		},
	}
}

func printDecision(b *strings.Builder, d node.Decision) {
	fmt.Fprintf(b, "  %s  %s %s", d.Time.Local().Format("2006-01-02 15:04:05.000"), d.About, d.Outcome)
	if d.Times > 1 {
		fmt.Fprintf(b, " (%d times)", d.Times)
	}
	b.WriteByte('\n')
	if d.Rule != "" {
		fmt.Fprintf(b, "      rule:   %s\n", d.Rule)
	}
	if d.Inputs != "" {
		fmt.Fprintf(b, "      inputs: %s\n", d.Inputs)
	}
	if d.Instead != "" {
		fmt.Fprintf(b, "      instead of: %s\n", d.Instead)
	}
}
