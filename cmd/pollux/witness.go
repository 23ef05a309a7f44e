package main

import (
	"fmt"
	"strings"

	"github.com/optionc/pollux/daemon/node"
)

func printWitness(b *strings.Builder, w *node.WitnessStatus) {
	if w == nil {
		return
	}
	fmt.Fprintf(b, "  policy %s", w.Policy)
	if w.Address != "" {
		fmt.Fprintf(b, ", witness %s", w.Address)
	}
	if w.Pin != "" {
		fmt.Fprintf(b, ", own pin %s", w.Pin)
	}
	b.WriteByte('\n')
	if w.Trouble != "" {
		fmt.Fprintf(b, "    not reached: %s\n", w.Trouble)
	}
	for _, l := range w.Leases {
		if l.Held {
			fmt.Fprintf(b, "    lease of %s: here, for %.1f s unless renewed\n", l.Group, l.Left)
		} else {
			fmt.Fprintf(b, "    lease of %s: not here: %s\n", l.Group, l.Reason)
		}
	}
}
