package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/node"
)

func newVerify(p *place) *cobra.Command {
	var start, stop uint64
	abort := false
	cmd := &cobra.Command{
		Use: "verify RESOURCE", Short: "compare the data of both nodes",
		Long: `Compare the data of both nodes block by block while they are in use, by digests
of verify-alg. Blocks that differ are named in the log and marked on both nodes;
disconnect and connect, with a Primary, copies them.

Without --start it goes on where the last one broke off.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeResource,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := control.Order{Order: "verify", Resource: args[0]}
			if abort {
				o.Order = "verify-abort"
			}
			if cmd.Flags().Changed("start") {
				o.Args = append(o.Args, fmt.Sprintf("start=%d", start))
			}
			if cmd.Flags().Changed("stop") {
				o.Args = append(o.Args, fmt.Sprintf("stop=%d", stop))
			}
			return send(cmd, p, o)
		},
	}
	cmd.Flags().Uint64Var(&start, "start", 0, "first sector of 512 bytes to compare, rounded down to 4 KiB")
	cmd.Flags().Uint64Var(&stop, "stop", 0, "sector to end before; 0 is the end of the device")
	cmd.Flags().BoolVar(&abort, "abort", false, "end the verify that this node has started")
	cmd.MarkFlagsMutuallyExclusive("abort", "start")
	cmd.MarkFlagsMutuallyExclusive("abort", "stop")
	return cmd
}

func printVerify(b *strings.Builder, r *node.ResourceStatus) {
	if y := r.Verify; y != nil {
		fmt.Fprintf(b, "  verify: %s, out of sync: %s\n", progress(&y.ResyncStatus), size(y.OutOfSyncKiB))
	}
	y := r.Verified
	if y == nil {
		return
	}
	how := "done"
	if !y.Complete {
		how = "broken off"
	}
	fmt.Fprintf(b, "  last verify: %s, %s compared, out of sync: %s\n", how, size(y.ComparedKiB), size(y.OutOfSyncKiB))
}
