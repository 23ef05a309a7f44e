// Package cable is the network between test machines: a switch whose every way
// from one port to another is a faults/link on the real clock, with its
// latency, loss, rate and cuts. Machines are plugged in by QEMU's
// `-netdev stream` over unix sockets, one a port; a machine that dies and comes
// back is plugged in again.
package cable

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/optionc/pollux/faults/draw"
	"github.com/optionc/pollux/faults/link"
)

// queued is how many frames are on one way at most; more are lost, as in a
// router whose buffer is full.
const queued = 16384

// maxFrame bounds a frame's length in bytes.
const maxFrame = 64 << 10

// Switch joins machines.
type Switch struct {
	start time.Time
	ports map[string]*port

	mu     sync.Mutex
	ways   map[[2]string]*way
	closed bool
}

// port is where one machine is plugged in.
type port struct {
	name     string
	socket   string
	listener net.Listener
	out      chan []byte // frames on their way into the machine

	mu   sync.Mutex
	conn net.Conn
	done chan struct{}
}

// way is one direction between two ports. Frames wait in it for their arrival.
type way struct {
	link   link.Direction
	luck   *draw.Stream
	loses  map[Protocol]bool
	frames frames
	wake   chan struct{}
	lost   int
	passed int
}

// New is a switch with a port for each name; its sockets are made in dir, and
// its luck depends on seed alone.
func New(dir string, seed uint64, names ...string) (*Switch, error) {
	s := &Switch{start: time.Now(), ports: map[string]*port{}, ways: map[[2]string]*way{}}
	for _, name := range names {
		socket := filepath.Join(dir, "cable-"+name)
		l, err := net.Listen("unix", socket)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("port %s of the switch: %w", name, err), s.Close())
		}
		s.ports[name] = &port{
			name: name, socket: socket, listener: l, out: make(chan []byte, queued), done: make(chan struct{}),
		}
	}
	for _, from := range names {
		for _, to := range names {
			if from != to {
				w := &way{luck: draw.New(seed, from+">"+to), loses: map[Protocol]bool{}, wake: make(chan struct{}, 1)}
				s.ways[[2]string{from, to}] = w
				go s.carry(w, s.ports[to])
			}
		}
	}
	for _, p := range s.ports {
		go s.accept(p)
		go p.deliver()
	}
	return s, nil
}

// Socket is what the machine at that port connects its network card to.
func (s *Switch) Socket(name string) string { return s.ports[name].socket }

// Way changes how frames go from one port to another, from now on.
func (s *Switch) Way(from, to string, change func(d *link.Direction)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.ways[[2]string{from, to}].link)
}

// Lose makes a way lose all packets of a protocol, or pass them again: as if
// each protocol had a wire of its own.
func (s *Switch) Lose(from, to string, p Protocol, lose bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ways[[2]string{from, to}].loses[p] = lose
}

// Both changes both ways between two ports.
func (s *Switch) Both(a, b string, change func(d *link.Direction)) {
	s.Way(a, b, change)
	s.Way(b, a, change)
}

// Heal ends the cuts of both ways between two ports.
func (s *Switch) Heal(a, b string) {
	s.Both(a, b, func(d *link.Direction) { d.Heal(s.now()) })
}

// Passed is how many frames have gone from one port to another, and how many
// were lost on the way.
func (s *Switch) Passed(from, to string) (passed, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.ways[[2]string{from, to}]
	return w.passed, w.lost
}

// Close unplugs all machines.
func (s *Switch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	for _, p := range s.ports {
		err = errors.Join(err, p.listener.Close())
		p.plug(nil)
		close(p.done)
	}
	return err
}

func (s *Switch) now() time.Duration { return time.Since(s.start) }

func (s *Switch) accept(p *port) {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.plug(c)
		go s.listen(p, c)
	}
}

// plug connects the port; who was plugged in before is not any more.
func (p *port) plug(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
	}
	p.conn = c
}

// listen takes a machine's frames until it is unplugged.
func (s *Switch) listen(p *port, c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > maxFrame {
			return
		}
		frame := make([]byte, 4+n)
		copy(frame, head[:])
		if _, err := io.ReadFull(c, frame[4:]); err != nil {
			return
		}
		s.send(p.name, frame)
	}
}

// send puts a frame on the ways to all other ports: machines ignore what is
// not for them.
func (s *Switch) send(from string, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var arrivals []time.Duration
	for ends, w := range s.ways {
		if ends[0] != from {
			continue
		}
		arrivals = w.link.Datagram(s.now(), len(frame)-4, w.luck, arrivals[:0])
		if w.loses[protocolOf(frame[4:])] {
			arrivals = arrivals[:0]
		}
		if len(arrivals) == 0 || len(w.frames) >= queued {
			w.lost++
			continue
		}
		for _, at := range arrivals {
			w.passed++
			heap.Push(&w.frames, arriving{at: at, number: w.passed, frame: frame})
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// carry hands a way's frames to its port when they arrive.
func (s *Switch) carry(w *way, to *port) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.wake:
		case <-timer.C:
		case <-to.done:
			return
		}
		s.mu.Lock()
		for len(w.frames) > 0 && w.frames[0].at <= s.now() {
			a := heap.Pop(&w.frames).(arriving)
			select {
			case to.out <- a.frame:
			default:
				w.lost++
			}
		}
		if len(w.frames) > 0 {
			timer.Reset(w.frames[0].at - s.now())
		}
		s.mu.Unlock()
	}
}

// deliver writes frames to the machine. While it is paused they wait; while
// there is none they are lost.
func (p *port) deliver() {
	for {
		select {
		case frame := <-p.out:
			p.mu.Lock()
			c := p.conn
			p.mu.Unlock()
			if c != nil {
				// A machine that died takes no more frames.
				_, _ = c.Write(frame)
			}
		case <-p.done:
			return
		}
	}
}

// arriving is a frame, its length before it, and when it arrives.
type arriving struct {
	at     time.Duration
	number int // of equal times, the first sent arrives first
	frame  []byte
}

// frames is a heap by arrival.
type frames []arriving

func (f frames) Len() int { return len(f) }

func (f frames) Less(i, j int) bool {
	if f[i].at != f[j].at {
		return f[i].at < f[j].at
	}
	return f[i].number < f[j].number
}

func (f frames) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

// Push is for package heap.
func (f *frames) Push(a any) { *f = append(*f, a.(arriving)) }

// Pop is for package heap.
func (f *frames) Pop() any {
	last := len(*f) - 1
	a := (*f)[last]
	*f = (*f)[:last]
	return a
}
