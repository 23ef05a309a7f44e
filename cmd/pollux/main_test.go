package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/optionc/pollux/daemon/driver/control"
	"github.com/optionc/pollux/daemon/format/drbdwire"
)

// pollux runs the command, and gives what it prints and its exit status.
func pollux(t *testing.T, args ...string) (stdout string, status int, err error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		return out.String(), exitStatus(err), err
	}
	return out.String(), 0, nil
}

// daemon answers in place of a daemon; it gives its run directory.
func daemon(t *testing.T, h control.Handlers) (*control.Server, string) {
	t.Helper()
	g := NewWithT(t)
	dir, err := os.MkdirTemp("", "pollux") //nolint:usetesting // the name of t.TempDir is too long for a socket
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := control.Serve(filepath.Join(dir, "control.sock"), h)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}

func TestWithoutADaemonTheReasonIsNamed(t *testing.T) {
	for _, args := range [][]string{{"status"}, {"events"}, {"primary", "r1"}, {"standby"}} {
		g := NewWithT(t)
		dir := t.TempDir()
		_, status, err := pollux(t, append(args, "--run-dir", dir)...)
		g.Expect(err).To(MatchError("polluxd is not running: there is no socket " + dir + "/control.sock"))
		g.Expect(status).To(Equal(exitFailed))
	}
}

func TestAnOrderIsPassedOn(t *testing.T) {
	for line, want := range map[string]control.Order{
		"primary r1":                      {Order: "primary", Resource: "r1"},
		"primary --force r1":              {Order: "primary", Resource: "r1", Force: true},
		"secondary r1":                    {Order: "secondary", Resource: "r1"},
		"connect r1":                      {Order: "connect", Resource: "r1"},
		"connect --discard-my-data r1":    {Order: "connect", Resource: "r1", Force: true},
		"disconnect r1":                   {Order: "disconnect", Resource: "r1"},
		"attach r1":                       {Order: "attach", Resource: "r1"},
		"detach r1":                       {Order: "detach", Resource: "r1"},
		"invalidate r1":                   {Order: "invalidate", Resource: "r1"},
		"invalidate-remote r1":            {Order: "invalidate-remote", Resource: "r1"},
		"outdate r1":                      {Order: "outdate", Resource: "r1"},
		"standby":                         {Order: "standby"},
		"verify r1":                       {Order: "verify", Resource: "r1"},
		"verify r1 --start 0 --stop 2048": {Order: "verify", Resource: "r1", Args: []string{"start=0", "stop=2048"}},
		"verify --abort r1":               {Order: "verify-abort", Resource: "r1"},
		"adjust r1":                       {Order: "adjust", Resource: "r1"},
		"pause-sync r1":                   {Order: "pause-sync", Resource: "r1"},
		"standby foreign":                 {Order: "standby", Args: []string{"foreign"}},
		"takeover":                        {Order: "takeover"},
		"record /root/incident.rec":       {Order: "record", Args: []string{"/root/incident.rec"}},
		"takeover --force local":          {Order: "takeover", Args: []string{"local"}, Force: true},
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			orders := make(chan control.Order, 1)
			_, dir := daemon(t, control.Handlers{Order: func(_ context.Context, o control.Order) control.Answer {
				orders <- o
				return control.Answer{OK: true}
			}})
			out, _, err := pollux(t, append(strings.Fields(line), "--run-dir", dir)...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out).To(BeEmpty())
			g.Expect(orders).To(Receive(BeComparableTo(want)))
		})
	}
}

// TestARefusalEndsWithDrbdsetupsStatus: scripts look at it.
func TestARefusalEndsWithDrbdsetupsStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		answer control.Answer
		status int
		text   string
	}{
		"no good data": {
			control.Answer{Code: int(drbdwire.NoUpToDateDisk), Text: "the disk is Inconsistent"},
			exitNoData,
			"State change failed: (-2) Need access to UpToDate data: the disk is Inconsistent",
		},
		"a device in use": {
			control.Answer{Code: int(drbdwire.DeviceInUse), Text: "withdraw r1: in use by process 7 (qemu-nbd)"},
			exitRefused,
			"State change failed: (-12) Device is held open by someone: withdraw r1: in use by process 7 (qemu-nbd)",
		},
		"a reason that says no more than the code": {
			control.Answer{Code: int(drbdwire.NeedConnection), Text: drbdwire.NeedConnection.String()},
			exitRefused,
			"State change failed: (-15) Need a connection to start verify or resync",
		},
		"a resource that there is not": {
			control.Answer{Text: "r7: No such resource"}, exitFailed, "r7: No such resource",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, dir := daemon(t, control.Handlers{
				Order: func(context.Context, control.Order) control.Answer { return tc.answer },
			})
			out, status, err := pollux(t, "primary", "r1", "--run-dir", dir)
			g.Expect(err).To(MatchError(tc.text))
			g.Expect(status).To(Equal(tc.status))
			g.Expect(out).To(BeEmpty())
		})
	}
}

func TestAMistakeInAFileEndsWithStatus2(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "drbd.conf"), []byte("resource r1 {\n\tprotocol D;\n}\n"), 0o600)).To(Succeed())
	for _, args := range [][]string{{"check"}, {"create-md", "r1"}} {
		_, status, err := pollux(t, append(args, "--config-dir", dir, "--node", "milo1")...)
		g.Expect(err).To(MatchError(ContainSubstring(dir + "/drbd.conf:2:11: found 'protocol D', want one of A, B, C")))
		g.Expect(status).To(Equal(exitConfig))
	}
}

