package host

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bound is what no replicator can beat: lanes that each write a block to the
// own disk while they send it over TCP to somebody who writes it to the other
// disk and says so in 16 bytes. Without a second disk it is what one disk can
// do. Nothing is kept in order, nothing is on record, nobody checks anything.
type bound struct {
	own, other int // descriptors; other is -1 for one disk alone
	size       int64
	protocol   byte
}

func openDisk(path string) (int, int64, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0, &net.OpError{Op: "open", Net: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return -1, 0, errors.Join(err, unix.Close(fd))
	}
	return fd, stat.Size, nil
}

func closeDisk(fd int) error { return unix.Close(fd) }

// load writes for so long.
func (b bound) load(l load, long time.Duration) (*sample, error) {
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	var peers, lanes sync.WaitGroup
	if b.other >= 0 {
		for range l.depth {
			near, far, err := tcpPair()
			if err != nil {
				return nil, err
			}
			conns = append(conns, near, far)
			peers.Go(func() { b.peer(l, far) })
		}
	}
	results := make([]*sample, l.depth)
	errs := make([]error, l.depth)
	place := l.places(b.size)
	var mu sync.Mutex
	next := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return place()
	}
	begin := time.Now()
	for i := range l.depth {
		var conn net.Conn
		if b.other >= 0 {
			conn = conns[2*i]
		}
		lanes.Go(func() { results[i], errs[i] = b.lane(l, conn, next, begin.Add(long)) })
	}
	lanes.Wait()
	all := &sample{long: time.Since(begin)}
	for _, s := range results {
		if s != nil {
			all.took = append(all.took, s.took...)
		}
	}
	for _, c := range conns {
		_ = c.Close()
	}
	peers.Wait()
	return all, errors.Join(errs...)
}

// lane writes one block after the other.
func (b bound) lane(l load, conn net.Conn, next func() int64, end time.Time) (*sample, error) {
	s := &sample{}
	message := aligned(l.block + pageSize)[pageSize-8:]
	var ack [16]byte
	for now := time.Now(); now.Before(end); {
		offset := next()
		if conn != nil {
			*(*int64)(unsafe.Pointer(&message[0])) = offset
			if _, err := conn.Write(message[:8+l.block]); err != nil {
				return s, err
			}
		}
		if err := b.store(b.own, message[8:8+l.block], offset); err != nil {
			return s, err
		}
		if conn != nil && b.protocol != 'A' {
			if _, err := io.ReadFull(conn, ack[:]); err != nil {
				return s, err
			}
		}
		done := time.Now()
		s.took = append(s.took, done.Sub(now))
		now = done
	}
	return s, nil
}

// peer is the other end of a lane.
func (b bound) peer(l load, conn net.Conn) {
	message := aligned(l.block + pageSize)[pageSize-8:][:8+l.block]
	var ack [16]byte
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		offset := *(*int64)(unsafe.Pointer(&message[0]))
		if b.protocol == 'B' {
			_, _ = conn.Write(ack[:]) // the lane notices if it is gone
		}
		if b.store(b.other, message[8:], offset) != nil {
			return
		}
		if b.protocol == 'C' {
			_, _ = conn.Write(ack[:])
		}
	}
}

// store writes as the protocol promises: through to the disk in C.
func (b bound) store(fd int, block []byte, offset int64) error {
	flags := 0
	if b.protocol == 'C' {
		flags = unix.RWF_DSYNC
	}
	_, err := unix.Pwritev2(fd, [][]byte{block}, offset, flags)
	return err
}

// aligned is memory as O_DIRECT wants it.
func aligned(size int) []byte {
	b := make([]byte, size+pageSize)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (pageSize - 1)
	return b[skip : skip+size]
}

func tcpPair() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = l.Close() }()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.Accept(); err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, far, nil
}
