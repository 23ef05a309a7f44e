package agent_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/agent"
)

// pair is a client and a server that runs on this machine.
func pair(t *testing.T) *agent.Client {
	t.Helper()
	test, machine := net.Pipe()
	server := agent.Server{PowerOff: func() error { return machine.Close() }}
	go func() { _ = server.Serve(machine) }()
	client := agent.NewClient(test)
	t.Cleanup(func() { _ = errors.Join(client.Close(), machine.Close()) })
	NewWithT(t).Expect(client.Ready(t.Context())).To(Succeed())
	return client
}

func TestRun(t *testing.T) {
	client := pair(t)
	for name, tc := range map[string]struct {
		argv []string
		want agent.Result
	}{
		"output and status are told apart": {
			argv: []string{"/bin/sh", "-c", "echo out; echo err >&2; exit 3"},
			want: agent.Result{Status: 3, Stdout: "out\n", Stderr: "err\n"},
		},
		"a death by signal is 128 and the signal": {
			argv: []string{"/bin/sh", "-c", "kill -9 $$"},
			want: agent.Result{Status: 137},
		},
		"a service left behind is not waited for": {
			argv: []string{"/bin/sh", "-c", "sleep 30 & echo started"},
			want: agent.Result{Stdout: "started\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := client.Run(t.Context(), tc.argv...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
		})
	}
	t.Run("a program that is not there is an error", func(t *testing.T) {
		_, err := client.Run(t.Context(), "/no/such/program")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("no such file")))
	})
	t.Run("more output than a message holds arrives whole", func(t *testing.T) {
		g := NewWithT(t)
		got, err := client.Run(t.Context(), "/bin/sh", "-c", "yes | head -c 300000")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Stdout).To(HaveLen(300000))
	})
}

func TestStartAndSignal(t *testing.T) {
	g := NewWithT(t)
	client := pair(t)
	p, err := client.Start("/bin/sh", "-c", "echo up; sleep 60")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(p.Stdout).Should(Equal("up\n"))
	other, err := client.Run(t.Context(), "/bin/echo", "meanwhile")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(other.Stdout).To(Equal("meanwhile\n"))
	g.Expect(p.Signal(t.Context(), syscall.SIGTERM)).To(Succeed())
	g.Expect(p.Wait(t.Context())).To(Equal(143))
}

func TestCancelKills(t *testing.T) {
	g := NewWithT(t)
	client := pair(t)
	mark := filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := client.Run(ctx, "/bin/sh", "-c", "echo $$ >"+mark+"; sleep 60")
		ended <- err
	}()
	g.Eventually(mark).Should(BeAnExistingFile())
	cancel()
	g.Expect(<-ended).To(MatchError(context.Canceled))
}

func TestFiles(t *testing.T) {
	g := NewWithT(t)
	client := pair(t)
	name := filepath.Join(t.TempDir(), "a", "file")
	for _, content := range [][]byte{{}, []byte("short"), bytes.Repeat([]byte("0123456789abcdef"), 10000)} {
		g.Expect(client.Put(t.Context(), name, content, 0o750)).To(Succeed())
		g.Expect(os.ReadFile(name)).To(BeEquivalentTo(content))
		g.Expect(client.Get(t.Context(), name)).To(BeEquivalentTo(content))
		info, err := os.Stat(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o750)))
	}
}

func TestMachineGone(t *testing.T) {
	g := NewWithT(t)
	client := pair(t)
	p, err := client.Start("/bin/sleep", "60")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.PowerOff(t.Context())).To(Succeed())
	_, err = p.Wait(t.Context())
	g.Expect(err).To(MatchError(agent.ErrGone))
	_, err = client.Run(t.Context(), "/bin/true")
	g.Expect(err).To(MatchError(agent.ErrGone))
}

func TestRefuse(t *testing.T) {
	g := NewWithT(t)
	test, machine := net.Pipe()
	client := agent.NewClient(test)
	t.Cleanup(func() { _ = client.Close() })
	g.Expect(agent.Refuse(machine, errors.New("no disk"))).To(Succeed())
	g.Expect(client.Ready(t.Context())).To(MatchError(ContainSubstring("no disk")))
}

func TestListenInTheMiddle(t *testing.T) {
	g := NewWithT(t)
	test, machine := net.Pipe()
	client := agent.NewClient(test)
	t.Cleanup(func() { _ = errors.Join(client.Close(), machine.Close()) })
	server := agent.Server{PowerOff: func() error { return nil }}
	_, err := machine.Write([]byte(`"stdout":"the end of an answer to somebody else"}`))
	g.Expect(err).NotTo(HaveOccurred())
	go func() { _ = server.Serve(machine) }()
	g.Expect(client.Ready(t.Context())).To(Succeed())
	g.Expect(client.Output(t.Context(), "/bin/echo", "heard")).To(Equal("heard\n"))
}
