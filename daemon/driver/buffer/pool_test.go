package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
)

func newPool(t *testing.T, limit int) *buffer.Pool {
	t.Helper()
	p, err := buffer.NewPool(limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestGetGivesPageAlignedMemoryOfTheNextClass(t *testing.T) {
	for n, class := range map[int]int{
		1: 4096, 512: 4096, 4096: 4096, 4097: 8192, 12 << 10: 16 << 10, 65537: 128 << 10, 1 << 20: 1 << 20,
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g := NewWithT(t)
			p := newPool(t, 2<<20)
			b := p.Get(n)
			memory := p.Bytes(b)
			g.Expect(memory).To(HaveLen(n))
			g.Expect(memory).To(HaveCap(n), "appending must not run into the neighbour")
			g.Expect(uintptr(unsafe.Pointer(&memory[0])) % 4096).To(BeZero())
			buffers, bytes := p.InUse()
			g.Expect([]int{buffers, bytes}).To(Equal([]int{1, class}))
			p.Release(b)
			buffers, bytes = p.InUse()
			g.Expect([]int{buffers, bytes}).To(Equal([]int{0, 0}))
		})
	}
}

func TestMisuseOfAHandlePanics(t *testing.T) {
	for name, misuse := range map[string]func(p *buffer.Pool){
		"a second Release": func(p *buffer.Pool) { b := p.Get(1); p.Release(b); p.Release(b) },
		"a second Release after the memory has a new owner": func(p *buffer.Pool) {
			b := p.Get(1)
			p.Release(b)
			p.Get(1)
			p.Release(b)
		},
		"Hold after Release":    func(p *buffer.Pool) { b := p.Get(1); p.Release(b); p.Hold(b) },
		"Bytes after Release":   func(p *buffer.Pool) { b := p.Get(1); p.Release(b); p.Bytes(b) },
		"zero is no buffer":     func(p *buffer.Pool) { p.Release(0) },
		"a handle from nowhere": func(p *buffer.Pool) { p.Bytes(replica.Buf(1 << 19)) },
		"Get of nothing":        func(p *buffer.Pool) { p.Get(0) },
		"Get of too much":       func(p *buffer.Pool) { p.Get(buffer.MaxSize + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 1<<20)
			NewWithT(t).Expect(func() { misuse(p) }).To(Panic())
		})
	}
}

func TestAPoolNeedsRoomForOneLargestBuffer(t *testing.T) {
	g := NewWithT(t)
	_, err := buffer.NewPool(buffer.MaxSize - 1)
	g.Expect(err).To(MatchError("buffer pool of 1048575 bytes, want 1048576 to 4293918720"))
}

func TestABufferLivesUntilItsLastReference(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 1<<20)
	b := p.Get(1 << 20)
	p.Hold(b)
	p.Release(b)
	g.Expect(p.TryGet(1)).To(BeZero())
	p.Release(b)
	g.Expect(p.TryGet(1)).NotTo(BeZero())
}

func TestSmallBuffersMergeIntoLargeOnesAgain(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 1<<20)
	var all []replica.Buf
	for range 256 {
		all = append(all, p.Get(4096))
	}
	g.Expect(p.TryGet(1)).To(BeZero())
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(all)) {
		p.Release(all[i])
	}
	g.Expect(p.TryGet(1 << 20)).NotTo(BeZero())
}

func TestAFullPoolMakesGetWaitInTurn(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 1<<20)
	halves := [2]replica.Buf{p.Get(512 << 10), p.Get(512 << 10)}
	large := make(chan replica.Buf)
	go func() { large <- p.Get(1 << 20) }()
	g.Eventually(func() int { return buffer.Waiting(p) }).Should(Equal(1))
	small := make(chan replica.Buf)
	go func() { small <- p.Get(1) }()
	g.Eventually(func() int { return buffer.Waiting(p) }).Should(Equal(2))

	p.Release(halves[0])
	g.Expect(buffer.Waiting(p)).To(Equal(2), "the small one must not overtake, or the large one starves")
	g.Expect(p.TryGet(1)).To(BeZero())
	p.Release(halves[1])
	b := <-large
	g.Expect(buffer.Waiting(p)).To(Equal(1))
	p.Release(b)
	p.Release(<-small)
}

func TestCloseEndsWaiting(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 1<<20)
	held := p.Get(1 << 20)
	got := make(chan replica.Buf)
	failed := make(chan error)
	go func() { got <- p.Get(1) }()
	go func() {
		_, err := p.GetContext(context.Background(), 1)
		failed <- err
	}()
	g.Eventually(func() int { return buffer.Waiting(p) }).Should(Equal(2))
	p.Close()
	g.Expect(<-got).To(BeZero())
	g.Expect(<-failed).To(MatchError(buffer.ErrClosed))
	p.Bytes(held)[0] = 1 // still good: a disk may be writing it
	p.Release(held)
	g.Expect(p.Get(1)).To(BeZero())
}

func TestAContextEndsWaiting(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 1<<20)
	half := p.Get(512 << 10)
	ctx, cancel := context.WithCancelCause(context.Background())
	failed := make(chan error)
	go func() {
		_, err := p.GetContext(ctx, 1<<20)
		failed <- err
	}()
	g.Eventually(func() int { return buffer.Waiting(p) }).Should(Equal(1))
	behind := make(chan replica.Buf)
	go func() { behind <- p.Get(1) }()
	g.Eventually(func() int { return buffer.Waiting(p) }).Should(Equal(2))
	gone := errors.New("the peer is gone")
	cancel(gone)
	g.Expect(<-failed).To(MatchError(gone))
	p.Release(<-behind)
	p.Release(half)
	g.Expect(p.TryGet(1 << 20)).NotTo(BeZero())
}

func TestNoOneEverSharesABuffer(t *testing.T) {
	g := NewWithT(t)
	p := newPool(t, 2<<20)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 0))
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if random.IntN(4) == 0 {
					go cancel()
				}
				b, err := p.GetContext(ctx, 1+random.IntN(buffer.MaxSize>>random.IntN(8)))
				cancel()
				if err != nil {
					continue
				}
				memory := p.Bytes(b)
				mark := byte(random.Uint32())
				memory[0], memory[len(memory)-1] = mark, mark
				p.Hold(b)
				p.Release(b)
				if memory[0] != mark || memory[len(memory)-1] != mark {
					t.Errorf("worker %d: buffer %#x was written by someone else", worker, b)
				}
				p.Release(b)
			}
		})
	}
	all.Wait()
	buffers, bytes := p.InUse()
	g.Expect([]int{buffers, bytes}).To(Equal([]int{0, 0}))
	g.Expect(p.TryGet(1 << 20)).NotTo(BeZero())
}

func TestGetAndReleaseDoNotAllocate(t *testing.T) {
	p := newPool(t, 2<<20)
	NewWithT(t).Expect(testing.AllocsPerRun(1000, func() {
		b := p.Get(5000)
		p.Hold(b)
		p.Bytes(b)[0] = 1
		p.Release(b)
		p.Release(b)
	})).To(BeZero())
}

func BenchmarkGetRelease(b *testing.B) {
	p, err := buffer.NewPool(64 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Release(p.Get(4096))
		}
	})
}
