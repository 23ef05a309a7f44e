package main

import (
	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
)

func newResize(p *place) *cobra.Command {
	size, clean, peer := "", false, false
	cmd := &cobra.Command{
		Use: "resize RESOURCE", Short: "let the device grow with the disks below",
		Long: `Let the device grow, while it is in use, to what both disks have room for. Give
both disks more room first, as with lvextend. The Primary then copies what was
added to the peer. A device never shrinks.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeResource,
		RunE: func(cmd *cobra.Command, args []string) error {
			o := control.Order{Order: "resize", Resource: args[0]}
			if size != "" {
				o.Args = append(o.Args, "size="+size)
			}
			if clean {
				o.Args = append(o.Args, "assume-clean")
			}
			if peer {
				o.Args = append(o.Args, "assume-peer-has-space")
			}
			return send(cmd, p, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&size, "size", "", "size of the device, in sectors or with K, M, G or T, instead of all there is room for")
	f.BoolVar(&clean, "assume-clean", false, "what is added is equal on both disks: copy nothing")
	f.BoolVar(&peer, "assume-peer-has-space", false, "without a connection: the peer's disk has as much room as this one")
	return cmd
}

func newCurrentUUID(p *place) *cobra.Command {
	o := control.Order{Order: "new-current-uuid"}
	cmd := &cobra.Command{
		Use: "new-current-uuid RESOURCE", Short: "begin a new generation of the data",
		Long: `Begin a new generation of the data. It has two uses.

Two disks that were never used and are known to be equal: while both nodes are
connected, 'new-current-uuid --clear-bitmap' on one skips the initial sync.

A copy of this disk that is to travel by truck: after 'disconnect', run it with
--clear-bitmap, copy the disk with its metadata, run it again without, and let
users write. When the copy is the peer's disk, 'connect': only what was written
since is sent.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeResource,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Resource = args[0]
			return send(cmd, p, o)
		},
	}
	cmd.Flags().BoolVar(&o.Force, "clear-bitmap", false, "nothing counts as different from the peer any more")
	return cmd
}
