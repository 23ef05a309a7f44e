// Command writer writes to a block device until it is told to end by SIGTERM:
// several jobs, each with a place of its own, past the page cache, every fourth
// time through all caches. Then it reads all back, and prints a Report.
//
//	writer DEVICE JOBS
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Report is what the writer prints.
type Report struct {
	Writes      int     `json:"writes"` // that succeeded
	Errors      int     `json:"errors"`
	FirstError  string  `json:"first-error,omitempty"`
	WorstSecond float64 `json:"worst-second"` // the longest write
	Lost        int     `json:"lost"`         // places without the last record written there
}

const (
	recordSize = 4096
	places     = 64 // of each job
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "writer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("found %d arguments, want a device and a number of jobs", len(args))
	}
	jobs, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	device, err := os.OpenFile(args[0], os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	durable, err := os.OpenFile(args[0], os.O_RDWR|unix.O_DIRECT|unix.O_DSYNC, 0)
	if err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	var over atomic.Bool
	go func() { <-end; over.Store(true) }()
	var all sync.WaitGroup
	list := make([]*job, jobs)
	for i := range list {
		list[i] = newJob(device, durable, int64(i))
		all.Go(func() { list[i].write(&over) })
	}
	all.Wait()
	var r Report
	for _, j := range list {
		j.check()
		r.add(&j.Report)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (r *Report) add(j *Report) {
	r.Writes += j.Writes
	r.Errors += j.Errors
	r.Lost += j.Lost
	r.WorstSecond = max(r.WorstSecond, j.WorstSecond)
	if r.FirstError == "" {
		r.FirstError = j.FirstError
	}
}

// job is one writer of records. A record names its place and number.
type job struct {
	Report
	device, durable *os.File
	start           int64 // bytes
	buffer          []byte
	last            [places]uint64
}

func newJob(device, durable *os.File, index int64) *job {
	buffer, err := unix.Mmap(-1, 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		panic(err)
	}
	return &job{device: device, durable: durable, start: index * places * recordSize, buffer: buffer}
}

func (j *job) write(over *atomic.Bool) {
	for number := uint64(1); !over.Load(); number++ {
		place := number % places
		at := j.start + int64(place)*recordSize
		fill(j.buffer, at, number)
		to := j.device
		if number%4 == 0 {
			to = j.durable
		}
		begin := time.Now()
		_, err := to.WriteAt(j.buffer, at)
		j.WorstSecond = max(j.WorstSecond, time.Since(begin).Seconds())
		if err != nil {
			j.fail(err)
			return
		}
		j.Writes++
		j.last[place] = number
	}
}

func (j *job) fail(err error) {
	j.Errors++
	if j.FirstError == "" {
		j.FirstError = err.Error()
	}
}

func fill(b []byte, at int64, number uint64) {
	for i := 0; i < len(b); i += 16 {
		binary.LittleEndian.PutUint64(b[i:], uint64(at))
		binary.LittleEndian.PutUint64(b[i+8:], number)
	}
}

func (j *job) check() {
	want := make([]byte, recordSize)
	for place, number := range j.last {
		if number == 0 {
			continue
		}
		at := j.start + int64(place)*recordSize
		if _, err := j.device.ReadAt(j.buffer, at); err != nil {
			j.fail(err)
			continue
		}
		fill(want, at, number)
		if string(j.buffer) != string(want) {
			j.Lost++
		}
	}
}
