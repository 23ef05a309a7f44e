package xen_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
)

func TestMonitorWantsEveryGuest(t *testing.T) {
	for name, tc := range map[string]struct {
		web2 string // its state in xl list; "" is no domain
		want failover.State
		text string
	}{
		"both run":           {"-b----", failover.Running, "2 guests run"},
		"one is missing":     {"", failover.Stopped, "web2 does not run"},
		"one has crashed":    {"----c-", failover.Stopped, "web2 crashed"},
		"one is paused":      {"--p---", failover.Stopped, "web2 is paused"},
		"one was shut down":  {"---s--", failover.Stopped, "web2 is shut down"},
		"one is on its way":  {"-----d", failover.Running, "2 guests run"},
		"one runs right now": {"r-----", failover.Running, "2 guests run"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "web1", "web2")
			h.domains["web1"] = domain{id: 1, state: "-b----"}
			if tc.web2 != "" {
				h.domains["web2"] = domain{id: 2, state: tc.web2}
			}
			state, text, err := h.guests().Monitor(t.Context())
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(state).To(Equal(tc.want))
			h.Expect(text).To(Equal(tc.text))
		})
	}
	h := newHost(t)
	h.configure("broken", "no name")
	state, _, err := h.guests().Monitor(t.Context())
	h.Expect(err).To(HaveOccurred())
	h.Expect(state).To(Equal(failover.Unknown))
}
