package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/node"
)

func newWhy(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "why [RESOURCE]", Short: "tell what was refused or decided last, by which rule and on what evidence",
		Long: `Tell what this node has refused or decided about its resources since the daemon
started, newest first: handshakes with the rule and both sides' generations,
promotions, resyncs, fencing. The last 64 of each resource are kept; what was
decided again with the same outcome on the same evidence stands there once.`,
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
	if !found && len(names) > 0 {
		return exitError{fmt.Errorf("%s: No such resource", names[0]), exitFailed}
	}
	_, err := io.WriteString(w, b.String())
	return err
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
}
