package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/faults/link"
	"github.com/optionc/pollux/qemu/agent"
)

var crashRows = []row{
	{name: "power loss of the Secondary under load", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		ops := load(200, 1000)
		user := p.from.underLoad(ctx, ops)
		p.to.cut()
		Expect(user.Wait(ctx)).To(BeZero(), user.Stderr())
		applyAll(ops)
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.to.back(ctx)
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
	{name: "power loss of the Primary under load, it is the source", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		ops := load(200, 2000)
		user := p.from.underLoad(ctx, ops)
		p.from.cut()
		p.to.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		p.from.back(ctx)
		settled(ctx)
		kept(user, ops)
	}},
	{name: "power loss of the Primary under load, the other took over", body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		ops := load(200, 3000)
		user := p.from.underLoad(ctx, ops)
		p.from.cut()
		p.to.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		p.to.do(ctx, "primary")
		last := write(31*mib, 64*kib, 5000)
		p.to.io(ctx, 1, last)
		p.from.back(ctx)
		pairing{p.to, p.from, p.protocol}.synced(ctx)
		if p.protocol == "A" {
			// What was acknowledged may have been on its way.
			Expect(p.to.disk.ReadAt(content, 0)).Error().NotTo(HaveOccurred())
		} else {
			kept(user, ops)
		}
		Expect(content[31*mib : 31*mib+64*kib]).To(ContainSubstring("write 5000 "))
		p.to.do(ctx, "secondary")
	}},
	{name: "ping timeout", body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		for _, ops := range [][]workload.Op{nil, load(100, 4000)} { // while nothing is written, and under load
			var user *agent.Process
			if ops != nil {
				user = p.from.underLoad(ctx, ops)
			}
			Expect(p.to.at.Pause(ctx)).To(Succeed())
			if ops != nil {
				Expect(user.Wait(ctx)).To(BeZero(), user.Stderr())
				applyAll(ops)
			}
			p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
			Expect(p.to.at.Resume(ctx)).To(Succeed())
			p.synced(ctx)
		}
		p.from.do(ctx, "secondary")
	}},
	{name: "cut of the network under load", body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		ops := load(100, 6000)
		user := p.from.underLoad(ctx, ops)
		wire.Both(milo1.name, milo2.name, func(d *link.Direction) { d.Cut() })
		Expect(user.Wait(ctx)).To(BeZero(), user.Stderr())
		applyAll(ops)
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		wire.Heal(milo1.name, milo2.name)
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
}
