package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

var diskRows = []row{
	{name: "detach on an I/O error", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1))
		// Of a write that the Secondary was sent.
		p.to.disk.Fail(4*mib/512, 8)
		p.from.wrote(ctx, 1, write(4*mib, 64*kib, 5), write(5*mib, 4*kib, 6))
		p.from.is(ctx, "Connected Primary/Secondary UpToDate/Diskless")
		p.to.is(ctx, "Connected Secondary/Primary Diskless/UpToDate")
		p.to.disk.Heal()
		p.to.do(ctx, "attach")
		p.synced(ctx)
		equal(ctx)
		// Of the Primary's own reads and writes: its users notice nothing.
		for _, ops := range [][]workload.Op{
			{check(0, 64*kib, 1), check(64*kib, 4*kib, 1)}, {write(0, 64*kib, 7)},
		} {
			p.from.disk.Fail(0, 8)
			p.from.wrote(ctx, 1, ops...)
			p.from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
			p.from.disk.Heal()
			p.from.do(ctx, "attach")
			p.synced(ctx)
			equal(ctx)
		}
		p.from.do(ctx, "secondary")
	}},
	{name: "pass_on of an I/O error", options: options{disk: "on-io-error pass_on;"}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1))
		// A Secondary keeps a disk that lacks a write, and gets it at the next contact.
		p.to.disk.Fail(4*mib/512, 8)
		p.from.wrote(ctx, 1, write(4*mib, 64*kib, 5), write(5*mib, 4*kib, 6))
		p.from.is(ctx, "Connected Primary/Secondary UpToDate/Inconsistent")
		p.to.is(ctx, "Connected Secondary/Primary Inconsistent/UpToDate")
		Expect(p.to.engine.order(ctx, "primary")).NotTo(Succeed())
		p.to.disk.Heal()
		p.to.do(ctx, "disconnect")
		p.from.is(ctx, "WFConnection Primary/Unknown UpToDate/Inconsistent")
		p.to.do(ctx, "connect")
		p.synced(ctx)
		equal(ctx)
		// A Primary's users are served from the other. The kernel keeps its disk and
		// copies all of it by order; pollux lets go of it.
		p.from.disk.Fail(0, 8)
		p.from.wrote(ctx, 1, write(0, 64*kib, 7), check(0, 64*kib, 7), check(64*kib, 4*kib, 1))
		if _, ours := p.from.engine.(*pollux); ours {
			p.from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
			p.from.disk.Heal()
			p.from.do(ctx, "attach")
		} else {
			p.from.is(ctx, "Connected Primary/Secondary Inconsistent/UpToDate")
			p.from.disk.Heal()
			p.from.do(ctx, "invalidate")
		}
		p.synced(ctx)
		equal(ctx)
		p.from.do(ctx, "secondary")
	}},
	{name: "diskless reads and writes", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
		p.from.do(ctx, "detach")
		p.from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
		p.to.is(ctx, "Connected Secondary/Primary UpToDate/Diskless")
		p.from.wrote(ctx, 4, check(0, 4*kib, 1), check(20*mib, mib, 2), write(mib, 64*kib, 3), write(3*mib, mib, 4), flush(),
			trim(3*mib, 64*kib), flush(), check(mib, 64*kib, 3), check(3*mib, 64*kib, 0))
		p.from.do(ctx, "attach")
		p.synced(ctx)
		equal(ctx)
		// A Secondary without one is caught up when it has it back.
		p.to.do(ctx, "detach")
		p.from.is(ctx, "Connected Primary/Secondary UpToDate/Diskless")
		p.from.wrote(ctx, 1, write(5*mib, 64*kib, 4))
		p.to.do(ctx, "attach")
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
	{name: "attach under a Primary in use", smoke: true, options: options{rate: slowly}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
		p.from.do(ctx, "detach")
		p.from.is(ctx, "Connected Primary/Secondary Diskless/UpToDate")
		p.from.wrote(ctx, 1, write(0, 4*mib, 3), flush())
		p.from.do(ctx, "attach")
		p.from.is(ctx, "SyncTarget Primary/Secondary Inconsistent/UpToDate")
		p.to.is(ctx, "SyncSource Secondary/Primary UpToDate/Inconsistent")
		// Where the own disk has the blocks and where it has not yet, whole and in part.
		p.from.wrote(ctx, 1, check(3*mib, mib, 3), check(20*mib, mib, 2), write(0, 64*kib, 4), write(4*mib-64*kib, 64*kib, 5),
			write(3*mib+512, 512, 6), trim(2*mib, 64*kib), write(20*mib, 64*kib, 7), flush(), check(0, 64*kib, 4),
			check(3*mib+512, 512, 6), check(2*mib, 64*kib, 0), check(20*mib, 64*kib, 7))
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
}