// seed has the configuration that the demo runs with.
func seed(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.Mkdir(filepath.Join(dir, "ha.d"), 0o755)).To(Succeed())
	for name, path := range map[string]string{
		"drbd.conf": "drbd.conf", "ha.cf": "ha.d/ha.cf", "haresources": "ha.d/haresources", "authkeys": "ha.d/authkeys",
	} {
		text, err := os.ReadFile(filepath.Join("demo", "seed", name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(filepath.Join(dir, path), text, 0o600)).To(Succeed())
	}
	return dir
}

func TestAResourceThatThereIsNotIsAMistakeToo(t *testing.T) {
	g := NewWithT(t)
	_, status, err := pollux(t, "create-md", "r7", "--config-dir", seed(t), "--node", "milo1")
	g.Expect(err).To(MatchError(ContainSubstring("r7: no such resource in ")))
	g.Expect(status).To(Equal(exitConfig))
}

func TestACheckThatFindsSomethingFails(t *testing.T) {
	g := NewWithT(t)
	out, status, err := pollux(t, "check", "--config-dir", seed(t), "--node", "milo1")
	g.Expect(err).To(MatchError("something has to be mended first"))
	g.Expect(status).To(Equal(exitFailed))
	g.Expect(out).To(ContainSubstring("MEND  resource r1: address 192.168.0.1 of this node is on none of its interfaces\n"))
	g.Expect(out).To(MatchRegexp(`\n1 resources, 1 groups: \d to mend, \d+ to know\n$`))
}

func TestWrongArgumentsAreExplained(t *testing.T) {
	for line, want := range map[string]string{
		"primary":            "primary: found nothing, want RESOURCE",
		"primary r1 r2":      `primary: found "r1 r2", want RESOURCE`,
		"standby everything": `standby: found "everything", want [all|local|foreign|failback]`,
		"maintenance maybe":  `maintenance: found "maybe", want on|off`,
		"explain":            "explain: found nothing, want failures",
		"status r1":          `status: found "r1", want nothing`,
		"plan nothing":       `plan: found "nothing", want cut, power-off, standby or takeover`,
		"plan cut":           "plan cut: found nothing, want replication|heartbeat|all|witness",
		"meta chekc x":       `meta: found "chekc x", want apply-al, `,
		"demo spilt":         `demo: found "spilt", want split or nothing`,
		"primry r1":          `unknown command "primry" for "pollux"`,
		"secondary --force":  "secondary: unknown flag: --force; 'pollux secondary --help' has the flags",
	} {
		t.Run(line, func(t *testing.T) {
			_, status, err := pollux(t, strings.Fields(line)...)
			g := NewWithT(t)
			g.Expect(err).To(MatchError(ContainSubstring(want)))
			g.Expect(status).To(Equal(exitFailed))
		})
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(c.Short).NotTo(BeEmpty())
			out, _, err := pollux(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out).To(And(ContainSubstring("Usage:\n  pollux"), ContainSubstring("--run-dir")))
			for line := range strings.Lines(out) {
				g.Expect(len(line)).To(BeNumerically("<", 120), line)
			}
		})
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot())
}

func TestShellsComplete(t *testing.T) {
	g := NewWithT(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, _, err := pollux(t, "completion", shell)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(ContainSubstring("__complete"), shell)
	}
	dir := seed(t)
	for line, want := range map[string][]string{
		"stan":         {"standby\tgive groups to the peer"},
		"standby  ":    {"all", "local", "foreign", "failback"},
		"primary  ":    {"r1"},
		"create-md  ":  {"r1"},
		"primary r1  ": nil,
		"primary --f":  {"--force\tdeclare this node's data good, whatever the peer has"},
	} {
		words, empty := strings.CutSuffix(line, "  ")
		args := append([]string{cobra.ShellCompRequestCmd, "--config-dir", dir, "--node", "milo1"}, strings.Fields(words)...)
		if empty {
			args = append(args, "")
		}
		out, _, err := pollux(t, args...)
		g.Expect(err).NotTo(HaveOccurred())
		offered, _, _ := strings.Cut(out, ":")
		g.Expect(strings.Split(strings.TrimSuffix(offered, "\n"), "\n")).To(ContainElements(append(want, "")[:len(want)]), line)
		g.Expect(strings.Count(offered, "\n")).To(Equal(len(want)), line)
	}
}

func TestEventsArePrintedAsTheyCome(t *testing.T) {
	g := NewWithT(t)
	server, dir := daemon(t, control.Handlers{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &lines{c: make(chan string, 10)}
	root := newRoot()
	root.SetArgs([]string{"events", "--run-dir", dir})
	root.SetOut(out)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	var line string
	g.Eventually(func() chan string {
		g.Expect(server.Publish(map[string]int{"number": 1})).To(Succeed())
		return out.c
	}, 20*time.Second).Should(Receive(&line), "the command listens")
	g.Expect(line).To(Equal("{\"number\":1}\n"))
	cancel()
	g.Eventually(ended, 20*time.Second).Should(Receive(Succeed()), "a signal ends it")
}

// lines is a writer whose writes can be waited for.
type lines struct{ c chan string }

func (l *lines) Write(b []byte) (int, error) {
	l.c <- string(b)
	return len(b), nil
}
