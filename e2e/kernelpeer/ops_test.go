package kernelpeer_test

import (
	"github.com/optionc/pollux/e2e/kernelpeer/workload"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func write(off, n int64, seed uint64) workload.Op {
	return workload.Op{Kind: workload.Write, Offset: off, Length: n, Seed: seed}
}

func syncWrite(off, n int64, seed uint64) workload.Op {
	return workload.Op{Kind: workload.Sync, Offset: off, Length: n, Seed: seed}
}

func trim(off, n int64) workload.Op {
	return workload.Op{Kind: workload.Trim, Offset: off, Length: n}
}

func flush() workload.Op { return workload.Op{Kind: workload.Flush} }

// check reads what a write of that seed left; seed 0 is zeroes.
func check(off, n int64, seed uint64) workload.Op {
	return workload.Op{Kind: workload.Check, Offset: off, Length: n, Seed: seed}
}

// manyWrites is a bit of everything that a device can be asked for; of what
// overlaps, the later one comes after a flush.
func manyWrites() []workload.Op {
	ops := []workload.Op{
		write(0, 4*kib, 1), write(4*kib, 512, 2), write(8*kib, 64*kib, 3), write(100*kib+512, 7*512, 4),
		write(4*mib-512*kib, mib, 5), // two extents of the activity log
		syncWrite(6*mib, 4*kib, 6), syncWrite(6*mib+4*kib, 512, 7), syncWrite(6*mib+64*kib, 128*kib, 8),
		flush(),
		trim(16*kib, 64*kib), trim(4*mib, 3584), trim(20*mib, 5*mib),
		{Kind: workload.Zero, Offset: 4*mib + 64*kib, Length: 100 * kib},
		{Kind: workload.Buffered, Offset: 12 * mib, Length: 40 * kib, Seed: 9},
		flush(),
		write(deviceSize()-4*kib, 4*kib, 10),
	}
	for i := range int64(32) {
		ops = append(ops, write(14*mib+(i*37%64)*8*kib, 4*kib, 100+uint64(i)))
		if i%8 == 7 {
			ops = append(ops, flush())
		}
	}
	for i := range uint64(4) { // one block again and again
		ops = append(ops, write(30*mib, 4*kib, 200+i), flush())
	}
	return ops
}

// load is n writes that don't overlap, all over the device.
func load(n int, seed uint64) []workload.Op {
	var ops []workload.Op
	for i := range int64(n) {
		ops = append(ops, syncWrite(i*37*4*kib, 4*kib, seed+uint64(i)))
	}
	return ops
}
