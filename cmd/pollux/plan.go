package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/forecast"
	"github.com/optionc/pollux/daemon/node"
)

func newPlan(p *place) *cobra.Command {
	cmd := &cobra.Command{
		Use: "plan", Short: "tell what an order or a failure would come to now, without doing it",
		Long: `Tell what an order or a failure would come to now, in which order and in how
many seconds, without doing it.`,
	}
	force := false
	for _, order := range []string{"standby", "takeover"} {
		sets := []string{"all", "local", "foreign", "failback"}
		sub := &cobra.Command{
			Use: order + " [all|local|foreign|failback]", Short: "tell what " + order + " would do",
			Long: "Tell what " + order + ` would do, step by step. The same code that takes the decisions
is given the order, as things stand, with programs that are only imagined: each
takes as long as it took here last, or a guess.`,
			ValidArgs: sets, Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.plan(cmd, control.Order{Order: "plan", Args: []string{order, append(args, "all")[0]}, Force: force})
			},
		}
		if order == "takeover" {
			sub.Flags().BoolVar(&force, "force", false, "as of takeover")
		}
		cmd.AddCommand(sub)
	}
	links := []string{"replication", "heartbeat", "all", "witness"}
	cmd.AddCommand(&cobra.Command{
		Use: "power-off NODE", Short: "tell what the loss of a node would do",
		Long: "Tell what the loss of a node would do to each group, where things are now.",
		Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return p.foresee(cmd, func(s forecast.Setup) (forecast.Failure, error) {
				at := slices.IndexFunc(s.Names[:], func(name string) bool { return strings.EqualFold(name, args[0]) })
				if at < 0 {
					return 0, fmt.Errorf("found node %s, want %s or %s", args[0], s.Names[0], s.Names[1])
				}
				return forecast.Active + forecast.Failure(at), nil
			})
		},
	}, &cobra.Command{
		Use: "cut replication|heartbeat|all|witness", Short: "tell what a cut of a link would do",
		Long: `Tell what a cut of a link would do to each group, where things are now: of the
replication, of all heartbeats, of both, or of this node's way to the witness.`,
		ValidArgs: links, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			own, err := p.load()
			if err != nil {
				return err
			}
			return p.foresee(cmd, func(s forecast.Setup) (forecast.Failure, error) {
				f := [...]forecast.Failure{forecast.Link, forecast.Beats, forecast.Network, forecast.ActiveWay}[slices.Index(links, args[0])]
				if f == forecast.ActiveWay && !strings.EqualFold(s.Names[0], own.Node) {
					f = forecast.StandbyWay
				}
				if !slices.Contains(s.Failures(), f) {
					return 0, errors.New("plan: there is no witness that is asked: see witness and policy in ha.cf")
				}
				return f, nil
			})
		},
	})
	return cmd
}

// plan asks the daemon for one.
func (p *place) plan(cmd *cobra.Command, o control.Order) error {
	text, err := told(cmd, p, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

// foresee tells what a failure does to the groups of each node, after what has
// failed already.
func (p *place) foresee(cmd *cobra.Command, of func(forecast.Setup) (forecast.Failure, error)) error {
	site, err := p.load()
	if err != nil {
		return err
	}
	s, err := p.status(cmd.Context())
	switch {
	case err != nil:
		return err
	case s.Cluster == nil || site.HA == nil:
		return errors.New("plan: this node has no ha.cf: there are no groups that move")
	}
	var b strings.Builder
	for _, g := range s.Cluster.Groups {
		holder := holderOf(s, &g)
		if holder == "" {
			fmt.Fprintf(&b, "%s runs nowhere now: %s\n", g.Key, g.Reason)
			continue
		}
		setup := setupOf(site, holder)
		f, err := of(setup)
		if err != nil {
			return err
		}
		failures := append(failedAlready(s, site, setup), f)
		r := setup.Row(failures...)
		var names []string
		for _, f := range failures {
			names = append(names, setup.Name(f))
		}
		fmt.Fprintf(&b, "%s on %s:\n", g.Key, holder)
		writeHead(&b, "WHEN THIS FAILS")
		writeRow(&b, setup, r, strings.Join(names, ", then "))
	}
	_, err = io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}

// holderOf is the node that runs a group, as far as this node knows.
func holderOf(s *node.Status, g *node.GroupStatus) string {
	set := "foreign" // as the peer names it
	if !strings.EqualFold(g.Preferred, s.Node) {
		set = "local"
	}
	switch {
	case g.State == "running":
		return s.Node
	case s.Cluster.PeerPresent && (s.Cluster.PeerHolding == set || s.Cluster.PeerHolding == "all"):
		return s.Peer
	default:
		return ""
	}
}

// failedAlready is what has failed before, as far as this node knows.
func failedAlready(s *node.Status, site *config.Site, setup forecast.Setup) (failures []forecast.Failure) {
	own := forecast.Failure(0)
	if !strings.EqualFold(setup.Names[0], site.Node) {
		own = 1
	}
	if !s.Cluster.PeerPresent {
		return []forecast.Failure{forecast.Active + 1 - own}
	}
	for i := range s.Resources {
		r := &s.Resources[i]
		switch {
		case r.Disk == "Diskless":
			return []forecast.Failure{forecast.ActiveDisk + own}
		case r.PeerDisk == "Diskless":
			return []forecast.Failure{forecast.ActiveDisk + 1 - own}
		case r.Connection == "WFConnection" || r.Connection == "StandAlone":
			return []forecast.Failure{forecast.Link}
		}
	}
	return nil
}
