package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
)

func newMaintenance(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "maintenance on|off", Short: "leave all groups to operators, or decide about them again",
		Long: `Leave all groups to operators, or decide about them again. In maintenance the
pair takes nothing over, gives nothing back, starts nothing and restarts no guest
by itself; standby and takeover work, and replication goes on. A group that runs
on both nodes is still given up by one, and one whose lease ends is stopped.

Either node may be told; it tells the other, now or when they meet, and both keep
it over restarts. A real Heartbeat as the other node does not know it, and decides
on.`,
		ValidArgs: []string{"on", "off"}, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := told(cmd, p, control.Order{Order: "maintenance-" + args[0]})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
}
