package export_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

func scribble(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + random.IntN(255))
	}
	return b
}

func TestRequests(t *testing.T) {
	const size = 4 << 20
	for name, tc := range map[string]struct {
		request nbd.Request
		want    nbd.ReplyError
		asks    []string
	}{
		"a read":  {nbd.Request{Command: nbd.CommandRead, Offset: 4096, Length: 512}, 0, []string{"read 8+512"}},
		"a write": {nbd.Request{Command: nbd.CommandWrite, Offset: 512, Length: 4096}, 0, []string{"write 1+4096"}},
		"a write with FUA": {
			nbd.Request{Command: nbd.CommandWrite, Flags: nbd.FUA, Length: 512}, 0, []string{"write fua 0+512"},
		},
		"a flush": {nbd.Request{Command: nbd.CommandFlush}, 0, []string{"flush 0+0"}},
		"a trim":  {nbd.Request{Command: nbd.CommandTrim, Offset: size - 512, Length: 512}, 0, []string{"trim 8191+512"}},
		"zeroes with a hole": {
			nbd.Request{Command: nbd.CommandWriteZeroes, Length: 8192}, 0, []string{"trim 0+8192"},
		},
		"zeroes without one": {
			nbd.Request{Command: nbd.CommandWriteZeroes, Flags: nbd.NoHole | nbd.FUA, Length: 8192},
			0,
			[]string{"zero fua 0+8192"},
		},
		"a trim beyond a piece": {
			nbd.Request{Command: nbd.CommandTrim, Offset: 512, Length: 2<<20 + 512},
			0,
			[]string{"trim 1+1048576", "trim 2049+1048576", "trim 4097+512"},
		},
		"a read of nothing":     {nbd.Request{Command: nbd.CommandRead}, nbd.EINVAL, nil},
		"a read off the grid":   {nbd.Request{Command: nbd.CommandRead, Offset: 100, Length: 512}, nbd.EINVAL, nil},
		"a write off the grid":  {nbd.Request{Command: nbd.CommandWrite, Length: 100}, nbd.EINVAL, nil},
		"a read past the end":   {nbd.Request{Command: nbd.CommandRead, Offset: size - 512, Length: 1024}, nbd.EINVAL, nil},
		"a trim past the end":   {nbd.Request{Command: nbd.CommandTrim, Offset: size, Length: 512}, nbd.EINVAL, nil},
		"a write past the end":  {nbd.Request{Command: nbd.CommandWrite, Offset: size, Length: 512}, nbd.ENOSPC, nil},
		"zeroes past the end":   {nbd.Request{Command: nbd.CommandWriteZeroes, Offset: 512, Length: size}, nbd.ENOSPC, nil},
		"an offset that wraps":  {nbd.Request{Command: nbd.CommandWrite, Offset: 1<<64 - 512, Length: 1024}, nbd.ENOSPC, nil},
		"a read far too large":  {nbd.Request{Command: nbd.CommandRead, Length: 1<<32 - 512}, nbd.EINVAL, nil},
		"a flag of tomorrow":    {nbd.Request{Command: nbd.CommandWrite, Flags: 1 << 4, Length: 512}, nbd.EINVAL, nil},
		"NO_HOLE on a write":    {nbd.Request{Command: nbd.CommandWrite, Flags: nbd.NoHole, Length: 512}, nbd.EINVAL, nil},
		"a flush of a range":    {nbd.Request{Command: nbd.CommandFlush, Length: 512}, nbd.EINVAL, nil},
		"a command of tomorrow": {nbd.Request{Command: 99, Length: 512}, nbd.EINVAL, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDevice(t, size)
			c := dial(t, d.socket).open()
			tc.request.Cookie = 0x0123456789abcdef
			c.send(tc.request.Append(nil))
			if tc.request.Command == nbd.CommandWrite {
				c.send(make([]byte, tc.request.Length))
			}
			g.Expect(c.reply()).To(Equal(nbd.Reply{Error: tc.want, Cookie: tc.request.Cookie}))
			if tc.request.Command == nbd.CommandRead && tc.want == 0 {
				c.take(int(tc.request.Length))
			}
			g.Expect(d.seen()).To(ConsistOf(tc.asks))
			c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 2}.Append(nil))
			g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 2}), "the connection lives on")
		})
	}
}

func TestErrorsThatAUserIsTold(t *testing.T) {
	for cause, want := range map[error]nbd.ReplyError{
		errors.New("the peer is gone"):         nbd.EIO,
		fmt.Errorf("write: %w", unix.ENOSPC):   nbd.ENOSPC,
		fmt.Errorf("trim: %w", unix.EINVAL):    nbd.EINVAL,
		fmt.Errorf("read: %w", unix.ENOTBLK):   nbd.EIO,
		fmt.Errorf("read: %w", io.EOF):         nbd.EIO,
		fmt.Errorf("read: %w", unix.EREMOTEIO): nbd.EIO,
	} {
		g := NewWithT(t)
		d := newDevice(t, 8<<20)
		d.refuse = func(*export.Request) error { return cause }
		c := dial(t, d.socket).open()
		c.send(nbd.Request{Command: nbd.CommandRead, Length: 4096}.Append(nil))
		g.Expect(c.reply()).To(Equal(nbd.Reply{Error: want}))
		c.send(nbd.Request{Command: nbd.CommandRead, Length: 3 << 20}.Append(nil))
		g.Expect(c.reply()).To(Equal(nbd.Reply{Error: want}), "a large one fails as one, without data")
	}
}

