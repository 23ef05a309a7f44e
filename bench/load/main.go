// Command load writes blocks to random places of a device past the page cache,
// so many at a time, for so long, and prints a Result. It asks the kernel for
// several writes at once as databases do (io_submit), from one thread.
//
//	load DEVICE DEPTH SECONDS BLOCKSIZE
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Result is what load prints.
type Result struct {
	Writes  int     `json:"writes"`
	Seconds float64 `json:"seconds"`
	Busy    float64 `json:"busy-seconds"` // of all processors, whatever ran
	P50     float64 `json:"p50-us"`       // of one write, in µs
	P99     float64 `json:"p99-us"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("found %d arguments, want a device, a depth, seconds and the size of a block", len(args))
	}
	var number [3]int
	for i, a := range args[1:] {
		n, err := strconv.Atoi(a)
		if err != nil || n < 1 {
			return fmt.Errorf("argument %q: want a number from 1", a)
		}
		number[i] = n
	}
	q, err := newQueue(args[0], number[0], number[2])
	if err != nil {
		return err
	}
	if err := q.write(200 * time.Millisecond); err != nil { // what is slow only the first time
		return err
	}
	q.took = q.took[:0]
	idle, err := idleTime()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := q.write(time.Duration(number[1]) * time.Second); err != nil {
		return err
	}
	r := Result{Writes: len(q.took), Seconds: time.Since(begin).Seconds()}
	rested, err := idleTime()
	if err != nil {
		return err
	}
	r.Busy = r.Seconds*float64(runtime.NumCPU()) - (rested - idle)
	slices.Sort(q.took)
	at := func(percent int) float64 { return q.took[len(q.took)*percent/100].Seconds() * 1e6 }
	r.P50, r.P99 = at(50), at(99)
	return json.NewEncoder(os.Stdout).Encode(r)
}

// idleTime is how long all processors had nothing to do since boot, in seconds:
// also while somebody waited for a disk. Source: proc(5), /proc/stat, fields 4
// and 5 of the first line, in hundredths of a second.
func idleTime() (seconds float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system, idle, waiting float64
	_, err = fmt.Sscanf(string(text), "cpu %f %f %f %f %f", &user, &nice, &system, &idle, &waiting)
	return (idle + waiting) / 100, err
}

// control is one request. Source: io_submit(2), struct iocb.
type control struct {
	data   uint64
	_      uint64
	opcode uint16
	_      int16
	fd     uint32
	buf    uintptr
	bytes  uint64
	offset int64
	_, _   uint64 // reserved; flags and event descriptor
}

// event is one answer. Source: io_getevents(2), struct io_event.
type event struct {
	data, control uint64
	result        int64
	_             int64
}

// opWrite is IOCB_CMD_PWRITE.
const opWrite = 1

// queue is a device with some writes under way.
type queue struct {
	device   *os.File
	blocks   int64 // of the device
	size     int   // of a block, bytes
	context  uintptr
	controls []control
	begun    []time.Time
	took     []time.Duration
	events   []event
	due      []*control
}

func newQueue(name string, depth, size int) (*queue, error) {
	device, err := os.OpenFile(name, os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	end, err := device.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	q := &queue{
		device: device, blocks: end / int64(size), size: size, controls: make([]control, depth),
		begun: make([]time.Time, depth), events: make([]event, depth), took: make([]time.Duration, 0, 1<<20),
	}
	buffer, err := unix.Mmap(-1, 0, depth*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	for i := range buffer {
		buffer[i] = byte(rand.Uint32())
	}
	if _, _, e := unix.Syscall(unix.SYS_IO_SETUP, uintptr(depth), uintptr(unsafe.Pointer(&q.context)), 0); e != 0 {
		return nil, fmt.Errorf("io_setup: %w", e)
	}
	for i := range q.controls {
		q.controls[i] = control{
			data: uint64(i), opcode: opWrite, fd: uint32(device.Fd()),
			buf: uintptr(unsafe.Pointer(&buffer[i*size])), bytes: uint64(size),
		}
	}
	return q, nil
}

// write keeps all writes under way until the time is over, and waits for the
// last.
func (q *queue) write(long time.Duration) error {
	end := time.Now().Add(long)
	for i := range q.controls {
		q.prepare(i, time.Now())
	}
	for under := len(q.controls); under > 0; {
		if err := q.submit(); err != nil {
			return err
		}
		n, err := q.wait()
		if err != nil {
			return err
		}
		now := time.Now()
		for _, e := range q.events[:n] {
			if e.result != int64(q.size) {
				return fmt.Errorf("a write returned %d, want %d", e.result, q.size)
			}
			q.took = append(q.took, now.Sub(q.begun[e.data]))
			if now.Before(end) {
				q.prepare(int(e.data), now)
			} else {
				under--
			}
		}
	}
	return nil
}

func (q *queue) prepare(i int, now time.Time) {
	c := &q.controls[i]
	c.offset = rand.Int64N(q.blocks) * int64(q.size)
	q.begun[i] = now
	q.due = append(q.due, c)
}

func (q *queue) submit() error {
	for len(q.due) > 0 {
		n, _, e := unix.Syscall(unix.SYS_IO_SUBMIT, q.context, uintptr(len(q.due)), uintptr(unsafe.Pointer(&q.due[0])))
		if e != 0 && !errors.Is(e, unix.EINTR) && !errors.Is(e, unix.EAGAIN) {
			return fmt.Errorf("io_submit: %w", e)
		}
		if e == 0 {
			q.due = q.due[:copy(q.due, q.due[n:])]
		}
	}
	runtime.KeepAlive(q.controls)
	return nil
}

func (q *queue) wait() (int, error) {
	for {
		n, _, e := unix.Syscall6(unix.SYS_IO_GETEVENTS, q.context, 1, uintptr(len(q.events)),
			uintptr(unsafe.Pointer(&q.events[0])), 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if !errors.Is(e, unix.EINTR) {
			return 0, fmt.Errorf("io_getevents: %w", e)
		}
	}
}
