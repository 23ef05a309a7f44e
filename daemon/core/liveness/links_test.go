package liveness_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
)

var _ = Describe("Two media on one interface", func() {
	It("are one link to each node, as for Heartbeat", func() {
		c := config()
		c.Media = []string{"eth0", "eth0", "eth1"}
		Expect(newNode(c).core.Snapshot().Links).To(Equal([]liveness.LinkSnapshot{
			{Node: "milo1", Medium: "eth0"},
			{Node: "milo1", Medium: "eth1"},
			{Node: "milo2", Medium: "eth0"},
			{Node: "milo2", Medium: "eth1"},
		}))
	})
})
