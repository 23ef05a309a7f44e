package host

import (
	"math/rand/v2"
	"slices"
	"time"
)

// load is what is written.
type load struct {
	name       string
	block      int // bytes
	depth      int // under way at once
	sequential bool
}

var loads = []load{
	{"4 KiB random", 4 << 10, 1, false},
	{"4 KiB random", 4 << 10, 32, false},
	{"4 KiB random", 4 << 10, 256, false},
	{"1 MiB sequential", 1 << 20, 4, true},
}

// places gives the byte offsets of a load on a device of that size, one a call.
func (l load) places(size int64) func() int64 {
	blocks := size / int64(l.block)
	if !l.sequential {
		return func() int64 { return rand.Int64N(blocks) * int64(l.block) }
	}
	next := int64(-1)
	return func() int64 {
		next = (next + 1) % blocks
		return next * int64(l.block)
	}
}

// sample is what one run of a load gave.
type sample struct {
	took []time.Duration // of each write
	long time.Duration
	cpu  time.Duration // of both daemons
}

func (s *sample) iops() float64 { return float64(len(s.took)) / s.long.Seconds() }

// percentile is in µs.
func (s *sample) percentile(percent int) float64 {
	slices.Sort(s.took)
	return s.took[min(len(s.took)-1, len(s.took)*percent/100)].Seconds() * 1e6
}

// cpuPerWrite is in µs.
func (s *sample) cpuPerWrite() float64 { return s.cpu.Seconds() * 1e6 / float64(len(s.took)) }

// middle is the median of what f gives for each sample.
func middle(samples []*sample, f func(*sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, f(s))
	}
	return median(values)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
