package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// secret makes both prove that they know the same one.
const secret = `cram-hmac-alg sha1; shared-secret "optionc secret";`

// everything writes in every way there is, and reads some of it back.
func everything(ctx SpecContext, p pairing) {
	GinkgoHelper()
	p.promoted(ctx)
	p.from.wrote(ctx, 8, manyWrites()...)
	p.from.wrote(ctx, 16, load(100, 400)...)
	p.from.io(ctx, 1, check(30*mib, 4*kib, 203), check(37*4*kib, 4*kib, 401))
	p.from.do(ctx, "secondary")
}

var writeRows = []row{
	{name: "write load", smoke: true, body: everything},
	{name: "trim", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1), write(8*mib, 8*mib, 2), flush())
		p.from.wrote(ctx, 1, trim(0, 64*kib), trim(128*kib+512, 3584), trim(8*mib, 7*mib), flush())
		p.from.io(ctx, 1, check(0, 64*kib, 0), check(64*kib, 4*kib, 1), check(8*mib, 7*mib, 0), check(15*mib, mib, 2))
		p.from.do(ctx, "secondary")
	}},
	{name: "CRAM-HMAC", smoke: true, options: options{net: secret}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, 64*kib, 1))
		p.from.do(ctx, "secondary")
	}},
	{name: "integrity digests", smoke: true, options: options{net: "data-integrity-alg crc32c;"}, body: func(ctx SpecContext, p pairing) {
		everything(ctx, p)
		// And in what a resync and a Primary without a disk are sent.
		p.promoted(ctx)
		p.to.do(ctx, "disconnect")
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.from.wrote(ctx, 1, write(3*mib, 64*kib, 7))
		p.to.do(ctx, "connect")
		p.synced(ctx)
		p.from.do(ctx, "detach")
		p.from.io(ctx, 1, check(3*mib, 64*kib, 7))
		p.from.do(ctx, "attach")
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
	{name: "role swap", smoke: true, body: func(ctx SpecContext, p pairing) {
		from, to := p.from, p.to
		from.do(ctx, "primary")
		for i := range uint64(4) {
			Expect(to.engine.order(ctx, "primary")).To(MatchError(ContainSubstring("(-1)")))
			from.wrote(ctx, 1, write(int64(i)*64*kib, 64*kib, i+1))
			from.do(ctx, "secondary")
			to.is(ctx, "Connected Secondary/Secondary UpToDate/UpToDate") // it has heard of it
			to.do(ctx, "primary")
			to.io(ctx, 1, check(int64(i)*64*kib, 64*kib, i+1))
			from, to = to, from
		}
		from.do(ctx, "secondary")
	}},
}
