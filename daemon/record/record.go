// Package record keeps what happened to a node on disk, in a ring of a bounded
// size: every input of its machine, so that what the node did can be seen again
// by the same cores, step by step.
//
//	segment = frame(about) frame(checkpoint) { frame(entries) }
//	frame   = "PxRc" length(4) crc32c(4) bytes
//
// A directory holds some segments, NAME-NUMBER.rec, the oldest of which goes when
// they are too many. The limit is for their entries. Each begins with a checkpoint of the machine, so it can be
// replayed without those before it. A saved incident is segments one after the
// other in one file. A crash tears the last frame at most, and a reader skips
// what is damaged up to the next segment. Integers are little endian.
//
// Payloads are never in a recording, but it has everything else that the cores
// look into: names, addresses and answers to challenges, no keys beyond those of
// the configuration. Files can be read by their owner alone.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/optionc/pollux/daemon/core/journal"
	"github.com/optionc/pollux/daemon/core/machine"
)

// About says what a segment is.
type About struct {
	Node    string    `json:"node"`
	Version string    `json:"version"`
	Layout  uint32    `json:"layout"`  // of the checkpoint
	Started time.Time `json:"started"` // when the node's monotonic clock said 0
	At      int64     `json:"at"`      // ns on that clock
}

// The sizes of a recorder.
const (
	DefaultLimit = 64 << 20
	parts        = 4        // segments that make up the limit
	frameSize    = 32 << 10 // what is collected before it is written
	waiting      = 256      // frames that may wait for the disk
)

// Version is how this program calls itself.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}

// Recorder is a ring that is written. Its methods but Save belong to the one
// goroutine that steps the machine, and never wait for the disk: entries that
// find no room are lost, and a new segment begins when there is room again.
type Recorder struct {
	about   About
	limit   int64
	frame   []byte
	last    time.Duration // of the entry before
	size    int64         // of the segment
	fresh   bool          // a segment has to begin
	problem func(error)   // hears once of what can't be recorded
	frames  chan work
	stopped chan struct{}
	writer  writer
}

// work is for the goroutine that writes.
type work struct {
	frame []byte
	begin bool         // it is the first of a segment
	save  string       // copy everything to this file instead
	saved chan<- error // unless nil, hears what came of it
}

// New begins a ring of limit bytes of entries, and a few checkpoints, in a
// directory. Problem hears once
// of a disk that can't be written.
func New(dir, node string, started time.Time, limit int64, problem func(error)) (*Recorder, error) {
	r := &Recorder{
		about: About{Node: node, Version: Version(), Layout: Layout(), Started: started}, limit: limit, fresh: true, problem: once(problem),
		frames: make(chan work, waiting), stopped: make(chan struct{}),
		writer: writer{dir: dir, node: node, limit: limit},
	}
	r.writer.problem = r.problem
	if err := r.writer.open(); err != nil {
		return nil, fmt.Errorf("recording in %s: %w", dir, err)
	}
	go func() {
		defer close(r.stopped)
		for w := range r.frames {
			r.writer.do(w)
		}
	}()
	return r, nil
}

// once makes the first of many problems known.
func once(problem func(error)) func(error) {
	var told sync.Once
	return func(err error) {
		if problem != nil {
			told.Do(func() { problem(err) })
		}
	}
}

// Before is called with the machine as it is before an input.
func (r *Recorder) Before(now time.Duration, m *machine.Machine) {
	if !r.fresh && r.size < r.limit/parts || len(r.frames) > waiting/2 {
		return
	}
	r.flush()
	r.fresh, r.size, r.last = false, 0, now
	about := r.about
	about.At = int64(now)
	text, err := json.Marshal(about)
	if err == nil {
		text = append(frameOf(len(text)), text...)
	}
	memory, wrong := checkpoint(frameOf(frameSize), m)
	if err = errors.Join(err, wrong); err != nil {
		r.fresh = true
		r.problem(err)
		return
	}
	r.give(text, true)
	r.give(memory, false)
	r.size = 0
}

// After is called with an input and what came of it.
func (r *Recorder) After(now time.Duration, in *machine.Input, effects []machine.Effect) {
	if r.fresh {
		return // of a segment that has lost something
	}
	if r.frame == nil {
		r.frame = frameOf(frameSize + 4096)
	}
	r.frame = journal.Append(r.frame, r.last, now, in, effects)
	r.last = now
	if len(r.frame) >= frameSize {
		r.flush()
	}
}

// Idle is called when there is nothing to do: what was collected is written.
func (r *Recorder) Idle() { r.flush() }

// Close writes what is left.
func (r *Recorder) Close() {
	r.flush()
	close(r.frames)
	<-r.stopped
	r.writer.close()
}

// Save copies the ring to a file, in the order of the inputs; saved hears what
// came of it.
func (r *Recorder) Save(file string, saved chan<- error) {
	r.flush()
	select {
	case r.frames <- work{save: file, saved: saved}:
	default:
		saved <- fmt.Errorf("save the recording to %s: the disk is behind", file)
	}
}

func (r *Recorder) flush() {
	if len(r.frame) > 0 {
		r.give(r.frame, false)
		r.frame = nil
	}
}

// give hands a frame over, if there is room.
func (r *Recorder) give(frame []byte, begin bool) {
	seal(frame)
	r.size += int64(len(frame))
	select {
	case r.frames <- work{frame: frame, begin: begin}:
	default:
		r.fresh = true
	}
}
