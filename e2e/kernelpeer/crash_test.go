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

// applyAll keeps what operations have done that are all over.
func applyAll(ops []workload.Op) {
	for _, o := range ops {
		o.Apply(content)
	}
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
