package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
)

// user is one user of a device that is exported on a socket: one thread that
// sends as many writes as may be under way, and takes replies as they come.
type user struct {
	fd   int
	size int64 // of the device, bytes
}

// open opens the export on the socket of a Primary by the oldest option, to
// which the server answers with no more than the size and flags.
// Source: NBD protocol, section "Newstyle negotiation".
func open(socket, export string) (*user, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: socket: %w", socket, err)
	}
	u := &user{fd: fd}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
	if err == nil {
		err = u.negotiate(export)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", socket, err), unix.Close(fd))
	}
	return u, nil
}

func (u *user) negotiate(export string) error {
	var hello [18]byte
	if err := u.receive(hello[:]); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32(nil, nbd.FixedNewstyle|nbd.NoZeroes)
	b = binary.BigEndian.AppendUint64(b, nbd.OptionMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(nbd.OptionExportName))
	b = binary.BigEndian.AppendUint32(b, uint32(len(export)))
	if _, err := unix.Write(u.fd, append(b, export...)); err != nil {
		return err
	}
	var info [10]byte
	if err := u.receive(info[:]); err != nil {
		return err
	}
	u.size = int64(binary.BigEndian.Uint64(info[:]))
	return nil
}

func (u *user) receive(into []byte) error {
	for len(into) > 0 {
		n, err := unix.Read(u.fd, into)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		into = into[max(n, 0):]
	}
	return nil
}

func (u *user) close() error { return unix.Close(u.fd) }

// touch writes into every extent, so that the activity log has them all.
func (u *user) touch() error {
	l := load{block: extent, depth: 1, sequential: true}
	block := make([]byte, 4<<10)
	next := l.places(u.size)
	for range u.size / extent {
		r := nbd.Request{Command: nbd.CommandWrite, Offset: uint64(next()), Length: uint32(len(block))}
		if err := u.write([][]byte{r.Append(nil), block}); err != nil {
			return err
		}
		if err := u.receive(make([]byte, nbd.ReplySize)); err != nil {
			return err
		}
	}
	return nil
}

// extent is what one slot of the activity log stands for, in bytes.
const extent = 4 << 20

// load writes for so long.
func (u *user) load(l load, long time.Duration) (*sample, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	block := make([]byte, l.block)
	for i := range block {
		block[i] = byte(rand.Uint32())
	}
	s := &sample{}
	heads := make([][nbd.RequestSize]byte, l.depth)
	begun := make([]time.Time, l.depth)
	place := l.places(u.size)
	var out [][]byte
	send := func(i int, now time.Time) {
		begun[i] = now
		r := nbd.Request{Command: nbd.CommandWrite, Cookie: uint64(i), Offset: uint64(place()), Length: uint32(l.block)}
		out = append(out, r.Append(heads[i][:0]), block)
	}
	begin := time.Now()
	end := begin.Add(long)
	for i := range l.depth {
		send(i, begin)
	}
	in := make([]byte, nbd.ReplySize*l.depth)
	for have, under := 0, l.depth; under > 0; {
		if err := u.write(out); err != nil {
			return nil, err
		}
		out = out[:0]
		n, err := unix.Read(u.fd, in[have:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return nil, errors.Join(fmt.Errorf("reading replies ended after %d bytes", n), err)
		}
		now := time.Now()
		have += n
		at := 0
		for ; have-at >= nbd.ReplySize; at += nbd.ReplySize {
			reply, err := nbd.DecodeReply((*[nbd.ReplySize]byte)(in[at:]))
			if err == nil && reply.Error != 0 {
				err = reply.Error
			}
			if err != nil {
				return nil, fmt.Errorf("a write: %w", err)
			}
			s.took = append(s.took, now.Sub(begun[reply.Cookie]))
			if now.Before(end) {
				send(int(reply.Cookie), now)
			} else {
				under--
			}
		}
		have = copy(in, in[at:have])
	}
	s.long = time.Since(begin)
	return s, nil
}

// write writes all parts.
func (u *user) write(parts [][]byte) error {
	const most = 1024 // IOV_MAX
	for len(parts) > 0 {
		n, err := unix.Writev(u.fd, parts[:min(most, len(parts))])
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for n = max(n, 0); len(parts) > 0 && n >= len(parts[0]); parts = parts[1:] {
			n -= len(parts[0])
		}
		if n > 0 {
			parts[0] = parts[0][n:]
		}
	}
	return nil
}
