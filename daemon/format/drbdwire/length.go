package drbdwire

import "fmt"

// maxSectors is the end of the largest device that byte offsets of 63 bits can
// reach. Sectors above it are malformed, so that sums of a sector and a size
// never wrap.
const maxSectors = 1 << 54

// maxDigest is the longest digest that any algorithm makes, in bytes.
const maxDigest = 64

// exactly checks the length of a payload of one size.
func exactly(what string, b []byte, want int) error {
	if len(b) != want {
		return fmt.Errorf("%s of %d bytes, want %d", what, len(b), want)
	}
	return nil
}

// between checks the length of a payload of many sizes.
func between(what string, b []byte, low, high int) error {
	if len(b) < low || len(b) > high {
		return fmt.Errorf("%s of %d bytes, want %d to %d", what, len(b), low, high)
	}
	return nil
}

// inRange checks that size bytes from sector on can exist on any device.
func inRange(what string, sector uint64, size uint32) error {
	if sector > maxSectors-uint64(size)/512 {
		return fmt.Errorf("%s of %d bytes at sector %d, want it to end at sector %d or before",
			what, size, sector, uint64(maxSectors))
	}
	return nil
}

// wholeSectors checks a size that must be some whole sectors, at most high.
func wholeSectors(what string, size, high uint32) error {
	if size == 0 || size%512 != 0 || size > high {
		return fmt.Errorf("%s for %d bytes, want a multiple of 512, at most %d", what, size, high)
	}
	return nil
}
