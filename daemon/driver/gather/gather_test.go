package gather_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/gather"
)

// sockets gives the two ends of a connection.
func sockets(t *testing.T) (near, far net.Conn) {
	t.Helper()
	g := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = l.Close() }()
	near, err = net.Dial("tcp", l.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	far, err = l.Accept()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestPiecesLeaveInTheirOrder(t *testing.T) {
	g := NewWithT(t)
	near, far := sockets(t)
	w := gather.New(near)
	g.Expect(w.Write([][]byte{[]byte("head"), {}, []byte("body")})).To(BeEmpty())
	g.Expect(w.Write(nil)).To(BeEmpty())
	got := make([]byte, 8)
	g.Expect(io.ReadFull(far, got)).To(Equal(8))
	g.Expect(string(got)).To(Equal("headbody"))
}

func TestWhatASocketDoesNotTakeIsLeft(t *testing.T) {
	g := NewWithT(t)
	near, far := sockets(t)
	w := gather.New(near)
	block := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	var sent, left [][]byte
	for len(left) == 0 {
		g.Expect(len(sent)).To(BeNumerically("<", 4096), "the socket takes 256 MiB")
		sent = append(sent, block)
		left = w.Write([][]byte{block})
	}
	g.Expect(w.Write(left)).NotTo(BeEmpty(), "a full socket takes nothing, and keeps nobody")
	go func() {
		all := net.Buffers(left)
		_, _ = all.WriteTo(near) // what came is looked at
		_ = near.Close()
	}()
	got, err := io.ReadAll(far)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(got, bytes.Join(sent, nil))).To(BeTrue(), "the same bytes come")
}

func TestAClosedSocketTakesNothing(t *testing.T) {
	g := NewWithT(t)
	near, _ := sockets(t)
	w := gather.New(near)
	g.Expect(near.Close()).To(Succeed())
	g.Expect(w.Write([][]byte{[]byte("late")})).To(HaveLen(1))
}

func TestNotEverythingIsASocketOfTheKernels(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	NewWithT(t).Expect(gather.New(near)).To(BeNil())
}

func TestWriteAllocatesNothing(t *testing.T) {
	near, far := sockets(t)
	w := gather.New(near)
	pieces := [][]byte{[]byte("head"), []byte("body")}
	got := make([]byte, 8)
	NewWithT(t).Expect(testing.AllocsPerRun(100, func() {
		if len(w.Write(pieces)) > 0 {
			t.Fatal("the socket is full")
		}
		if _, err := io.ReadFull(far, got); err != nil {
			t.Fatal(err)
		}
	})).To(BeZero())
}
