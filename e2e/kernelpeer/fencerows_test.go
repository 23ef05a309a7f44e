package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var fenceRows = []row{
	{
		name: "fencing, a Primary that leaves in order", options: options{disk: "fencing resource-only;"},
		body: func(ctx SpecContext, p pairing) {
			p.promoted(ctx)
			p.from.do(ctx, "disconnect")
			p.from.is(ctx, "StandAlone Primary/Unknown UpToDate/Outdated")
			p.to.is(ctx, "WFConnection Secondary/Unknown Outdated/DUnknown")
			Expect(p.to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-2)")))
			p.from.wrote(ctx, 1, write(0, 64*kib, 1))
			p.from.do(ctx, "connect")
			p.synced(ctx)
			p.from.do(ctx, "secondary")
		},
	},
}