func TestLargeRequestsAreCutAndAnsweredOnce(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 40<<20)
	c := dial(t, d.socket).open()
	want := scribble(32 << 20)
	c.send(nbd.Request{Command: nbd.CommandWrite, Offset: 4096, Length: 32 << 20, Cookie: 1}.Append(nil), want)
	g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 1}))
	g.Expect(d.seen()).To(HaveLen(32))
	for cookie := range uint64(2) {
		c.send(nbd.Request{Command: nbd.CommandRead, Offset: 4096, Length: 32 << 20, Cookie: cookie}.Append(nil))
	}
	for cookie := range uint64(2) {
		g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: cookie}))
		g.Expect(bytes.Equal(c.take(32<<20), want)).To(BeTrue())
	}
	g.Expect(d.seen()).To(HaveLen(64))
	g.Eventually(func() int { return export.BudgetLeft(d.Server) }).Should(Equal(32 << 20))
}

func TestRepliesComeInAnyOrder(t *testing.T) {
	g := NewWithT(t)
	arrived := make(chan *export.Request, 2)
	d := newDevice(t, 1<<20, func(c *export.Config, _ *export.Spec) {
		c.Handler = func(r *export.Request) { arrived <- r }
	})
	c := dial(t, d.socket).open()
	c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 1}.Append(nil),
		nbd.Request{Command: nbd.CommandFlush, Cookie: 2}.Append(nil))
	first, second := <-arrived, <-arrived
	second.Answer(0, nil).Flush()
	g.Expect(c.reply().Cookie).To(BeEquivalentTo(2))
	first.Answer(0, nil).Flush()
	g.Expect(c.reply().Cookie).To(BeEquivalentTo(1))
}

func TestNoMoreIsUnderWayThanAllowed(t *testing.T) {
	g := NewWithT(t)
	arrived := make(chan *export.Request, 1000)
	d := newDevice(t, 1<<20, func(c *export.Config, _ *export.Spec) {
		c.Handler = func(r *export.Request) { arrived <- r }
	})
	c := dial(t, d.socket).open()
	for i := range uint64(200) {
		c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: i}.Append(nil))
	}
	g.Eventually(arrived).Should(HaveLen(128))
	g.Consistently(arrived, "50ms").Should(HaveLen(128))
	for range 200 {
		(<-arrived).Answer(0, nil).Flush()
		c.reply()
	}
}

func TestTheBudgetBoundsPayloads(t *testing.T) {
	g := NewWithT(t)
	arrived := make(chan *export.Request, 1000)
	d := newDevice(t, 8<<20, func(c *export.Config, _ *export.Spec) {
		c.Budget = 2 << 20
		c.Handler = func(r *export.Request) { arrived <- r }
	})
	c := dial(t, d.socket).open()
	for range 5 {
		c.send(nbd.Request{Command: nbd.CommandRead, Length: 1 << 20}.Append(nil))
	}
	g.Eventually(arrived).Should(HaveLen(2))
	g.Consistently(arrived, "50ms").Should(HaveLen(2))
	for range 5 {
		d.answer(<-arrived)
		c.reply()
		c.take(1 << 20)
	}
}

func TestConversationsThatEndTheConnection(t *testing.T) {
	for name, says := range map[string][]byte{
		"garbage":                      bytes.Repeat([]byte("no request at all "), 10),
		"a write beyond all limits":    nbd.Request{Command: nbd.CommandWrite, Length: 32<<20 + 512}.Append(nil),
		"a good-bye":                   nbd.Request{Command: nbd.CommandDisconnect}.Append(nil),
		"a good-bye with an odd range": nbd.Request{Command: nbd.CommandDisconnect, Length: 9, Offset: 9}.Append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDevice(t, 1<<20)
			c := dial(t, d.socket).open()
			g.Eventually(d.Users).Should(Equal(1))
			c.send(nbd.Request{Command: nbd.CommandFlush, Cookie: 1}.Append(nil), says)
			g.Expect(c.reply()).To(Equal(nbd.Reply{Cookie: 1}), "what came before is answered")
			g.Expect(c.ended()).To(BeTrue())
			g.Eventually(d.Users).Should(BeZero())
			buffers, _ := d.pool.InUse()
			g.Expect(buffers).To(BeZero())
		})
	}
}

func TestAWriteCutOffIsNotCarriedOut(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 1<<20)
	c := dial(t, d.socket).open()
	c.send(nbd.Request{Command: nbd.CommandWrite, Length: 8192}.Append(nil), make([]byte, 5000))
	g.Expect(c.Close()).To(Succeed())
	g.Eventually(d.Users).Should(BeZero())
	g.Expect(d.seen()).To(BeEmpty())
	buffers, _ := d.pool.InUse()
	g.Expect(buffers).To(BeZero())
	g.Expect(export.BudgetLeft(d.Server)).To(Equal(32 << 20))
}

func TestAClientIsAUserUntilItsRequestsAreDone(t *testing.T) {
	g := NewWithT(t)
	d := newDevice(t, 8<<20)
	d.gate = make(chan bool)
	c := dial(t, d.socket).open()
	c.send(nbd.Request{Command: nbd.CommandRead, Length: 4096}.Append(nil),
		nbd.Request{Command: nbd.CommandRead, Length: 2 << 20}.Append(nil),
		nbd.Request{Command: nbd.CommandWrite, Length: 4096}.Append(nil), make([]byte, 4096))
	g.Eventually(func() int { return export.BudgetLeft(d.Server) }).Should(Equal(32<<20 - 2<<20 - 8192))
	g.Expect(c.Close()).To(Succeed())
	g.Consistently(d.Users, "50ms").Should(Equal(1))
	close(d.gate)
	g.Eventually(d.Users).Should(BeZero())
	g.Eventually(func() int { n, _ := d.pool.InUse(); return n }).Should(BeZero())
	g.Expect(export.BudgetLeft(d.Server)).To(Equal(32 << 20))
}
