package command_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
)

func shell(script string, args ...string) command.Program {
	return command.Program{Name: "/bin/sh", Args: append([]string{"-c", script, "sh"}, args...)}
}

// alive says whether a process of that number exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

var _ = Describe("A program", func() {
	It("gives its two outputs and its time", func(ctx SpecContext) {
		r, err := command.Exec(ctx, shell("echo to stdout; echo to stderr >&2"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(r.Stdout)).To(Equal("to stdout\n"))
		Expect(string(r.Stderr)).To(Equal("to stderr\n"))
		Expect(r.Code).To(BeZero())
		Expect(r.Took).To(BeNumerically(">", 0))
	})

	It("has nothing on stdin, the daemon's environment, plain messages and what was asked for", func(ctx SpecContext) {
		p := shell(`cat; echo "$HOME $LC_ALL $HA_deadtime"`)
		p.Env = []string{"HA_deadtime=90", "HOME=/elsewhere"}
		r, err := command.Exec(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(r.Stdout)).To(Equal("/elsewhere C 90\n"))
	})

	It("that fails is named with its status and its own words", func(ctx SpecContext) {
		r, err := command.Exec(ctx, shell(`echo '  Volume group "my_vg" not found' >&2; exit 5`))
		Expect(r.Code).To(Equal(5))
		var exit *command.ExitError
		Expect(errors.As(err, &exit)).To(BeTrue())
		Expect(exit.Code).To(Equal(5))
		Expect(err).To(MatchError(HaveSuffix(`exit status 5: Volume group "my_vg" not found`)))
	})

	It("that dies by a signal says which", func(ctx SpecContext) {
		r, err := command.Exec(ctx, shell(`kill -KILL $$`))
		Expect(r.Code).To(Equal(-1))
		Expect(err).To(MatchError(HaveSuffix("signal: killed")))
	})

	It("that is not there is an error that says so", func(ctx SpecContext) {
		r, err := command.Exec(ctx, command.Program{Name: "no-such-program-here"})
		Expect(r.Code).To(Equal(-1))
		Expect(err).To(MatchError(command.ErrNotFound))
	})

	It("keeps only the end of a long output", func(ctx SpecContext) {
		r, err := command.Exec(ctx, shell(`head -c 1000000 /dev/zero | tr '\0' x; echo the end`))
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Stdout).To(HaveLen(command.TailSize))
		Expect(string(r.Stdout)).To(HaveSuffix("xthe end\n"))
	})

	It("keeps as much of a long output as was asked for", func(ctx SpecContext) {
		p := shell(`head -c 1000000 /dev/zero | tr '\0' x`)
		p.Keep = 1 << 20
		r, err := command.Exec(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Stdout).To(HaveLen(1_000_000))
	})

	It("that starts a service with the same output is done when it ends itself", func(ctx SpecContext) {
		r, err := command.Exec(ctx, shell(`sleep 1000 & echo $!`))
		Expect(err).NotTo(HaveOccurred())
		service, err := strconv.Atoi(strings.TrimSpace(string(r.Stdout)))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(syscall.Kill, service, syscall.SIGKILL)
		Expect(alive(service)).To(BeTrue(), "the service goes on")
	})
})

var _ = Describe("A program that hangs", func() {
	It("is killed with its children when its limit is up", func(ctx SpecContext) {
		pids := filepath.Join(GinkgoT().TempDir(), "pids")
		p := shell(`sleep 1000 & echo $! $$ > "$1"; echo so far; wait`, pids)
		p.Limit = 300 * time.Millisecond
		r, err := command.Exec(ctx, p)
		Expect(err).To(MatchError(command.ErrKilled))
		Expect(r.Code).To(Equal(-1))
		Expect(string(r.Stdout)).To(Equal("so far\n"))
		text, err := os.ReadFile(pids)
		Expect(err).NotTo(HaveOccurred())
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			Expect(err).NotTo(HaveOccurred())
			Eventually(alive).WithArguments(pid).WithContext(ctx).Should(BeFalse())
		}
	})

	It("is killed when the caller gives up", func(ctx SpecContext) {
		ctx2, cancel := context.WithCancelCause(ctx)
		cancel(errors.New("shutting down"))
		_, err := command.Exec(ctx2, shell("sleep 1000"))
		Expect(err).To(MatchError(context.Canceled))
	})

	It("and can't be killed is left behind", func(ctx SpecContext) {
		hung := exec.Command("sleep", "1000")
		hung.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		Expect(hung.Start()).To(Succeed())
		DeferCleanup(func() { _ = hung.Wait() })
		over, cancel := context.WithCancel(ctx)
		cancel()
		never := make(chan error)
		Expect(command.Wait(over, hung.Process.Pid, never, time.Millisecond)).To(MatchError(command.ErrStuck))
	})
})

var _ = Describe("A log", func() {
	It("sees each program with its result", func(ctx SpecContext) {
		var seen []string
		run := command.Logged(func(_ context.Context, p command.Program) (command.Result, error) {
			return command.Exited(p, 3, nil, []byte("stopped\n"))
		}, func(p command.Program, r command.Result, err error) {
			seen = append(seen, p.String(), strconv.Itoa(r.Code), err.Error())
		})
		_, err := run(ctx, command.Program{Name: "xenHA", Args: []string{"a b", "status"}})
		Expect(err).To(HaveOccurred())
		Expect(seen).To(Equal([]string{"xenHA 'a b' status", "3", "xenHA 'a b' status: exit status 3: stopped"}))
	})
})
