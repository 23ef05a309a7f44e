package xen_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// onHost runs a test with virtual time on a host where web1 and web2 are
// configured.
func onHost(t *testing.T, test func(h *host, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newHost(t, "web1", "web2"), t.Context()) })
}

func TestGuestsStartInOrderAndStopInReverse(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.add("other", "-b----")
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.guests().Start(ctx)).To(Succeed(), "again, and nothing happens")
		h.Expect(h.calls).To(Equal([]string{"create web1.cfg", "create web2.cfg"}))
		h.calls = nil
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.calls).To(ConsistOf("shutdown -F 3", "shutdown -F 2"))
		h.Expect(h.domains).To(And(HaveLen(1), HaveKey("other")))
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
	})
}

func TestStopWaitsUntilTheGuestsAreGone(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.add("web1", "-b----")
		before := time.Now()
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(time.Since(before)).To(BeNumerically("~", shutdownTime, time.Second))
	})
}

func TestStopDestroysGuestsThatDoNotListen(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.deaf = true
		h.add("web1", "-b----")
		h.add("web2", "r-----")
		before := time.Now()
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.calls[:2]).To(ConsistOf("shutdown -F 2", "shutdown -F 1"))
		h.Expect(h.calls[2:]).To(Equal([]string{"destroy 2", "destroy 1"}))
		h.Expect(time.Since(before)).To(BeNumerically("~", xen.DefaultPatience, time.Second))
	})
}

func TestStopTakesAwayWhatHasShutDown(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.unwatched = true
		h.add("web1", "-b----")
		before := time.Now()
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"shutdown -F 1", "destroy 1"}))
		h.Expect(time.Since(before)).To(BeNumerically("<", shutdownTime+10*time.Second))
	})
}

func TestAStopThatHasNoTimeLeft(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.deaf = true
		h.add("web1", "-b----")
		h.add("web2", "r-----")
		before := time.Now()
		h.Expect(h.guests().StopWithin(ctx, 8*time.Second)).To(Succeed())
		h.Expect(h.calls[2:]).To(Equal([]string{"destroy 2", "destroy 1"}))
		h.Expect(time.Since(before)).To(BeNumerically("<", 8*time.Second))
	})
}

func TestStopFailsWhenAGuestSurvivesEverything(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.deaf, h.immortal = true, true
		h.add("web1", "-b----")
		g := h.guests()
		g.Patience = 10 * time.Second
		h.Expect(g.Stop(ctx)).To(MatchError(And(HavePrefix("stop the guests of "),
			HaveSuffix("web1: still there when the time was up"))))
	})
}

func TestStopFailsWhenXenDiesMeanwhile(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.add("web1", "-b----")
		g := h.guests()
		g.Run = func(ctx context.Context, p command.Program) (command.Result, error) {
			h.hangs = h.hangs || p.Args[0] == "shutdown"
			return h.run(ctx, p)
		}
		h.Expect(g.Stop(ctx)).To(MatchError(command.ErrKilled))
	})
}

func TestStopEndsWithItsContext(t *testing.T) {
	onHost(t, func(h *host, ctx context.Context) {
		h.deaf = true
		h.add("web1", "-b----")
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		h.Expect(h.guests().Stop(ctx)).NotTo(Succeed())
		h.Expect(h.domains).To(HaveKey("web1"), "and destroys nothing")
	})
}

func TestGuestsInOddStates(t *testing.T) {
	for name, tc := range map[string]struct {
		state       string
		start, stop []string
	}{
		"paused":        {"--p---", []string{"unpause 1"}, []string{"unpause 1", "shutdown -F 1"}},
		"crashed, kept": {"---sc-", []string{"destroy 1", "create web1.cfg"}, []string{"destroy 1"}},
		"shut down":     {"--ps--", []string{"destroy 1", "create web1.cfg"}, []string{"destroy 1"}},
	} {
		t.Run("start: "+name, func(t *testing.T) {
			onHost(t, func(h *host, ctx context.Context) {
				h.add("web1", tc.state)
				h.Expect(h.guests().Start(ctx)).To(Succeed())
				h.Expect(h.calls).To(Equal(append(tc.start, "create web2.cfg")))
			})
		})
		t.Run("stop: "+name, func(t *testing.T) {
			onHost(t, func(h *host, ctx context.Context) {
				h.add("web1", tc.state)
				h.Expect(h.guests().Stop(ctx)).To(Succeed())
				h.Expect(h.calls).To(Equal(tc.stop))
			})
		})
	}
}

func TestStartSaysWhyAGuestDoesNotStart(t *testing.T) {
	for recording, want := range map[string]string{
		"create-vg-inactive": "exit status 3: libxl_device.c:455:libxl__device_disk_set_backend: " +
			"Disk vdev=xvda failed to stat: /dev/my_vg/test_lv: No such file or directory",
		"create-no-memory": "exit status 3: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: " +
			"can't allocate low memory for domain: Out of memory",
		"create-syntax-error": `config parsing error near ` + "`" + `"/boot/vmlinux-cloud': lexical error; ` +
			"Failed to parse config: Invalid argument",
		"create": "xl succeeded, but the guest is gone",
	} {
		t.Run(recording, func(t *testing.T) {
			onHost(t, func(h *host, ctx context.Context) {
				h.creation = recording
				h.Expect(h.guests().Start(ctx)).To(MatchError(And(HavePrefix("start guest web1: "), HaveSuffix(want))))
			})
		})
	}
}
