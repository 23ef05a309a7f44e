package machine_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/replica"
)

var _ = Describe("Resources with resync-after", func() {
	It("wait for those before them, and for those before these", func() {
		core, err := machine.New(machine.Config{
			Resources:   []replica.Config{{Name: "r1"}, {Name: "r2"}, {Name: "r3"}, {Name: "r4"}},
			ResyncAfter: []int{-1, 0, 1, -1},
		})
		Expect(err).NotTo(HaveOccurred())
		waiting := func() (which []int) {
			for i := range 4 {
				if core.Resource(i).State().AfterPause {
					which = append(which, i)
				}
			}
			return which
		}
		order := func(kind replica.OrderKind) {
			core.Step(0, machine.Input{Part: machine.Replica, Replica: replica.Input{
				Kind: replica.Order, Order: kind, ID: 1,
			}}, nil)
			core.Recycle()
		}
		order(replica.OrderPauseSync)
		Expect(waiting()).To(Equal([]int{1, 2}))
		order(replica.OrderResumeSync)
		Expect(waiting()).To(BeEmpty())
	})
})
