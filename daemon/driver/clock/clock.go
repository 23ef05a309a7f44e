// Package clock tells how long a program has run, as its peers see it: the time
// for which the machine was suspended counts. Go's monotonic clock stands still
// then, and a lease that is measured by it would last too long.
//
// The kernel's clock that goes on costs a system call, which is too much for
// each packet. It is asked when it may have parted from the monotonic one: the
// kernel adds the time of a suspend to the time of day as well, so that these two
// part at the same moment.
package clock

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Clock counts from its start. Its methods may be called from any goroutine.
type Clock struct {
	started time.Time
	read    func() reading
	boot    func() (time.Duration, error) // since the machine started, with all suspends

	mu    sync.Mutex   // held by who measures
	base  int64        // boot at the start, less the monotonic clock's reading
	ahead atomic.Int64 // the time of day less the monotonic clock, when slept was measured
	slept atomic.Int64 // for how long the machine was suspended since the start
}

// reading is both cheap clocks at one moment, in nanoseconds since the start.
type reading struct{ wall, monotonic int64 }

// New starts one.
func New() *Clock {
	started := time.Now()
	return start(started, func() reading {
		now := time.Now()
		return reading{wall: now.UnixNano() - started.UnixNano(), monotonic: int64(now.Sub(started))}
	}, bootTime)
}

func start(started time.Time, read func() reading, boot func() (time.Duration, error)) *Clock {
	c := &Clock{started: started, read: read, boot: boot}
	at, parted := c.measure()
	c.base = parted
	c.ahead.Store(at.wall - at.monotonic)
	return c
}

// Started is when it began, as the time of day was then.
func (c *Clock) Started() time.Time { return c.started }

// far is how much two clocks may part, in nanoseconds, before it is looked why:
// they are not read at the same instant.
const far = int64(time.Millisecond)

// Now is the time since the start.
func (c *Clock) Now() time.Duration {
	at := c.read()
	if c.parted(at) {
		at = c.look()
	}
	return time.Duration(at.monotonic + c.slept.Load())
}

func (c *Clock) parted(at reading) bool {
	by := at.wall - at.monotonic - c.ahead.Load()
	return by > far || by < -far
}

// look finds out whether the machine was suspended, or only the time of day was
// set.
func (c *Clock) look() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, parted := c.measure()
	c.slept.Store(max(c.slept.Load(), parted-c.base))
	c.ahead.Store(at.wall - at.monotonic)
	return at
}

// measure says how far the clock that goes on is ahead of the monotonic one. The
// two are read one after the other: the closest of some readings counts.
func (c *Clock) measure() (at reading, parted int64) {
	const tries = 8
	closest := int64(-1)
	for range tries {
		before := c.read()
		boot, err := c.boot()
		after := c.read()
		if err != nil {
			return after, 0 // a kernel without that clock: nothing is ahead
		}
		if apart := after.monotonic - before.monotonic; closest < 0 || apart < closest {
			closest, parted = apart, int64(boot)-after.monotonic
		}
		if at = after; closest < far {
			break
		}
	}
	return at, parted
}

func bootTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err
}
