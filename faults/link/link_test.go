package link_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/link"
)

const ms = time.Millisecond

func TestStreamKeepsItsOrder(t *testing.T) {
	g := NewWithT(t)
	d := link.Direction{Latency: 20 * ms, Jitter: 30 * ms}
	luck := draw.New(1, "order")
	last := time.Duration(0)
	for i := range 100 {
		at, ok := d.Stream(time.Duration(i)*ms, last, 100, luck)
		g.Expect(ok).To(BeTrue())
		g.Expect(at).To(BeNumerically(">=", last))
		g.Expect(at).To(BeNumerically(">=", time.Duration(i+20)*ms))
		last = at
	}
}

func TestCutHoldsAStreamAndLosesDatagrams(t *testing.T) {
	g := NewWithT(t)
	d := link.Direction{Latency: 20 * ms}
	luck := draw.New(1, "cut")
	d.Cut()
	_, ok := d.Stream(0, 0, 100, luck)
	g.Expect(ok).To(BeFalse())
	g.Expect(d.Datagram(0, 100, luck, nil)).To(BeEmpty())
	d.Heal(time.Second)
	at, ok := d.Stream(time.Second, 0, 100, luck)
	g.Expect(ok).To(BeTrue())
	g.Expect(at).To(Equal(time.Second + 200*ms))
}

func TestRateIsSharedByAll(t *testing.T) {
	g := NewWithT(t)
	d := link.Direction{Rate: 1000}
	luck := draw.New(1, "rate")
	g.Expect(d.Datagram(0, 500, luck, nil)).To(Equal([]time.Duration{500 * ms}))
	at, _ := d.Stream(0, 0, 500, luck)
	g.Expect(at).To(Equal(time.Second))
}

func TestLossAndDuplication(t *testing.T) {
	g := NewWithT(t)
	d := link.Direction{Loss: 200_000, Duplication: 100_000}
	luck := draw.New(7, "luck")
	arrived := 0
	for range 10_000 {
		arrived += len(d.Datagram(0, 100, luck, nil))
	}
	g.Expect(arrived).To(BeNumerically("~", 8800, 200))
}

// Losses that come in bursts are as many datagrams in fewer places.
func TestBursts(t *testing.T) {
	g := NewWithT(t)
	luck := draw.New(3, "bursts")
	d := link.Direction{Loss: 20_000, Burst: 5 * time.Second}
	lost, runs, last := 0, 0, false
	for i := range 10_000 {
		arrived := len(d.Datagram(time.Duration(i)*time.Second, 100, luck, nil)) > 0
		if !arrived {
			lost++
			if !last {
				runs++
			}
		}
		last = !arrived
	}
	g.Expect(runs).To(BeNumerically(">", 50))
	g.Expect(lost).To(BeNumerically(">", 2*runs))
}
