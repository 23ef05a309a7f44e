package resync_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/resync"
)

func TestProgress(t *testing.T) {
	g := NewWithT(t)
	const total = 100 << 8 // 100 MiB
	p := resync.NewProgress(0, total)
	g.Expect(p.Report(0)).To(Equal(resync.Report{Total: total, ETA: resync.Never}))

	t.Log("10 MiB/s for 5 seconds")
	for s := range uint64(6) {
		p.Update(at(s), total-s*10<<8)
	}
	g.Expect(p.Report(at(5))).To(Equal(resync.Report{
		Total: total, Done: 50 << 8, PerMille: 500, Speed: 10 << 10, Average: 10 << 10, ETA: 5 * time.Second,
	}))

	t.Log("then 1 MiB/s: after 6 more seconds the window has forgotten the fast ones")
	for s := range uint64(8) {
		p.Update(at(5+s), total-(50+s)<<8)
	}
	r := p.Report(at(12))
	g.Expect(r.Speed).To(BeEquivalentTo(1 << 10))
	g.Expect(r.Average).To(BeEquivalentTo(57 << 10 / 12))
	g.Expect(r.ETA).To(Equal(43 * time.Second))

	t.Log("a stall has no end, and new dirty blocks make the way longer")
	p.Update(at(15), 300<<8)
	r = p.Report(at(60))
	g.Expect(r.Speed).To(BeZero())
	g.Expect(r.ETA).To(Equal(resync.Never))
	g.Expect(r.Total).To(BeEquivalentTo(300 << 8))
	g.Expect(r.PerMille).To(BeZero())

	t.Log("1000 per mille is for the end alone")
	p.Update(at(61), 1)
	g.Expect(p.Report(at(61)).PerMille).To(BeEquivalentTo(999))
	p.Update(at(62), 0)
	r = p.Report(at(62))
	g.Expect(r.PerMille).To(BeEquivalentTo(1000))
	g.Expect(r.ETA).To(BeZero())
}

func TestProgressOfNothing(t *testing.T) {
	g := NewWithT(t)
	p := resync.NewProgress(at(1), 0)
	g.Expect(p.Report(at(1))).To(Equal(resync.Report{PerMille: 1000}))
}

func at(seconds uint64) time.Duration { return time.Duration(seconds) * time.Second }
