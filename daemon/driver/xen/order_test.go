package xen_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// onHostOf is onHost with these files.
func onHostOf(t *testing.T, files map[string]string, test func(h *host, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		for name, text := range files {
			h.configure(name, text)
		}
		test(h, t.Context())
	})
}

// shop is a database that two web servers need, and something that nobody waits for.
var shop = map[string]string{
	"batch": "name = \"batch\"\npollux_shutdown = 0\n",
	"db":    "name = \"db\"\npollux_order = 10\npollux_shutdown = 600\n",
	"web1":  "name = \"web1\"\npollux_order = '20'\n",
	"web2":  "name = \"web2\"\npollux_order = 20 # beside the other\n",
}

func TestGuestsStartByTheirOrder(t *testing.T) {
	onHostOf(t, shop, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"create db", "create web1", "create web2", "create batch"}))
		h.Expect(h.mostBusy).To(Equal(1))
	})
}

func TestGuestsOfOneOrderStartAtTheSameTime(t *testing.T) {
	onHostOf(t, shop, func(h *host, ctx context.Context) {
		g := h.guests()
		g.AtOnce = 5
		h.Expect(g.Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(ConsistOf("create db", "create web1", "create web2", "create batch"))
		h.Expect(h.calls[0]).To(Equal("create db"))
		h.Expect(h.calls[3]).To(Equal("create batch"))
		h.Expect(h.mostBusy).To(Equal(2))
	})
}

func TestNobodyStartsWithoutWhatItNeeds(t *testing.T) {
	onHostOf(t, shop, func(h *host, ctx context.Context) {
		h.creation = "create-vg-inactive"
		h.Expect(h.guests().Start(ctx)).To(MatchError(HavePrefix("start guest db: ")))
		h.Expect(h.calls).To(Equal([]string{"create db"}))
	})
}

func TestGuestsStopInReverseEachWithItsOwnTime(t *testing.T) {
	onHostOf(t, shop, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Start(ctx)).To(Succeed()) // db 1, web1 2, web2 3, batch 4
		h.calls, h.deaf = nil, true
		before := time.Now()
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.calls[0]).To(Equal("destroy 4"), "which has no time at all")
		h.Expect(h.calls[1:3]).To(ConsistOf("shutdown -F 3", "shutdown -F 2"))
		h.Expect(h.calls[3:]).To(Equal([]string{"destroy 3", "destroy 2", "shutdown -F 1", "destroy 1"}))
		h.Expect(time.Since(before)).To(BeNumerically("~", 720*time.Second, 5*time.Second))
	})
}

func TestOneThatSurvivesDoesNotKeepTheOthers(t *testing.T) {
	onHostOf(t, shop, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.immortal = true // batch, which is not asked
		h.Expect(h.guests().Stop(ctx)).To(MatchError(HaveSuffix("batch: still there when the time was up")))
		h.Expect(h.domains).To(And(HaveLen(1), HaveKey("batch")))
	})
}

func TestAMistakeInWhatPolluxAloneReadsStopsNoGuest(t *testing.T) {
	onHostOf(t, map[string]string{"a": "name = \"a\"\npollux_order = 1000\npollux_shutdown = 'soon'\n"},
		func(h *host, ctx context.Context) {
			h.Expect(h.guests().Start(ctx)).To(Succeed())
			_, text, err := h.guests().Status(ctx)
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(text).To(And(HavePrefix("a running; "), ContainSubstring(
				`a: found pollux_order = "1000", want a number from 0 to 999; `), HaveSuffix(
				`a: found pollux_shutdown = "soon", want a number from 0 to 86400`)))
			h.Expect(h.guests().Stop(ctx)).To(Succeed())
		})
}
