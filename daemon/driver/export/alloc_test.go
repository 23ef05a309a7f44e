package export_test

import (
	"io"
	"net"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// inline makes d answer without allocating anything itself.
func inline(c *export.Config, _ *export.Spec) {
	pool := c.Pool
	c.Handler = func(r *export.Request) {
		if r.Op == replica.OpRead {
			buf := pool.Get(int(r.Size))
			r.Answer(buf, nil).Flush()
			pool.Release(buf)
			return
		}
		pool.Release(r.Buf)
		r.Answer(0, nil).Flush()
	}
}

// exchanger sends one write and one read of 4 KiB and takes both replies.
func exchanger(t tester, d *device) func() {
	c := dial(t, d.socket).open()
	write := nbd.Request{Command: nbd.CommandWrite, Length: 4096, Cookie: 1}.Append(nil)
	write = append(write, make([]byte, 4096)...)
	write = nbd.Request{Command: nbd.CommandRead, Length: 4096, Cookie: 2}.Append(write)
	answers := make([]byte, 2*nbd.ReplySize+4096)
	var socket net.Conn = c
	return func() {
		if _, err := socket.Write(write); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(socket, answers); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARequestIsServedWithoutAllocating(t *testing.T) {
	d := newDevice(t, 1<<20, inline)
	exchange := exchanger(t, d)
	NewWithT(t).Expect(testing.AllocsPerRun(500, exchange)).To(BeZero())
}

func BenchmarkWriteAndRead(b *testing.B) {
	d := newDevice(b, 1<<20, inline)
	exchange := exchanger(b, d)
	b.SetBytes(8192)
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}
