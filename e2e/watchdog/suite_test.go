// Package watchdog_test runs polluxd on machines that have a watchdog: the kernel's
// softdog, or a device of QEMU's. It is reset when the daemon hangs or dies, and at
// no other time.
package watchdog_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
	"github.com/optionc/pollux/qemu/image"
	"github.com/optionc/pollux/qemu/machine"
)

func TestWatchdog(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e/watchdog")
}

const (
	// soon is a limit for what takes a moment on an idle machine.
	soon = 90 * time.Second
	// timeout is what polluxd asks the device for: half of deadtime.
	timeout = 20 * time.Second
	// diskSize is that of the disk "data" that each machine has, in bytes.
	diskSize = 48 << 20
)

// files are the node's, whose peer is not there.
var files = map[string]string{
	"/etc/ha.d/ha.cf": `node milo1 milo2
keepalive 1
deadtime 40
initdead 40
ucast lo 127.0.0.2
auto_failback on
watchdog /dev/watchdog
`,
	"/etc/ha.d/haresources": "milo1 nothing\n",
	"/etc/ha.d/authkeys":    "auth 1\n1 sha1 of-this-test\n",
}

// nothing is a script of haresources that has nothing to start.
const nothing = "#!/bin/sh\necho stopped\n"

// resource is a drbd.conf with one on the disk.
const resource = `
resource r1 {
  protocol C;
  on milo1 { device /dev/drbd1; disk /dev/disk/data; address 127.0.1.1:7789; meta-disk internal; }
  on milo2 { device /dev/drbd1; disk /dev/disk/data; address 127.0.1.2:7789; meta-disk internal; }
}
`

// watched is a machine with a watchdog.
type watched struct {
	*machine.Machine
	daemon *agent.Process
	before string // what daemons before this one said
}

// boot boots a machine whose watchdog has that module; no daemon runs.
func boot(ctx SpecContext, module string) *watched {
	GinkgoHelper()
	if os.Getenv("POLLUX_E2E") != "1" {
		Skip("boots machines in QEMU: run with POLLUX_E2E=1")
	}
	dir := GinkgoT().TempDir()
	programs, err := image.Programs(ctx, dir, map[string]string{
		"/usr/sbin/polluxd": "cmd/polluxd", "/usr/bin/pollux": "cmd/pollux",
	})
	Expect(err).NotTo(HaveOccurred())
	plain, err := image.Plain(ctx, image.DefaultKernel(), programs)
	Expect(err).NotTo(HaveOccurred())
	config := machine.Config{Name: "milo1", Image: plain, Watchdog: module == "i6300esb"}
	_, err = config.Plug(GinkgoT(), dir, "data", diskSize)
	Expect(err).NotTo(HaveOccurred())
	w := &watched{}
	w.Machine, err = machine.Boot(ctx, GinkgoT(), config)
	Expect(err).NotTo(HaveOccurred())
	for name, text := range files {
		Expect(w.Put(ctx, name, []byte(text), 0o600)).To(Succeed())
	}
	Expect(w.Put(ctx, "/etc/ha.d/resource.d/nothing", []byte(nothing), 0o755)).To(Succeed())
	w.shell(ctx, "modprobe "+module)
	Expect(w.state(ctx)).To(Equal("inactive"))
	return w
}

// shell runs a script that must succeed.
func (w *watched) shell(ctx SpecContext, script string) string {
	GinkgoHelper()
	out, err := w.Shell(ctx, script)
	Expect(err).NotTo(HaveOccurred(), w.said)
	return strings.TrimSpace(out)
}

// start starts polluxd, and waits until it has the watchdog.
func (w *watched) start(ctx SpecContext) {
	GinkgoHelper()
	w.before = w.said()
	var err error
	w.daemon, err = w.Start("polluxd")
	Expect(err).NotTo(HaveOccurred())
	Eventually(w.daemon.Stderr).WithContext(ctx).WithTimeout(soon).Should(ContainSubstring("msg=watchdog"))
}

// said is what daemons said so far.
func (w *watched) said() string {
	if w.daemon == nil {
		return w.before
	}
	return w.before + w.daemon.Stderr()
}

// state is what the kernel says of the watchdog: active if it will reset the
// machine unless it is kicked.
func (w *watched) state(ctx SpecContext) string {
	GinkgoHelper()
	return w.shell(ctx, "cat /sys/class/watchdog/watchdog0/state")
}

// uptime is how long the machine has been running, by its own clock.
func (w *watched) uptime(ctx SpecContext) time.Duration {
	GinkgoHelper()
	seconds, err := strconv.ParseFloat(strings.Fields(w.shell(ctx, "cat /proc/uptime"))[0], 64)
	Expect(err).NotTo(HaveOccurred())
	return time.Duration(seconds * float64(time.Second))
}

// outlives waits until the machine has been running for longer than a watchdog
// waits for a kick.
func (w *watched) outlives(ctx SpecContext) {
	GinkgoHelper()
	end := w.uptime(ctx) + timeout + timeout/4
	Eventually(func() time.Duration { return w.uptime(ctx) }).WithContext(ctx).WithTimeout(soon).
		WithPolling(time.Second).Should(BeNumerically(">", end), w.said)
}

// isReset waits until the watchdog has reset the machine.
func (w *watched) isReset(ctx SpecContext, module string) {
	GinkgoHelper()
	begin := time.Now()
	events, err := w.Ended(ctx)
	Expect(err).NotTo(HaveOccurred(), w.said)
	AddReportEntry("seconds to the reset", time.Since(begin).Seconds())
	Expect(events).To(ContainElement(ContainSubstring(`"reason": "guest-reset"`)))
	if module == "i6300esb" {
		Expect(events).To(ContainElement(`WATCHDOG {"action": "reset"}`))
	} else {
		Expect(w.Console()).To(ContainSubstring("softdog: Initiating system reboot"))
	}
}
