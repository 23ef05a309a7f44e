package watchdog_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/watchdog"
)

// fake is a file that stands in for a device, and what was written to it.
func fake(t *testing.T) (path string, written func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "watchdog")
	NewWithT(t).Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
	return path, func() string {
		text, err := os.ReadFile(path)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return string(text)
	}
}

func TestAWatchThatEndsCleanly(t *testing.T) {
	g := NewWithT(t)
	path, written := fake(t)
	d, err := watchdog.Open(path, 10*time.Second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Timeout).To(BeZero(), "a file has none")
	g.Expect(d.Kick()).To(Succeed())
	g.Expect(d.Close()).To(Succeed())
	g.Expect(written()).To(Equal("\x00\x00V"))
}

func TestAWatchThatIsAbandoned(t *testing.T) {
	g := NewWithT(t)
	path, written := fake(t)
	d, err := watchdog.Open(path, 10*time.Second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Abandon()).To(Succeed())
	g.Expect(written()).To(Equal("\x00"), "no magic: the device goes on")
	g.Expect(d.Kick()).NotTo(Succeed())
}

func TestADeviceThatIsNotThere(t *testing.T) {
	_, err := watchdog.Open(filepath.Join(t.TempDir(), "watchdog"), time.Second)
	NewWithT(t).Expect(err).To(MatchError(And(HavePrefix("watchdog: "), ContainSubstring("no such file"))))
}
