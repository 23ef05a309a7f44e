package haconf_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/haconf"
)

const aPair = "node milo1 milo2\nucast eth0 192.168.0.2\nauto_failback on\n"

func TestMonitor(t *testing.T) {
	for line, want := range map[string]haconf.Monitor{
		"":                       {},
		"monitor 30":             {Every: 30 * time.Second, Restarts: 3, Period: time.Hour},
		"monitor 1500ms 1 600":   {Every: 1500 * time.Millisecond, Restarts: 1, Period: 10 * time.Minute},
		"monitor 10, 5, 86400\n": {Every: 10 * time.Second, Restarts: 5, Period: 24 * time.Hour},
	} {
		h, err := haconf.ParseHA("ha.cf", []byte(aPair+line))
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred(), line)
		g.Expect(h.Monitor).To(Equal(want), line)
	}
	for line, want := range map[string]string{
		"monitor":           "EVERY [RESTARTS PERIOD], as 30 3 3600 behind monitor",
		"monitor 10ms":      "at least 1s between two looks",
		"monitor 30 3":      "RESTARTS and PERIOD, as 3 3600",
		"monitor 30 0 60":   "a number from 1 to 1000",
		"monitor 30 3 soon": "a period of at least 1s",
	} {
		_, err := haconf.ParseHA("ha.cf", []byte(aPair+line))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), line)
	}
}
