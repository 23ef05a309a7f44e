package kernelpeer_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

var syncRows = []row{
	{name: "first full sync", smoke: true, fresh: true, body: func(ctx SpecContext, p pairing) {
		// Each disk has content of its own: only a full copy makes them equal.
		fill()
		Expect(p.from.disk.ReadAt(content, 0)).Error().NotTo(HaveOccurred())
		both(func(n *node) { n.engine.up(ctx) })
		both(func(n *node) { n.is(ctx, "Connected Secondary/Secondary Inconsistent/Inconsistent") })
		p.from.do(ctx, "primary", "--force")
		p.synced(ctx)
		copied(ctx, p.from, int(deviceSize()/kib))
		p.from.do(ctx, "secondary")
	}},
	{name: "first sync skipped", fresh: true, body: func(ctx SpecContext, p pairing) {
		both(func(n *node) { n.engine.up(ctx) })
		skipFirstSync(ctx, p.from)
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, 64*kib, 1))
		p.from.do(ctx, "secondary")
	}},
	{name: "disconnect, bitmap resync", smoke: true, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.to.do(ctx, "disconnect")
		p.to.isAlone(ctx, "StandAlone", "Secondary", "UpToDate", "Outdated")
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.from.wrote(ctx, 4, write(4*kib, 8*kib, 2), write(5*mib, mib, 3), trim(9*mib, 256*kib), write(20*mib+512, 512, 4))
		marked := 8 + 1024 + 256 + 4
		Expect(p.from.engine.state(ctx).OutOfSync).To(Equal(marked))
		p.to.do(ctx, "connect")
		p.synced(ctx)
		copied(ctx, p.from, marked)
		// The same when the Primary leaves.
		p.from.do(ctx, "disconnect")
		p.to.isAlone(ctx, "WFConnection", "Secondary", "UpToDate", "Outdated")
		p.from.wrote(ctx, 4, write(4*kib, 8*kib, 12), write(7*mib, mib, 13))
		p.from.do(ctx, "connect")
		p.synced(ctx)
		p.from.do(ctx, "secondary")
	}},
	{name: "csums resync", smoke: true, options: options{net: "csums-alg sha1;"}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, 4*mib, 1), flush())
		p.to.do(ctx, "disconnect")
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.from.wrote(ctx, 1, write(0, 4*mib, 1), flush(), write(mib, 64*kib, 2), write(20*mib, 4*kib, 3))
		before := p.to.engine.received(ctx)
		p.to.do(ctx, "connect")
		p.synced(ctx)
		Expect(p.to.engine.received(ctx)-before).To(BeNumerically("<", 3072), "KiB sent of which 4096 were equal")
		p.from.do(ctx, "secondary")
	}},
	{name: "thin resync", options: options{disk: "rs-discard-granularity 65536;"}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, 4*mib, 1), flush())
		p.to.do(ctx, "disconnect")
		p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		p.from.wrote(ctx, 1, trim(0, 3*mib), flush(), write(mib, 4*kib, 2), write(2*mib+512, 512, 3), write(20*mib, 64*kib, 4))
		before := p.to.engine.received(ctx)
		p.to.do(ctx, "connect")
		p.synced(ctx)
		Expect(p.to.engine.received(ctx)-before).To(BeNumerically("<", 1536), "KiB sent of which almost 3072 were zeroes")
		p.from.do(ctx, "secondary")
	}},
	{name: "invalidate, by either side", body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, mib, 1), write(20*mib, mib, 2))
		for _, order := range []func(){
			func() { p.to.do(ctx, "invalidate") },
			func() { p.from.do(ctx, "invalidate-remote") },
		} {
			Expect(p.to.disk.WriteAt(make([]byte, 64*kib), 512*kib)).Error().NotTo(HaveOccurred())
			order()
			p.synced(ctx)
			equal(ctx)
		}
		p.from.do(ctx, "secondary")
	}},
}

// fill gives each disk content of its own.
func fill() {
	GinkgoHelper()
	both(func(n *node) {
		seed := uint64(1000)
		if n == milo2 {
			seed = 2000
		}
		for off := int64(0); off < deviceSize(); off += mib {
			p := make([]byte, min(mib, deviceSize()-off))
			workload.Fill(p, off, seed)
			Expect(n.disk.WriteAt(p, off)).Error().NotTo(HaveOccurred())
		}
	})
}
