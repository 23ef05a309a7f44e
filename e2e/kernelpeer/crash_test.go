package kernelpeer_test

import (
	"bytes"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/e2e/kernelpeer/workload"
	"github.com/optionc/pollux/qemu/agent"
)

// underLoad starts writes and waits until some are done.
func (n *node) underLoad(ctx SpecContext, ops []workload.Op) *agent.Process {
	GinkgoHelper()
	p := n.startIO(4, ops...)
	Eventually(func() int { return done(p) }).WithContext(ctx).WithTimeout(soon).WithPolling(20*time.Millisecond).
		Should(BeNumerically(">", len(ops)/10), func() string { return p.Stderr() })
	return p
}

// kept checks that the writes that a blockio has reported are on both disks, and
// that the disks are equal; what was under way is then taken as it is.
func kept(p *agent.Process, ops []workload.Op) {
	GinkgoHelper()
	disks := map[*node][]byte{}
	both(func(n *node) {
		disks[n] = make([]byte, len(content))
		Expect(n.disk.ReadAt(disks[n], 0)).Error().NotTo(HaveOccurred())
	})
	for line := range bytes.Lines([]byte(p.Stdout())) {
		var i int
		if _, err := fmt.Sscanf(string(line), "done %d\n", &i); err != nil {
			continue // cut short
		}
		ops[i].Apply(content)
		o := ops[i]
		both(func(n *node) {
			Expect(disks[n][o.Offset:o.Offset+o.Length]).To(Equal(content[o.Offset:o.Offset+o.Length]),
				"write %d, which was acknowledged, on %s", i, n.name)
		})
	}
	Expect(bytes.Equal(disks[milo1], disks[milo2])).To(BeTrue(), "the disks are equal")
	copy(content, disks[milo1])
}

// back gives a node its power again.
func (n *node) back(ctx SpecContext) {
	GinkgoHelper()
	n.boot(ctx)
	n.configure(ctx, n.options)
	if p, ok := n.engine.(*pollux); ok {
		*p = pollux{node: n}
	}
	n.engine.up(ctx)
}

var _ = Describe("When the second loses power while the first writes", Label("vm"), eachWay(func(from, to *node) {
	var ops []workload.Op
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
	}, NodeTimeout(3*time.Minute))

	It("keeps nobody from writing", func(ctx SpecContext) {
		ops = load(200, 1000)
		p := from.underLoad(ctx, ops)
		to.cut()
		Expect(p.Wait(ctx)).To(BeZero(), p.Stderr())
		for _, o := range ops {
			o.Apply(content)
		}
		from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
	}, SpecTimeout(2*time.Minute))

	It("gets what it missed when it is back", func(ctx SpecContext) {
		to.back(ctx)
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(2*time.Minute))
}))

var _ = Describe("When the first loses power while it writes", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
	}, NodeTimeout(3*time.Minute))

	It("is the source when it is back", func(ctx SpecContext) {
		ops := load(200, 1000)
		p := from.underLoad(ctx, ops)
		from.cut()
		to.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		from.back(ctx)
		settled(ctx)
		kept(p, ops)
		equal(ctx)
	}, SpecTimeout(3*time.Minute))

	It("is the target when the second has taken over meanwhile", func(ctx SpecContext) {
		from.do(ctx, "primary")
		ops := load(200, 3000)
		p := from.underLoad(ctx, ops)
		from.cut()
		to.isAlone(ctx, "WFConnection", "Secondary", "UpToDate")
		to.do(ctx, "primary")
		to.io(ctx, 1, write(31*mib, 64*kib, 5000))
		from.back(ctx)
		to.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		from.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		write(31*mib, 64*kib, 5000).Apply(content)
		kept(p, ops)
		equal(ctx)
		Expect(content[31*mib : 31*mib+64*kib]).To(ContainSubstring("write 5000 "))
	}, SpecTimeout(3*time.Minute))
}))

var _ = Describe("When the second freezes", Label("vm"), eachWay(func(from, to *node) {
	BeforeAll(func(ctx SpecContext) {
		connected(ctx, options{})
		from.do(ctx, "primary")
	}, NodeTimeout(3*time.Minute))

	It("is given up, goes on, and is brought up to date", func(ctx SpecContext) {
		ops := load(100, 1000)
		p := from.underLoad(ctx, ops)
		Expect(to.vm.Pause(ctx)).To(Succeed())
		Expect(p.Wait(ctx)).To(BeZero(), p.Stderr())
		for _, o := range ops {
			o.Apply(content)
		}
		from.isAlone(ctx, "WFConnection", "Primary", "UpToDate")
		Expect(to.vm.Resume(ctx)).To(Succeed())
		from.is(ctx, "Connected Primary/Secondary UpToDate/UpToDate")
		to.is(ctx, "Connected Secondary/Primary UpToDate/UpToDate")
		equal(ctx)
	}, SpecTimeout(3*time.Minute))
}))
