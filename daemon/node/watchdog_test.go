package node_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/core/witness"
	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

// watched runs a node that only moves groups, with a watchdog, until it is
// stopped.
func watched(t *testing.T, device string) (n *node.Node, stop func()) {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, []byte(text), mode)).To(Succeed())
	}
	write("ha.d/ha.cf", fmt.Sprintf("keepalive 100ms\ndeadtime 1\ninitdead 1\nudpport %d\nauto_failback on\n"+
		"ucast lo 127.0.0.2\nnode milo1 milo2\nwatchdog %s\n", netip.MustParseAddrPort(freeAddress(t)).Port(), device), 0o600)
	write("ha.d/haresources", "milo1 nothing\n", 0o600)
	write("ha.d/authkeys", "auth 1\n1 crc\n", 0o600)
	write("agents/nothing", "#!/bin/sh\necho stopped\n", 0o700)
	site, err := config.Load(dir, "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	run, err := os.MkdirTemp("", "pollux") //nolint:usetesting // the name of t.TempDir is too long for a socket
	g.Expect(err).NotTo(HaveOccurred())
	n, err = node.New(site, node.Options{
		StateDir: filepath.Join(dir, "state"), RunDir: run, Agents: filepath.Join(dir, "agents"),
		Bind: netip.MustParseAddr("127.0.0.1"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n, func() {
		t.Helper()
		cancel()
		g.Expect(<-ended).To(Succeed())
		g.Expect(os.RemoveAll(run)).To(Succeed())
	}
}

func TestAWatchdogIsKickedUntilACleanEnd(t *testing.T) {
	g := NewWithT(t)
	device := filepath.Join(t.TempDir(), "watchdog")
	g.Expect(os.WriteFile(device, nil, 0o600)).To(Succeed())
	written := func() string {
		text, err := os.ReadFile(device)
		g.Expect(err).NotTo(HaveOccurred())
		return string(text)
	}
	n, stop := watched(t, device)
	g.Eventually(written).WithTimeout(patience).Should(HavePrefix("\x00\x00\x00"))
	g.Expect(n.Status().Warnings).NotTo(ContainElement(ContainSubstring("watchdog")))
	g.Expect(written()).NotTo(ContainSubstring("V"))
	stop()
	g.Expect(written()).To(HaveSuffix("V"))
}

// Why the machine is reset can be read after that.
func TestAWatchdogThatIsNotKickedIsInTheHistory(t *testing.T) {
	g := NewWithT(t)
	device := filepath.Join(t.TempDir(), "watchdog")
	g.Expect(unix.Mkfifo(device, 0o600)).To(Succeed())
	kernel, err := os.OpenFile(device, os.O_RDONLY|unix.O_NONBLOCK, 0)
	g.Expect(err).NotTo(HaveOccurred())
	n, stop := watched(t, device)
	g.Eventually(func() error { _, err := kernel.Read(make([]byte, 1)); return err }).WithTimeout(patience).Should(Succeed())
	g.Expect(kernel.Close()).To(Succeed()) // nobody takes a kick any more
	history := func() string { return n.Order(t.Context(), control.Order{Order: "history"}).Text }
	g.Eventually(history).WithTimeout(patience).Should(ContainSubstring(
		"watchdog: it is not kicked, and resets this machine soon: "))
	stop()
}

func TestAWatchdogThatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	n, stop := watched(t, filepath.Join(t.TempDir(), "watchdog"))
	g.Eventually(func() []string { return n.Status().Warnings }).WithTimeout(patience).
		Should(ContainElement(HavePrefix("there is no watchdog: ")))
	stop()
}

func TestWhatKeepsAWatchdogFromBeingKicked(t *testing.T) {
	for name, tc := range map[string]struct {
		lease   witness.GroupSnapshot
		claimed bool
		policy  string
		overdue bool
	}{
		"a lease that ended, and something runs":     {lease: witness.GroupSnapshot{Until: 50}, claimed: true, overdue: true},
		"one that ended, and all is stopped":         {lease: witness.GroupSnapshot{Until: 50}},
		"one that is held":                           {lease: witness.GroupSnapshot{Until: 150, Held: true}, claimed: true},
		"an operator's word":                         {lease: witness.GroupSnapshot{Until: 50, Held: true}, claimed: true},
		"what was found running and had none so far": {claimed: true},
		"a policy that freezes":                      {lease: witness.GroupSnapshot{Until: 50}, claimed: true, policy: haconf.PolicyFreeze},
	} {
		t.Run(name, func(t *testing.T) {
			tc.lease.Name = "drbddisk::r1"
			status := machine.Status{
				Lease:    &witness.Snapshot{Groups: []witness.GroupSnapshot{tc.lease}},
				Failover: failover.Snapshot{Groups: []failover.GroupSnapshot{{Claimed: tc.claimed}}},
			}
			if tc.policy == "" {
				tc.policy = haconf.PolicyWitness
			}
			want := BeEmpty()
			if tc.overdue {
				want = Equal("the lease of drbddisk::r1 has ended, and it is not stopped")
			}
			NewWithT(t).Expect(node.Overdue(&status, tc.policy, 100*time.Nanosecond)).To(want)
		})
	}
	NewWithT(t).Expect(node.Overdue(&machine.Status{}, haconf.PolicyLastMan, 0)).To(BeEmpty())
}

// Some devices have a timeout that can't be changed, and none is asked for less than 5 s.
func TestAWatchdogThatIsTooLate(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  string
		timeout time.Duration
		want    string
	}{
		"half of deadtime":                {policy: haconf.PolicyLastMan, timeout: 15 * time.Second},
		"as long as deadtime":             {policy: haconf.PolicyLastMan, timeout: 30 * time.Second, want: "after 30s, .* after 30s"},
		"half of the lease":               {policy: haconf.PolicyWitness, timeout: 10 * time.Second},
		"between the lease and deadtime":  {policy: haconf.PolicyWitness, timeout: 25 * time.Second, want: "after 25s, .* after 20s"},
		"a timeout that nobody can learn": {policy: haconf.PolicyWitness},
	} {
		t.Run(name, func(t *testing.T) {
			ha := &haconf.HA{Policy: tc.policy, Deadtime: 30 * time.Second, Lease: 20 * time.Second}
			want := BeEmpty()
			if tc.want != "" {
				want = MatchRegexp(tc.want)
			}
			NewWithT(t).Expect(node.Late(ha, tc.timeout)).To(want)
		})
	}
}
