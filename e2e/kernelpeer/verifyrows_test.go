package kernelpeer_test

import (
	"bytes"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var verifyRows = []row{
	{name: "online verify, by either side", options: options{net: "verify-alg sha1;"}, body: func(ctx SpecContext, p pairing) {
		p.promoted(ctx)
		p.from.wrote(ctx, 1, write(0, 2*mib, 1))
		// In protocol A the write may still be on its way to what is spoiled now.
		now := make([]byte, 2*mib)
		Eventually(func() []byte { p.to.read(now); return now }).WithContext(ctx).WithTimeout(soon).
			Should(Satisfy(func(now []byte) bool { return bytes.Equal(now, content[:len(now)]) }))
		for _, driver := range []*node{p.from, p.to} {
			// One block, and one sector of another.
			Expect(p.to.disk.WriteAt(make([]byte, 4*kib), 44*kib)).Error().NotTo(HaveOccurred())
			Expect(p.to.disk.WriteAt(make([]byte, 512), 800*kib+1024)).Error().NotTo(HaveOccurred())
			driver.do(ctx, "verify")
			p.verified(ctx, 8)
			p.to.do(ctx, "disconnect")
			p.from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
			p.to.do(ctx, "connect")
			p.synced(ctx)
			equal(ctx)
		}
		p.from.do(ctx, "secondary")
	}},
}

// verified waits until a verify is over, and both have marked so many KiB.
func (p pairing) verified(ctx SpecContext, kib int) {
	GinkgoHelper()
	By("verified")
	both(func(n *node) {
		Eventually(func() state { return n.engine.state(ctx) }).WithContext(ctx).WithTimeout(soon).Should(And(
			HaveField("Conn", "Connected"), HaveField("OutOfSync", kib)), func() string { return tail(n.engine.log(ctx)) })
	})
}
