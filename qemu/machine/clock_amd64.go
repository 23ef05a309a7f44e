package machine

import "time"

// cycles reads the processor's time stamp counter, which QEMU hands on to an
// emulated machine as it is.
func cycles() uint64

// clockRate measures the counter's rate in kHz, to about a part in ten
// thousand. The best of a few short tries counts: a try is spoilt if another
// process runs between the reading of the two clocks.
func clockRate() int64 {
	const try = 20 * time.Millisecond
	read := func() (uint64, time.Time) {
		best := time.Duration(1 << 62)
		var count uint64
		var at time.Time
		for range 50 {
			before := time.Now()
			c := cycles()
			after := time.Now()
			if d := after.Sub(before); d < best {
				best, count, at = d, c, before.Add(d/2)
			}
		}
		return count, at
	}
	c1, t1 := read()
	time.Sleep(try)
	c2, t2 := read()
	return int64(float64(c2-c1) / t2.Sub(t1).Seconds() / 1000)
}
