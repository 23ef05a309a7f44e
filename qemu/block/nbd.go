package block

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Values of the NBD protocol. Source: The NBD Protocol (NetworkBlockDevice/nbd,
// doc/proto.md), fixed newstyle negotiation, simple replies.
const (
	magicInit   = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption = 0x49484156454f5054 // "IHAVEOPT"
	magicAnswer = 0x3e889045565a9
	magicAsk    = 0x25609513
	magicReply  = 0x67446698

	handshakeFixed, handshakeNoZeroes = 1, 2

	optionExport, optionAbort, optionInfo, optionGo = 1, 2, 6, 7

	answerAck, answerInfo   = 1, 3
	answerUnsupported       = 1<<31 + 1
	infoExport              = 0
	hasFlags, sendFlush     = 1 << 0, 1 << 2
	sendFUA, sendTrim       = 1 << 3, 1 << 5
	sendZeroes              = 1 << 6
	exportFlags             = hasFlags | sendFlush | sendFUA | sendTrim | sendZeroes
	maxRequest              = 32 << 20
	flagFUA                 = 1
	errIO, errInvalid       = 5, 22
	cmdRead, cmdWrite       = 0, 1
	cmdDisconnect, cmdFlush = 2, 3
	cmdTrim, cmdZeroes      = 4, 6
)

// errCommand answers a request of an unknown kind.
var errCommand = errors.New("NBD command: not known here")

// server is who uses a disk at the moment.
type server struct {
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]chan struct{} // closed when its requests are done
}

// Serve offers the disk on a unix socket of that name until Close. One machine
// after the other may use it.
func (d *Disk) Serve(socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("disk on %s: %w", socket, err)
	}
	d.server.mu.Lock()
	d.server.listener, d.server.conns = l, map[net.Conn]chan struct{}{}
	d.server.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done := make(chan struct{})
			d.server.mu.Lock()
			d.server.conns[c] = done
			d.server.mu.Unlock()
			go func() {
				defer close(done)
				// An error ends the connection, and QEMU tells its guest.
				_ = d.serve(c)
				_ = c.Close()
				d.server.mu.Lock()
				delete(d.server.conns, c)
				d.server.mu.Unlock()
			}()
		}
	}()
	return nil
}

// Close ends serving; the content stays.
func (d *Disk) Close() error {
	d.server.mu.Lock()
	l := d.server.listener
	d.server.listener = nil
	d.server.mu.Unlock()
	if l == nil {
		return nil
	}
	err := l.Close()
	d.goOn(true)
	d.server.hangUp()
	return err
}

// hangUp ends all connections and waits until nothing of them is under way.
func (s *server) hangUp() {
	s.mu.Lock()
	var done []chan struct{}
	for c, d := range s.conns {
		_ = c.Close()
		done = append(done, d)
	}
	s.mu.Unlock()
	for _, d := range done {
		<-d
	}
}

func (d *Disk) serve(c net.Conn) error {
	r, w := bufio.NewReaderSize(c, 256<<10), bufio.NewWriterSize(c, 256<<10)
	if err := d.negotiate(r, w); err != nil {
		return err
	}
	for {
		// A batch of requests is answered at once, when no more wait.
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if err := d.request(r, w); err != nil {
			return err
		}
	}
}

// negotiate talks until the machine has chosen the disk; there is one, under
// every name.
func (d *Disk) negotiate(r io.Reader, w *bufio.Writer) error {
	hello := binary.BigEndian.AppendUint64(nil, magicInit)
	hello = binary.BigEndian.AppendUint64(hello, magicOption)
	hello = binary.BigEndian.AppendUint16(hello, handshakeFixed|handshakeNoZeroes)
	if err := flushed(w, hello); err != nil {
		return err
	}
	var flags [4]byte
	if _, err := io.ReadFull(r, flags[:]); err != nil {
		return err
	}
	for {
		var head [16]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		if m := binary.BigEndian.Uint64(head[:]); m != magicOption {
			return fmt.Errorf("NBD option: magic %x, want %x", m, uint64(magicOption))
		}
		option, n := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
		if n > 4096 {
			return fmt.Errorf("NBD option %d: %d bytes, want at most 4096", option, n)
		}
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return err
		}
		chosen, err := d.option(w, option, flags[3]&handshakeNoZeroes != 0)
		if chosen || err != nil {
			return err
		}
	}
}

// option answers one; chosen says that requests follow.
func (d *Disk) option(w *bufio.Writer, option uint32, noZeroes bool) (chosen bool, err error) {
	export := binary.BigEndian.AppendUint64(nil, uint64(d.Size()))
	export = binary.BigEndian.AppendUint16(export, exportFlags)
	switch option {
	case optionExport:
		if !noZeroes {
			export = append(export, make([]byte, 124)...)
		}
		return true, flushed(w, export)
	case optionGo, optionInfo:
		info := append(binary.BigEndian.AppendUint16(nil, infoExport), export...)
		reply := appendAnswer(nil, option, answerInfo, info)
		return option == optionGo, flushed(w, appendAnswer(reply, option, answerAck, nil))
	case optionAbort:
		_ = flushed(w, appendAnswer(nil, option, answerAck, nil))
		return false, io.EOF
	default:
		return false, flushed(w, appendAnswer(nil, option, answerUnsupported, nil))
	}
}

func appendAnswer(dst []byte, option, kind uint32, data []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, magicAnswer)
	dst = binary.BigEndian.AppendUint32(dst, option)
	dst = binary.BigEndian.AppendUint32(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(data)))
	return append(dst, data...)
}

func flushed(w *bufio.Writer, p []byte) error {
	if _, err := w.Write(p); err != nil {
		return err
	}
	return w.Flush()
}

// request carries out one request. An error is of the connection; the disk's
// own are answered.
func (d *Disk) request(r io.Reader, w *bufio.Writer) error {
	var head [28]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if m := binary.BigEndian.Uint32(head[:]); m != magicAsk {
		return fmt.Errorf("NBD request: magic %x, want %x", m, magicAsk)
	}
	durable := binary.BigEndian.Uint16(head[4:])&flagFUA != 0
	command := binary.BigEndian.Uint16(head[6:])
	off, n := int64(binary.BigEndian.Uint64(head[16:])), int64(binary.BigEndian.Uint32(head[24:]))
	if n > maxRequest && command <= cmdWrite {
		return fmt.Errorf("NBD request %d: %d bytes, want at most %d", command, n, maxRequest)
	}
	var data, content []byte
	if command == cmdWrite {
		content = make([]byte, n)
		if _, err := io.ReadFull(r, content); err != nil {
			return err
		}
	}
	err := d.await()
	if err != nil {
		return err
	}
	switch command {
	case cmdRead:
		data = make([]byte, n)
		_, err = d.ReadAt(data, off)
	case cmdWrite:
		err = d.write(content, n, off, durable)
	case cmdFlush:
		d.flush()
	case cmdTrim, cmdZeroes:
		err = d.write(nil, n, off, durable)
	case cmdDisconnect:
		return io.EOF
	default:
		err = errCommand
	}
	reply := binary.BigEndian.AppendUint32(nil, magicReply)
	reply = binary.BigEndian.AppendUint32(reply, errorNumber(err))
	reply = append(reply, head[8:16]...)
	if _, failed := w.Write(reply); failed != nil {
		return failed
	}
	if err == nil {
		_, err = w.Write(data)
		return err
	}
	return nil
}

// errorNumber is what the machine is told: the disk's errors are I/O errors,
// unless the request could never succeed.
func errorNumber(err error) uint32 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errCommand):
		return errInvalid
	default:
		return errIO
	}
}
