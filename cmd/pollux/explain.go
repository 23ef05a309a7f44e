package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/forecast"
	"github.com/optionc/pollux/daemon/format/drbdconf"
)

func newExplain(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "explain failures", Short: "tell what each failure, and each pair of failures, does to the guests",
		Long: `Tell what becomes of the guests when something fails, and when something else
fails then: on which node they run, for how long they are away at most, and why.
It is about the configuration as the files say it, and about groups that run on
the node that haresources prefers; what fails stays so, and nobody intervenes.
"start" is how long the group itself takes to start.`,
		ValidArgs: []string{"failures"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			site, err := p.load()
			if err != nil {
				return err
			}
			if site.HA == nil || len(site.Groups) == 0 {
				return errors.New("explain failures: found no groups in ha.d/haresources, want some: nothing moves without")
			}
			var b strings.Builder
			for i, node := range preferred(site) {
				if i > 0 {
					b.WriteByte('\n')
				}
				explain(&b, site, node)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
}

// preferred are the nodes that haresources has groups for.
func preferred(site *config.Site) (nodes []string) {
	for _, g := range site.Groups {
		if !slices.Contains(nodes, g.Node) {
			nodes = append(nodes, g.Node)
		}
	}
	return nodes
}

// deviceTime is how long a fencing device may take, as a guess.
const deviceTime = 10 * time.Second

// setupOf is what counts of a configuration for groups of a node.
func setupOf(site *config.Site, node string) forecast.Setup {
	m := site.Machine(config.Identity{})
	s := forecast.Setup{
		Names: [2]string{node, site.Peer}, Policy: m.Witness.Policy, Fence: m.Failover.Fence,
		Monitor: m.Failover.Monitor.Every > 0, Deadtime: m.Liveness.Deadtime, Lease: m.Witness.Lease, Shot: deviceTime,
	}
	if strings.EqualFold(node, site.Peer) {
		s.Names[1] = site.Node
	}
	for _, r := range site.Resources {
		s.Detect = max(s.Detect, r.Conf.Net.PingInt+r.Conf.Net.PingTimeout)
		s.Async = s.Async || r.Conf.Net.Protocol == drbdconf.ProtocolA
	}
	return s
}

// explain writes the table for the groups of a node.
func explain(b *strings.Builder, site *config.Site, node string) {
	s := setupOf(site, node)
	var keys []string
	for _, g := range site.Groups {
		if g.Node == node {
			keys = append(keys, g.Key())
		}
	}
	fmt.Fprintf(b, "%s on %s (policy %v, deadtime %v", strings.Join(keys, ", "), s.Names[0], s.Policy, s.Deadtime)
	if s.Policy != witness.LastMan {
		fmt.Fprintf(b, ", lease %v", s.Lease)
	}
	if s.Fence {
		fmt.Fprintf(b, ", a fencing device that takes %v", s.Shot)
	}
	b.WriteString(")\n\n")
	writeHead(b, "WHEN THIS FAILS")
	rows := s.Singles()
	if n := reaching(site); n > 1 {
		fmt.Fprintf(b, "  %-62s %-14s %-18s %s\n", fmt.Sprintf("one of the %d heartbeat links", n), s.Names[0], "-",
			"the others do")
	}
	for _, r := range rows {
		writeRow(b, s, r, s.Name(r.Failures[0]))
	}
	b.WriteByte('\n')
	writeHead(b, "AND WHEN THEN THAT FAILS")
	for _, r := range s.Pairs() {
		reversed := s.Reversed(r)
		first, second := s.Name(r.Failures[0]), s.Name(r.Failures[1])
		switch {
		case !r.Same(reversed):
			writeRow(b, s, r, first+", then "+second)
		case r.Failures[0] < r.Failures[1]:
			writeRow(b, s, r, first+" and "+second)
		}
	}
	for _, note := range notes(site) {
		fmt.Fprintf(b, "\n%s\n", note)
	}
}

// reaching is how many heartbeat links there are to the peer.
func reaching(site *config.Site) (n int) {
	for _, m := range site.HA.Media {
		if m.Kind.ReachesPeer() {
			n++
		}
	}
	return n
}

// writeHead writes what the columns of rows are.
func writeHead(b *strings.Builder, what string) {
	fmt.Fprintf(b, "%-64s %-14s %-18s %s\n", what, "GUESTS RUN ON", "AWAY AT MOST", "WHY")
}

func writeRow(b *strings.Builder, s forecast.Setup, r forecast.Row, what string) {
	why := r.Why
	if r.Risk != "" {
		why = strings.TrimPrefix(why+". DATA: "+r.Risk, ". ")
	}
	switch {
	case why == "" && r.Runs == [2]bool{}:
		why = "nobody is left who could run them"
	case why == "":
		why = "nothing changes"
	}
	fmt.Fprintf(b, "  %-62s %-14s %-18s %s\n", what, where(s, r), away(r), why)
}

// where says on which nodes the guests run.
func where(s forecast.Setup, r forecast.Row) string {
	switch r.Runs {
	case [2]bool{true, true}:
		return "BOTH"
	case [2]bool{true, false}:
		return s.Names[0]
	case [2]bool{false, true}:
		return s.Names[1]
	default:
		return "NOWHERE"
	}
}

// away says for how long the guests are away.
func away(r forecast.Row) string {
	gap := fmt.Sprintf("%.1f s", r.Gap.Seconds())
	if r.Gap%time.Second == 0 {
		gap = fmt.Sprintf("%.0f s", r.Gap.Seconds())
	}
	switch {
	case r.Runs == [2]bool{}:
		return "until it is mended"
	case r.Starts && r.Gap == 0:
		return "start"
	case r.Starts:
		return gap + " + start"
	case r.Gap > 0:
		return gap
	default:
		return "-"
	}
}

// notes are about what the table leaves out.
func notes(site *config.Site) (notes []string) {
	for _, r := range site.Resources {
		name := r.Conf.Name
		if r.Conf.Disk.Fencing == drbdconf.ResourceAndStonith {
			notes = append(notes, fmt.Sprintf("%s has fencing resource-and-stonith: who loses the other node also waits for the "+
				"handler %s; the table takes it to succeed at once.", name, replica.HandlerFencePeer))
		}
		if r.Conf.Engine == drbdconf.EngineKernel {
			notes = append(notes, fmt.Sprintf("%s is replicated by the kernel's DRBD: the table was proven with pollux's own.", name))
		}
	}
	return notes
}
