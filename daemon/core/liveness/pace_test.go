package liveness_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/liveness"
)

var _ = Describe("A heartbeat that was late", func() {
	It("is reported with how much heartbeats vary, and a deadtime that would keep clear of it", func() {
		n, p := joined()
		for range 16 {
			n.until(n.now + 6*time.Second) // keepalive is 5 s
			n.hear(p.status("active"))
		}
		n.until(n.now + 50*time.Second)
		n.seen = nil
		n.hear(p.status("active"))
		Expect(n.take(liveness.Note)[0].Text).To(MatchRegexp(
			`milo2 is heard again after 50s; heartbeats vary by 3\.\d+s, and a deadtime of 1m40s would keep clear`))
		s := n.core.Snapshot().Peer
		Expect(s.Longest).To(Equal(50 * time.Second))
		Expect(s.Recommends).To(Equal(100 * time.Second))
	})
})
