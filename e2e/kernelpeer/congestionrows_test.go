package kernelpeer_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/faults/link"
)

var congestionRows = []row{
	{
		// The buffers are small, so that pings get through a slow network in time.
		name: "congestion, pulls ahead and comes back", only: "A",
		options: options{net: "on-congestion pull-ahead; congestion-fill 1M; sndbuf-size 256K; rcvbuf-size 256K;"},
		body: func(ctx SpecContext, p pairing) {
			p.promoted(ctx)
			ahead, behind := p.from.logged(ctx, "Ahead"), p.to.logged(ctx, "Behind")
			wire.Way(p.from.name, p.to.name, func(d *link.Direction) { d.Rate = mib })
			var ops []workload.Op
			for i := range int64(96) {
				ops = append(ops, write(i*128*kib, 128*kib, uint64(i+1)))
			}
			p.from.wrote(ctx, 8, ops...)
			Expect(p.from.logged(ctx, "Ahead")).To(BeNumerically(">", ahead), func() string { return tail(p.from.engine.log(ctx)) })
			// What was written since is marked, and copied by itself later.
			wire.Way(p.from.name, p.to.name, func(d *link.Direction) { d.Rate = 0 })
			p.synced(ctx)
			Expect(p.to.logged(ctx, "Behind")).To(BeNumerically(">", behind), func() string { return tail(p.to.engine.log(ctx)) })
			p.from.wrote(ctx, 1, write(20*mib, 64*kib, 500))
			p.from.do(ctx, "secondary")
		},
	},
}

// logged counts the lines of the node's log in which it comes to a state of the
// connection.
func (n *node) logged(ctx SpecContext, conn string) (lines int) {
	for line := range strings.Lines(n.engine.log(ctx)) {
		if strings.Contains(line, conn) {
			lines++
		}
	}
	return lines
}
