package stage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/faults/plan"
	"github.com/optionc/pollux/faults/scenarios"
)

// Whatever a scenario can set here is a configuration that polluxd takes.
func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		scenario string
		line     string // of drbd.conf or ha.cf
		wantErr  string
	}{
		"nothing":                       {"", "deadtime 10", ""},
		"times are tenths of a second":  {"set ping-timeout 3s\nset timeout 4s", "ping-timeout 30; protocol C; timeout 40;", ""},
		"so is a time of the disk":      {"set disk-timeout 5s", "disk-timeout 50;", ""},
		"a rate is in KiB":              {"set resync-rate 2000", "resync-rate 2000K;", ""},
		"a policy":                      {"set after-sb-0pri discard-zero-changes", "after-sb-0pri discard-zero-changes;", ""},
		"a protocol":                    {"set protocol A", "protocol A;", ""},
		"a deadtime":                    {"set deadtime 20s", "deadtime 20\n", ""},
		"what only the simulator has":   {"set late-timers 5", "", "setting late-timers is none of"},
		"a moment that only it can see": {"on milo2 SyncTarget 50% break milo1", "", "trigger SyncTarget 50% can't be seen"},
		"a packet":                      {"on milo2 P_SYNC_UUID break milo1", "", "trigger P_SYNC_UUID"},
		"a value of the wrong kind":     {"set clients many", "", "setting clients"},
		"a fault that is not there yet": {"40s stall milo1 3s", "", "fault stall can't be made to happen"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			scenario, err := plan.ParseScenario("profile page\n" + tc.scenario)
			g.Expect(err).NotTo(HaveOccurred())
			s, err := settingsOf(scenario)
			if tc.wantErr != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.wantErr)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			dir, all := t.TempDir(), ""
			for file, text := range s.files(true) {
				to := filepath.Join(dir, strings.TrimPrefix(file, "/etc"))
				g.Expect(os.MkdirAll(filepath.Dir(to), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(to, []byte(text), modeOf(file))).To(Succeed())
				all += text
			}
			g.Expect(all).To(ContainSubstring(tc.line))
			site, err := config.Load(dir, "milo1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(site.Warnings).To(BeEmpty())
		})
	}
}

// What real machines can play is what the suite and the documentation say.
func TestNamedScenarios(t *testing.T) {
	g := NewWithT(t)
	all, err := scenarios.All()
	g.Expect(err).NotTo(HaveOccurred())
	var can []string
	for _, s := range all {
		if CanPlay(s.Scenario) == nil {
			can = append(can, s.Name)
		}
	}
	t.Logf("%d of %d can be played: %v", len(can), len(all), can)
	g.Expect(can).To(ContainElements("primary-loses-power", "long-wan-outage", "break-at-every-stage"))
	g.Expect(len(can)).To(BeNumerically(">=", 30))
}
