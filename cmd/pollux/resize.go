package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

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
				sectors, err := parseSectors(size)
				if err != nil {
					return fmt.Errorf("--size: %w", err)
				}
				o.Args = append(o.Args, fmt.Sprintf("size=%d", sectors))
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

// parseSectors reads a size as drbdsetup does: a number of sectors of 512
// bytes, or of the unit behind it, rounded up.
func parseSectors(text string) (uint64, error) {
	shift, digits := 9, text
	if i := strings.IndexAny(text, "sSkKmMgGtT"); i >= 0 && i == len(text)-1 {
		shift = map[byte]int{'s': 9, 'k': 10, 'm': 20, 'g': 30, 't': 40}[strings.ToLower(text)[i]]
		digits = text[:i]
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("found %q, want a number of sectors, or one with K, M, G or T", text)
	}
	return n << (shift - 9), nil
}
