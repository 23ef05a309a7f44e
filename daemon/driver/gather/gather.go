// Package gather writes many pieces of memory to a socket by one system call
// that does not wait: what a goroutine uses that must not be kept, to save
// waking another one.
package gather

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// most is how many pieces one call takes. Source: writev(2), IOV_MAX.
const most = 1024

// Writer writes to one socket. Its methods must be called by one goroutine at
// a time.
type Writer struct {
	raw     syscall.RawConn
	vectors []unix.Iovec
	attempt func(fd uintptr)
	written int
}

// New makes a Writer; nil if the socket is none of the kernel's.
func New(socket net.Conn) *Writer {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	w := &Writer{raw: raw}
	w.attempt = w.write
	return w
}

// Write writes as much as the socket takes at once, and returns the pieces that
// are left: the first may have been cut. Why there are any is for the one to
// find out who writes them and waits.
func (w *Writer) Write(pieces [][]byte) [][]byte {
	w.vectors = w.vectors[:0]
	for _, p := range pieces[:min(most, len(pieces))] {
		v := unix.Iovec{Base: unsafe.SliceData(p)}
		v.SetLen(len(p))
		w.vectors = append(w.vectors, v)
	}
	w.written = 0
	if len(w.vectors) == 0 || w.raw.Control(w.attempt) != nil {
		return pieces
	}
	n := w.written
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces[0] = pieces[0][n:]
	}
	clear(w.vectors) // the memory is not ours
	return pieces
}

func (w *Writer) write(fd uintptr) {
	n, _, errno := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(w.vectors))), uintptr(len(w.vectors)))
	if errno == 0 {
		w.written = int(n)
	}
}
