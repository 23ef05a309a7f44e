package haconf_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

func TestFailbackAfter(t *testing.T) {
	for line, want := range map[string]haconf.Patience{
		"":                        {},
		"failback_after 60":       {Steady: time.Minute},
		"failback_after 60 3600":  {Steady: time.Minute, Period: time.Hour},
		"failback_after 500ms, 0": {Steady: 500 * time.Millisecond},
		"failback_after 0 86400":  {Period: 24 * time.Hour},
	} {
		h, err := haconf.ParseHA("ha.cf", []byte(aPair+line))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred(), line)
		g.Expect(h.FailbackAfter).To(Equal(want), line)
	}
	for line, want := range map[string]string{
		"failback_after":         "STEADY [PERIOD], as 60 3600 behind failback_after",
		"failback_after soon":    "a time: a number, for seconds",
		"failback_after 60 once": "a time: a number, for seconds",
		"failback_after 1 2 3":   "STEADY [PERIOD], as 60 3600",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(aPair+line))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), line)
	}
}
