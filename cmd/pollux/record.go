package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
)

func newRecord(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "record [FILE]", Short: "save what happened on this node, to be replayed",
		Long: `Save the recording of what happened on this node lately: every input of its
cores, without the data of its guests. Without FILE it goes to a file in the
current directory, named after the time. The daemon writes it, and its owner
alone may read it. On every failover, and when a device freezes, the daemon saves
one by itself, next to its ring in the state directory.`,
		Example: "  pollux record /root/incident.rec\n  polluxsim replay incident.rec --what-if 'deadtime 30s'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := time.Now().UTC().Format("pollux-20060102T150405.rec")
			if len(args) > 0 {
				name = args[0]
			}
			file, err := filepath.Abs(name)
			if err != nil {
				return err
			}
			if err := send(cmd, p, control.Order{Order: "record", Args: []string{file}}); err != nil {
				return err
			}
			if len(args) == 0 {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			return err
		},
	}
}
