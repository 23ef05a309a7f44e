// Package entropy is for programs in machines that were restored from a saved
// one: their random numbers must not be those of the time before.
package entropy

import (
	"os"

	"golang.org/x/sys/unix"
)

// Reseed has the kernel ask the processor for new randomness.
func Reseed() error {
	f, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return unix.IoctlSetInt(int(f.Fd()), unix.RNDRESEEDCRNG, 0)
}
