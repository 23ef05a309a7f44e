package failover_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// manyLines is a file with so many groups of two resources, which milo1 and milo2 take in turns.
func manyLines(groups int) string {
	var b strings.Builder
	for i := range groups {
		fmt.Fprintf(&b, "milo%d drbddisk::r%d web%d\n", i%2+1, i, i)
	}
	return b.String()
}

var _ = Describe("Two nodes with 200 groups", func() {
	const groups = 200
	var (
		w            *world
		milo1, milo2 *machine
	)

	// running is how many groups run on a machine; no group runs anywhere in part.
	running := func(m *machine) (n int) {
		for _, g := range m.groups {
			if m.runsAll(g) {
				n++
			}
		}
		return n
	}

	BeforeEach(func() {
		w = newWorld(1, manyLines(groups), haconf.FailbackOn)
		w.took, w.delay = time.Millisecond, time.Millisecond
		milo1, milo2 = w.machines[0], w.machines[1]
		milo1.boot(false)
		milo2.boot(false)
		w.until(30 * time.Second)
		Expect(running(milo1)).To(Equal(groups / 2))
		Expect(running(milo2)).To(Equal(groups / 2))
		DeferCleanup(func() { Expect(w.broken).To(BeEmpty()) })
	})

	It("take over all that a dead node had, and give it back", func() {
		milo2.crash()
		w.pass(120 * time.Second)
		Expect(running(milo1)).To(Equal(groups))
		milo2.boot(true)
		w.pass(60 * time.Second)
		Expect(running(milo1)).To(Equal(groups / 2))
		Expect(running(milo2)).To(Equal(groups / 2))
	})

	It("hand over the one that failed, wherever it stands in the file, and none beside it", func() {
		for _, i := range []int{0, 62, 64, 126, 128, 198} {
			milo1.refuseStart[fmt.Sprint("web", i)] = true
		}
		milo1.crash()
		w.pass(120 * time.Second)
		Expect(running(milo2)).To(Equal(groups))
		milo1.boot(true)
		w.pass(120 * time.Second)
		Expect(running(milo1)).To(Equal(groups/2 - 6))
		Expect(running(milo2)).To(Equal(groups/2 + 6))
		for _, i := range []int{0, 62, 64, 126, 128, 198} {
			Expect(milo2.group(i).State).To(Equal("running"))
		}
	})

	It("move a set by order", func() {
		milo1.order(1, failover.OrderStandby, failover.Local, false)
		w.pass(30 * time.Second)
		Expect(milo1.answers[1]).To(Equal("true milo2 has the local groups"))
		Expect(running(milo2)).To(Equal(groups))
	})
})
