package watchdog_test

import (
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// One story for each device: a step goes on where the last one ended.
var _ = Describe("A watchdog", Label("vm"), func() {
	for _, module := range []string{"softdog", "i6300esb"} {
		Describe("that is "+module, Ordered, func() {
			var w *watched

			BeforeAll(func(ctx SpecContext) {
				w = boot(ctx, module)
			}, NodeTimeout(10*time.Minute))

			It("waits for half of deadtime", func(ctx SpecContext) {
				w.start(ctx)
				Expect(w.shell(ctx, "cat /sys/class/watchdog/watchdog0/timeout")).To(Equal("20"))
				Expect(w.said()).To(ContainSubstring("timeout=20s"))
			}, SpecTimeout(3*time.Minute))

			It("resets nothing while the daemon runs", func(ctx SpecContext) {
				w.outlives(ctx)
				Expect(w.state(ctx)).To(Equal("active"))
			}, SpecTimeout(3*time.Minute))

			It("resets nothing when the program is replaced", func(ctx SpecContext) {
				Expect(w.daemon.Signal(ctx, syscall.SIGUSR2)).To(Succeed())
				Eventually(w.daemon.Stderr).WithContext(ctx).WithTimeout(soon).Should(
					WithTransform(func(log string) int { return strings.Count(log, "msg=watchdog") }, Equal(2)))
				w.outlives(ctx)
				Expect(w.state(ctx)).To(Equal("active"))
			}, SpecTimeout(3*time.Minute))

			It("resets nothing when the daemon has died and another one is started in time", func(ctx SpecContext) {
				Expect(w.daemon.Signal(ctx, syscall.SIGKILL)).To(Succeed())
				_, err := w.daemon.Wait(ctx)
				Expect(err).NotTo(HaveOccurred())
				Expect(w.state(ctx)).To(Equal("active"))
				w.start(ctx)
				w.outlives(ctx)
				Expect(w.state(ctx)).To(Equal("active"))
			}, SpecTimeout(3*time.Minute))

			It("resets nothing after an orderly end", func(ctx SpecContext) {
				Expect(w.daemon.End(ctx)).To(Succeed(), w.said)
				Expect(w.state(ctx)).To(Equal("inactive"))
				w.outlives(ctx)
			}, SpecTimeout(3*time.Minute))

			It("resets a machine whose daemon hangs", func(ctx SpecContext) {
				w.start(ctx)
				Expect(w.daemon.Signal(ctx, syscall.SIGSTOP)).To(Succeed())
				w.isReset(ctx, module)
			}, SpecTimeout(3*time.Minute))

			It("resets a machine whose daemon has died", func(ctx SpecContext) {
				w = boot(ctx, module)
				w.start(ctx)
				Expect(w.daemon.Signal(ctx, syscall.SIGKILL)).To(Succeed())
				w.isReset(ctx, module)
			}, SpecTimeout(6*time.Minute))

			It("resets a machine whose daemon has ended, and left something running", func(ctx SpecContext) {
				w = boot(ctx, module)
				Expect(w.Put(ctx, "/etc/drbd.conf", []byte(resource), 0o600)).To(Succeed())
				w.shell(ctx, "pollux create-md --force r1")
				w.start(ctx)
				w.shell(ctx, "pollux primary --force r1")
				user, err := w.Start("/bin/bash", "-c", "exec 3<>/dev/drbd1 && echo opened && exec sleep infinity")
				Expect(err).NotTo(HaveOccurred())
				Eventually(user.Stdout).WithContext(ctx).WithTimeout(soon).Should(Equal("opened\n"), user.Stderr)
				Expect(w.daemon.Signal(ctx, syscall.SIGTERM)).To(Succeed())
				Expect(w.daemon.Wait(ctx)).To(Equal(1), w.said)
				Expect(w.state(ctx)).To(Equal("active"))
				w.isReset(ctx, module)
			}, SpecTimeout(6*time.Minute))
		})
	}
})
