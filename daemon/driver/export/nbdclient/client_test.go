package nbdclient_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/core/replica"
	"github.com/optionc/pollux/daemon/driver/buffer"
	"github.com/optionc/pollux/daemon/driver/export"
	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
)

const size = 8 << 20

// serve exposes zeros of the given size that can be written, as "r0".
func serve(t *testing.T, fails func(r *export.Request) error) (*export.Server, string) {
	t.Helper()
	pool, err := buffer.NewPool(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	data := make([]byte, size)
	socket := filepath.Join(t.TempDir(), "r0.nbd")
	answer := func(r *export.Request) {
		err := fails(r)
		mu.Lock()
		defer mu.Unlock()
		at, buf := data[r.Sector*512:r.Sector*512+uint64(r.Size)], r.Buf
		switch r.Op {
		case replica.OpRead:
			buf = pool.Get(int(r.Size))
			copy(pool.Bytes(buf), at)
		case replica.OpWrite:
			copy(at, pool.Bytes(buf))
		case replica.OpTrim, replica.OpZero:
			clear(at)
		case replica.OpFlush:
		}
		r.Answer(buf, err).Flush()
		if buf != 0 {
			pool.Release(buf)
		}
	}
	s := export.NewServer(export.Config{
		Socket: socket, Pool: pool, Handler: func(r *export.Request) { go answer(r) },
	})
	spec := export.Spec{Name: "r0", Sectors: size / 512, LogicalBlock: 512, PhysicalBlock: 4096}
	if err := s.Expose(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, socket
}

func healthy(*export.Request) error { return nil }

func open(t *testing.T, socket string) *nbdclient.Client {
	t.Helper()
	c, err := nbdclient.Dial(socket, "r0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func scribble(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + random.IntN(255))
	}
	return b
}

// exercise is what a client can do with a device of size bytes.
func exercise(t *testing.T, c *nbdclient.Client) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(c.Size()).To(BeEquivalentTo(size))
	want := scribble(1, 5<<20)
	g.Expect(c.WriteAt(want, 4096)).To(Equal(len(want)))
	g.Expect(c.WriteFUA(want[:512], 0)).To(Equal(512))
	g.Expect(c.Flush()).To(Succeed())
	g.Expect(c.Zero(4096, 1<<20)).To(Succeed())
	clear(want[:1<<20])
	g.Expect(c.Trim(4096+4<<20, 4096)).To(Succeed())
	got := make([]byte, len(want))
	g.Expect(c.ReadAt(got, 4096)).To(Equal(len(want)))
	g.Expect(bytes.Equal(got[:4<<20-4096], want[:4<<20-4096])).To(BeTrue())
	n, err := c.ReadAt(got[:4096], size-512)
	g.Expect(n).To(Equal(512))
	g.Expect(err).To(MatchError(io.EOF))
	var all sync.WaitGroup
	for worker := range uint64(8) {
		all.Go(func() {
			for round := range uint64(20) {
				b := scribble(worker*100+round, 64<<10)
				if _, err := c.WriteAt(b, int64(worker)<<20); err != nil {
					t.Error(err)
				}
				again := make([]byte, len(b))
				if _, err := c.ReadAt(again, int64(worker)<<20); err != nil || !bytes.Equal(again, b) {
					t.Errorf("worker %d read something else: %v", worker, err)
				}
			}
		})
	}
	all.Wait()
}

func TestClientAndServerUnderstandEachOther(t *testing.T) {
	s, socket := serve(t, healthy)
	c := open(t, socket)
	exercise(t, c)
	g := NewWithT(t)
	g.Expect(c.BlockSize()).To(Equal(512))
	g.Expect(c.Close()).To(Succeed())
	g.Eventually(s.Users).Should(BeZero())
	g.Expect(c.Flush()).To(MatchError(nbdclient.ErrClosed))
}

func TestClientUnderstandsQemu(t *testing.T) {
	if _, err := exec.LookPath("qemu-nbd"); err != nil {
		t.Skip("needs qemu-nbd: apt-get install qemu-utils")
	}
	dir := t.TempDir()
	image, socket := filepath.Join(dir, "image"), filepath.Join(dir, "socket")
	if err := os.WriteFile(image, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	qemu := exec.CommandContext(t.Context(), "qemu-nbd", "-f", "raw", "-k", socket, "-x", "r0", "--discard=unmap", image)
	g := NewWithT(t)
	g.Expect(qemu.Start()).To(Succeed())
	defer func() { _ = qemu.Wait() }()
	var c *nbdclient.Client
	g.Eventually(func() (err error) {
		c, err = nbdclient.Dial(socket, "r0")
		return err
	}, "20s").Should(Succeed())
	exercise(t, c)
	g.Expect(c.Close()).To(Succeed()) // and qemu-nbd ends after its first client
}

func TestErrorsOfTheServerReachTheCaller(t *testing.T) {
	g := NewWithT(t)
	_, socket := serve(t, func(r *export.Request) error {
		if r.Op == replica.OpWrite {
			return unix.ENOSPC
		}
		return unix.EIO
	})
	c := open(t, socket)
	_, err := c.WriteAt(make([]byte, 4096), 8192)
	g.Expect(err).To(MatchError(nbd.ENOSPC))
	g.Expect(err).To(MatchError("write of 4096 bytes at byte 8192: no space left on device"))
	_, err = c.ReadAt(make([]byte, 4096), 8192)
	g.Expect(err).To(MatchError("read of 4096 bytes at byte 8192: input/output error"))
	g.Expect(c.Flush()).To(MatchError(nbd.EIO))
	_, err = c.ReadAt(make([]byte, 100), 0)
	g.Expect(err).To(MatchError(nbd.EINVAL))
	g.Expect(c.Trim(0, 1<<32)).To(MatchError(ContainSubstring("want 0 to 4 GiB")))
	_, err = c.WriteAt(nil, -1)
	g.Expect(err).To(MatchError("byte offset -1, want 0 or more"))
	_, err = c.ReadAt(make([]byte, 512), -512)
	g.Expect(err).To(MatchError("byte offset -512, want 0 or more"))
}

func TestAnExportThatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	_, socket := serve(t, healthy)
	_, err := nbdclient.Dial(socket, "r1")
	g.Expect(err).To(MatchError(`open export "r1": the server has no such export: the export here is "r0"`))
	_, err = nbdclient.Dial(socket+"x", "r1")
	g.Expect(err).To(MatchError(MatchRegexp(`open export "r1": dial unix .*: no such file or directory`)))
}

func TestALostServerFailsAllCalls(t *testing.T) {
	g := NewWithT(t)
	arrived, hang := make(chan bool), make(chan bool)
	s, socket := serve(t, func(*export.Request) error {
		arrived <- true
		<-hang
		return nil
	})
	c := open(t, socket)
	results := make(chan error, 3)
	for range 3 {
		go func() { results <- c.Flush() }()
	}
	for range 3 {
		<-arrived
	}
	g.Expect(s.Withdraw(true)).To(Succeed())
	for range 3 {
		g.Expect(<-results).To(MatchError(ContainSubstring("flush of 0 bytes at byte 0: read of a reply: ")))
	}
	g.Expect(c.Flush()).NotTo(Succeed())
	close(hang)
}

func TestServersThatMakeNoSense(t *testing.T) {
	const hello = "NBDMAGICIHAVEOPT\x00\x03"
	const ack = "\x00\x03\xe8\x89\x04\x55\x65\xa9\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00"
	for name, tc := range map[string]struct{ says, want string }{
		"an HTTP server":         {"HTTP/1.1 400 Bad Request", "want one of the NBD newstyle"},
		"an old one":             {"NBDMAGICIHAVEOPT\x00\x00", "want the fixed newstyle"},
		"one that hangs up":      {hello, "server's answer: EOF"},
		"one that says nothing":  {hello + ack, "the server does not say what the export is"},
		"one that babbles":       {hello + strings.Repeat("x", 100), "want one to option GO"},
		"one that wants no more": {hello[:9], "server's greeting: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			go func() {
				_, _ = server.Write([]byte(tc.says[:min(18, len(tc.says))]))
				if len(tc.says) >= 18 {
					_, _ = io.CopyN(io.Discard, server, 4+16+4+2+2+2)
					_, _ = server.Write([]byte(tc.says[18:]))
				}
				_ = server.Close()
			}()
			_, err := nbdclient.New(client, "r0")
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}
