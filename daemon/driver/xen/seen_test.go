package xen_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// A guest that has run since its memory was saved must not get it: it belongs to a disk that is no more.
func TestMemoryOfAGuestThatRunsIsNotUsed(t *testing.T) {
	for name, look := range map[string]func(h *host, ctx context.Context) error{
		"who monitors it sees it": func(h *host, ctx context.Context) error { _, _, err := h.guests().Monitor(ctx); return err },
		"who looks at it sees it": func(h *host, ctx context.Context) error { _, _, err := h.guests().Status(ctx); return err },
		"who starts it finds it":  func(h *host, ctx context.Context) error { return h.guests().Start(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			onSaving(t, func(h *host, ctx context.Context) {
				h.Expect(h.guests().Stop(ctx)).To(Succeed())
				h.add("web1", "-b----") // by hand
				h.Expect(look(h, ctx)).To(Succeed())
				h.Expect(h.warned).To(HaveExactElements("guest web1 runs, and its memory was saved before: that is not used any more"))
				h.warned = nil
				delete(h.domains, "web1")
				h.calls = nil
				h.Expect(h.guests().Start(ctx)).To(Succeed())
				h.Expect(h.calls).To(Equal([]string{"create web1"}))
			})
		})
	}
}

func TestMemoryThatCouldNotBeReadIsNotUsedLater(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.frozen, h.calls = true, nil
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.frozen = false
		h.Expect(h.warned).To(HaveExactElements(HavePrefix("guest web1 starts afresh: "),
			HavePrefix("guest web1 runs, and whether its memory was saved before can't be seen: ")))
		delete(h.domains, "web1") // it crashes
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"create web1", "create web1"}))
		h.Expect(h.warned).To(ContainElement("guest web1 starts afresh: it has run since its memory was saved"))
		h.warned = nil

		h.calls = nil
		h.Expect(h.guests().Stop(ctx)).To(Succeed())
		h.Expect(h.guests().Start(ctx)).To(Succeed())
		h.Expect(h.calls).To(Equal([]string{"save 3 memory", "restore memory"}), "what is saved after that is good")
	})
}

func TestAVolumeThatCanNotBeReadIsTriedNowAndThen(t *testing.T) {
	onSaving(t, func(h *host, ctx context.Context) {
		h.frozen = true
		for range 12 {
			_, _, err := h.guests().Monitor(ctx)
			h.Expect(err).NotTo(HaveOccurred())
			<-time.After(10 * time.Second)
		}
		h.Expect(h.warned).To(HaveLen(2))
		h.frozen = false
		for range 3 {
			_, _, err := h.guests().Monitor(ctx)
			h.Expect(err).NotTo(HaveOccurred())
		}
		h.Expect(h.warned).To(HaveLen(2))
		h.warned = nil
	})
}
