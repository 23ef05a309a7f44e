package node_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/machine"
	"github.com/optionc/pollux/daemon/node"
)

func input(n int) machine.Input { return machine.Input{Resource: n} }

func TestAnInboxKeepsTheOrder(t *testing.T) {
	g := NewWithT(t)
	b := node.NewInbox()
	b.Put(input(1))
	g.Expect(b.Offer(input(2))).To(BeTrue())
	g.Expect(b.AddSlowly(t.Context(), input(3))).To(BeTrue())
	g.Expect(b.Take()).To(HaveExactElements(input(1), input(2), input(3)))
	g.Expect(b.Take()).To(BeEmpty())
}

func TestTheNetworkDoesNotFillAnInbox(t *testing.T) {
	g := NewWithT(t)
	b := node.NewInbox()
	for range 3 * node.Crowded {
		b.Offer(input(0))
	}
	g.Expect(b.Offer(input(0))).To(BeFalse())
	b.Put(input(1)) // a disk's answer must never be lost
	g.Expect(b.Take()).To(HaveLen(node.Crowded + 1))
	g.Expect(b.Offer(input(0))).To(BeTrue())
}

func TestWhoFindsAnInboxCrowdedWaits(t *testing.T) {
	g := NewWithT(t)
	b := node.NewInbox()
	const senders = 3
	for range node.Crowded {
		b.Put(input(0))
	}
	put := make(chan bool, senders)
	for n := range senders {
		go func() { put <- b.AddSlowly(t.Context(), input(1+n)) }()
	}
	g.Consistently(put, 50*time.Millisecond).ShouldNot(Receive(), "there is no room")
	g.Expect(b.Take()).To(HaveLen(node.Crowded))
	for range senders {
		g.Eventually(put).Should(Receive(BeTrue()), "there is room for all of them")
	}
	g.Expect(b.Take()).To(ConsistOf(input(1), input(2), input(3)))
}

func TestWhoWaitsIsLetGoAtTheEnd(t *testing.T) {
	g := NewWithT(t)
	b := node.NewInbox()
	for range node.Crowded {
		b.Put(input(0))
	}
	ctx, cancel := context.WithCancel(t.Context())
	put := make(chan bool, 1)
	go func() { put <- b.AddSlowly(ctx, input(1)) }()
	cancel()
	g.Eventually(put).Should(Receive(BeFalse()), "the node ends")
}
