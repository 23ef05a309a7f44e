package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/driver/export/nbd"
	"github.com/optionc/pollux/daemon/driver/export/nbdclient"
	"github.com/optionc/pollux/e2e/plans/ledger"
)

// run is one life of the guest. It prints
//
//	vg start, vg stop
//	start                        it runs
//	found RUN PLACE:NUMBER ...   what it reads first; places that hold 0 are left out
//	ack PLACE NUMBER             a write was acknowledged
//	read PLACE                   a read found what it must
//	wrong TEXT                   a read found something else
//	refused TEXT                 a request failed
//	disorder TEXT                steps come in an order that is wrong
//	end TEXT                     it has ended, by order or because its device is gone
//
// Each client has places of its own and one request at a time: so it knows what
// it must read there.
type run struct {
	device *nbdclient.Client
	size   int64
	number uint32
	quit   chan struct{} // closed: begin no more requests
	over   chan struct{} // closed: it has ended
	once   sync.Once

	mu    sync.Mutex
	count uint32
}

// grace is how long requests under way may take when the guest is stopped.
const grace = 5 * time.Second

// begin starts the guest on the device as it is now.
func (h *host) begin() (*run, error) {
	device, err := nbdclient.Dial(h.socket, h.export)
	if err != nil {
		return nil, err
	}
	r := &run{device: device, size: device.Size(), quit: make(chan struct{}), over: make(chan struct{})}
	say("start")
	go r.live(h.clients, h.think)
	return r, nil
}

func (r *run) ended() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

func (r *run) quiet() { r.once.Do(func() { close(r.quit) }) }

// stop ends the guest. Requests that hang are given up.
func (r *run) stop() {
	r.quiet()
	select {
	case <-r.over:
	case <-time.After(grace):
		_ = r.device.Close()
		<-r.over
	}
}

// live is all of it.
func (r *run) live(clients int, think time.Duration) {
	defer close(r.over)
	defer func() { _ = r.device.Close() }()
	found, err := r.look()
	if err != nil {
		say("end %v", err)
		return
	}
	var working sync.WaitGroup
	ends := make(chan error, clients)
	for c := range clients {
		working.Go(func() {
			ends <- r.client(c, clients, think, found)
		})
	}
	working.Wait()
	close(ends)
	why := "by order"
	for err := range ends {
		if err != nil {
			why = err.Error()
		}
	}
	say("end %s", why)
}

// look reads all places, and says what it found.
func (r *run) look() ([]ledger.Number, error) {
	found := make([]ledger.Number, ledger.Places)
	var text strings.Builder
	for place := range found {
		n, err := r.read(place)
		for err != nil {
			if gone(err) {
				return nil, err
			}
			say("refused %v", err)
			if !r.pause(time.Second) {
				return nil, err
			}
			n, err = r.read(place)
		}
		found[place] = n
		r.number = max(r.number, n.Run())
		if n > 0 {
			fmt.Fprintf(&text, " %d:%d", place, uint64(n))
		}
	}
	// Two that run at once, on nodes that lost each other, have different numbers.
	for r.number++; int(r.number%2) != oddness(); r.number++ {
	}
	say("found %d%s", r.number, text.String())
	return found, nil
}

// oddness is 0 on one node and 1 on the other, by the end of its name.
func oddness() int {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return 0
	}
	return int(name[len(name)-1]) % 2
}

// client writes and reads its own places until the end.
func (r *run) client(c, clients int, think time.Duration, holds []ledger.Number) error {
	for r.pause(rand.N(think)) {
		place := c + clients*rand.IntN(ledger.Places/clients)
		var err error
		if rand.IntN(10) < 3 {
			err = r.check(place, holds[place])
		} else {
			err = r.write(place, &holds[place])
		}
		switch {
		case err == nil:
		case gone(err):
			return err
		default:
			say("refused %v", err)
		}
	}
	return nil
}

// unknown is what a place holds after a write that failed.
const unknown = ^ledger.Number(0)

func (r *run) write(place int, holds *ledger.Number) error {
	r.mu.Lock()
	r.count++
	n := ledger.NewNumber(r.number, r.count)
	r.mu.Unlock()
	p := make([]byte, ledger.PlaceSize)
	ledger.Fill(p, place, n)
	write := r.device.WriteAt
	if rand.IntN(8) == 0 {
		write = r.device.WriteFUA
	}
	*holds = unknown
	if _, err := write(p, ledger.Offset(place, r.size)); err != nil {
		return err
	}
	*holds = n
	say("ack %d %d", place, uint64(n))
	return nil
}

func (r *run) check(place int, want ledger.Number) error {
	n, err := r.read(place)
	if err != nil {
		return err
	}
	if want != unknown && n != want {
		say("wrong place %d holds write %v, want %v", place, n, want)
		return nil
	}
	say("read %d", place)
	return nil
}

func (r *run) read(place int) (ledger.Number, error) {
	p := make([]byte, ledger.PlaceSize)
	if _, err := r.device.ReadAt(p, ledger.Offset(place, r.size)); err != nil {
		return 0, err
	}
	n, err := ledger.Oldest(p, place)
	if err != nil {
		say("wrong %v", err)
	}
	return n, nil
}

// pause waits; false says that no more requests are wanted.
func (r *run) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.quit:
		return false
	}
}

// gone tells whether the device is there no more: else it has answered, with an
// error.
func gone(err error) bool {
	_, answered := errors.AsType[nbd.ReplyError](err)
	return !answered
}
