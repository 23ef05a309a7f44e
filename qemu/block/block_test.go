package block_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/qemu/block"
)

// client is an NBD client that does as little as it can.
type client struct {
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, d *block.Disk) client {
	t.Helper()
	g := NewWithT(t)
	socket := filepath.Join(t.TempDir(), "nbd")
	g.Expect(d.Serve(socket)).To(Succeed())
	t.Cleanup(func() { _ = d.Close() })
	c, err := net.Dial("unix", socket)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	hello := make([]byte, 18)
	_, err = io.ReadFull(c, hello)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(hello[:16])).To(Equal("NBDMAGICIHAVEOPT"))
	_, err = c.Write([]byte("\x00\x00\x00\x03" + "IHAVEOPT" + "\x00\x00\x00\x01" + "\x00\x00\x00\x00"))
	g.Expect(err).NotTo(HaveOccurred())
	export := make([]byte, 10)
	_, err = io.ReadFull(c, export)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(int64(binary.BigEndian.Uint64(export))).To(Equal(d.Size()))
	return client{t, c}
}

// ask sends a request and is its error number and what was read.
func (c client) ask(command, flags uint16, off int64, n int, data []byte) (uint32, []byte) {
	c.t.Helper()
	g := NewWithT(c.t)
	p := binary.BigEndian.AppendUint32(nil, 0x25609513)
	p = binary.BigEndian.AppendUint16(p, flags)
	p = binary.BigEndian.AppendUint16(p, command)
	p = append(p, "cookie-8"...)
	p = binary.BigEndian.AppendUint64(p, uint64(off))
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	_, err := c.conn.Write(append(p, data...))
	g.Expect(err).NotTo(HaveOccurred())
	reply := make([]byte, 16)
	_, err = io.ReadFull(c.conn, reply)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(reply[8:])).To(Equal("cookie-8"))
	number := binary.BigEndian.Uint32(reply[4:])
	if command != 0 || number != 0 {
		return number, nil
	}
	read := make([]byte, n)
	_, err = io.ReadFull(c.conn, read)
	g.Expect(err).NotTo(HaveOccurred())
	return 0, read
}

const (
	read, write, flush, zeroes = 0, 1, 3, 6
	fua                        = 1
)

func TestPowerLoss(t *testing.T) {
	a, b := bytes.Repeat([]byte("A"), 1024), bytes.Repeat([]byte("B"), 1024)
	for name, tc := range map[string]struct {
		after func(c client)
		want  []byte
	}{
		"what was flushed stays, what was not is lost": {
			after: func(c client) {
				c.ask(write, 0, 0, 1024, a)
				c.ask(flush, 0, 0, 0, nil)
				c.ask(write, 0, 0, 1024, b)
			},
			want: a,
		},
		"what was written through stays": {
			after: func(c client) { c.ask(write, fua, 0, 1024, b) },
			want:  b,
		},
		"zeroes need a flush too": {
			after: func(c client) {
				c.ask(write, fua, 0, 1024, a)
				c.ask(zeroes, 0, 0, 512, nil)
			},
			want: a,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := block.New(1 << 20)
			tc.after(dial(t, d))
			d.PowerLoss(block.Nothing)
			g.Expect(d.Unflushed()).To(BeZero())
			got := make([]byte, 1024)
			g.Expect(d.ReadAt(got, 0)).To(Equal(1024))
			g.Expect(got).To(Equal(tc.want))
		})
	}
}

func TestPowerLossHangsUp(t *testing.T) {
	g := NewWithT(t)
	d := block.New(1 << 20)
	c := dial(t, d)
	d.PowerLoss(block.Nothing)
	_, err := c.conn.Read(make([]byte, 1))
	g.Expect(errors.Is(err, io.EOF)).To(BeTrue(), "%v", err)
}

func TestBecome(t *testing.T) {
	g := NewWithT(t)
	a, b := bytes.Repeat([]byte("A"), 512), bytes.Repeat([]byte("B"), 512)
	then, d := block.New(4096), block.New(4096)
	g.Expect(then.WriteAt(a, 512)).Error().NotTo(HaveOccurred())
	g.Expect(d.WriteAt(b, 0)).Error().NotTo(HaveOccurred())
	d.Fail(0, 8)
	d.Become(then)
	g.Expect(then.WriteAt(b, 512)).Error().NotTo(HaveOccurred())
	now := make([]byte, 1024)
	g.Expect(d.ReadAt(now, 0)).To(Equal(1024))
	g.Expect(now).To(Equal(append(make([]byte, 512), a...)))
	g.Expect(d.Unflushed()).To(Equal(1), "its cache included")
}

func TestHang(t *testing.T) {
	content := bytes.Repeat([]byte("A"), 512)
	for name, tc := range map[string]struct {
		end  func(d *block.Disk)
		want []byte
	}{
		"what waits is carried out later":   {func(d *block.Disk) { d.Heal() }, content},
		"what waits is lost with the power": {func(d *block.Disk) { d.PowerLoss(block.Nothing) }, make([]byte, 512)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := block.New(1 << 20)
			c := dial(t, d)
			d.Slow(time.Millisecond)
			d.Hang()
			request := binary.BigEndian.AppendUint32(nil, 0x25609513)
			request = binary.BigEndian.AppendUint16(request, fua)
			request = binary.BigEndian.AppendUint16(request, write)
			request = append(request, make([]byte, 8+8)...)
			request = binary.BigEndian.AppendUint32(request, 512)
			g.Expect(c.conn.Write(append(request, content...))).Error().NotTo(HaveOccurred())
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				_, _ = c.conn.Read(make([]byte, 16))
			}()
			g.Consistently(answered).WithTimeout(50 * time.Millisecond).ShouldNot(BeClosed())
			tc.end(d)
			g.Eventually(answered).WithTimeout(time.Minute).Should(BeClosed())
			now := make([]byte, 512)
			g.Expect(d.ReadAt(now, 0)).To(Equal(512))
			g.Expect(now).To(Equal(tc.want))
		})
	}
}

func TestFaults(t *testing.T) {
	g := NewWithT(t)
	d := block.New(1 << 20)
	c := dial(t, d)
	number := func(command uint16, off int64) uint32 {
		n, _ := c.ask(command, 0, off, 512, map[uint16][]byte{write: make([]byte, 512)}[command])
		return n
	}
	d.Fail(8, 2)
	g.Expect(number(read, 7*512)).To(BeZero())
	g.Expect(number(read, 8*512)).To(Equal(uint32(5)))
	g.Expect(number(write, 9*512)).To(Equal(uint32(5)))
	g.Expect(number(write, 10*512)).To(BeZero())
	d.Heal()
	g.Expect(number(read, 8*512)).To(BeZero())
	d.MakeBad(20, 1)
	g.Expect(number(read, 20*512)).To(Equal(uint32(5)))
	g.Expect(number(write, 20*512)).To(BeZero())
	_, content := c.ask(read, 0, 20*512, 512, nil)
	g.Expect(content).To(Equal(make([]byte, 512)))
	g.Expect(number(read, d.Size())).To(Equal(uint32(5)))
	g.Expect(number(99, 0)).To(Equal(uint32(22)))
}
