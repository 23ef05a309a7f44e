// Package guard keeps the daemon able to work while the machine is short of
// memory: then the kernel writes dirty pages, some of them to the daemon's own
// devices, and waits for the daemon. So the daemon must not wait for the
// kernel's memory, nor be killed for it.
//
// Every measure is worth having alone. What could not be done is told, and
// nothing is refused for it.
package guard

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Lock says how much of the daemon's memory the kernel must not take away.
type Lock string

// The locks.
const (
	// LockNothing leaves it to the kernel.
	LockNothing Lock = "no"
	// LockTouched keeps what was used once: it costs nothing, but memory that is
	// used for the first time has to be found.
	LockTouched Lock = "touched"
	// LockAll keeps all, used or not: about 110 MB for a machine with 1 GiB or
	// more.
	LockAll Lock = "all"
)

const (
	// leastImportant to the kernel when it kills for memory.
	leastImportant = "-1000"
	// gcPercent lets the heap, which is small, grow further between collections.
	gcPercent = 200
	// heapShare is the part of the machine's memory beyond which the heap is
	// collected more often, and minHeap the least that this may be, in bytes.
	heapShare = 4
	minHeap   = 256 << 20
)

// Process protects the daemon: no thread waits for a write-back when it needs
// memory, the process is the last to be killed, and the heap has a limit. It
// returns what is missing. Call it first, so that all threads that are ever
// made inherit it.
func Process() []string {
	var missing []string
	if err := ioFlusher(); err != nil {
		missing = append(missing, "when memory is short, the daemon may wait for its own devices: "+err.Error())
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(leastImportant), 0o644); err != nil {
		missing = append(missing, "when memory is short, the daemon may be killed: "+err.Error())
	}
	limitHeap()
	return missing
}

// ioFlusher tells the kernel for each thread that others wait for it to write:
// finding memory for it must not start writing. Source: prctl(2), section
// "PR_SET_IO_FLUSHER".
func ioFlusher() error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_IO_FLUSHER, 1, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.EPERM:
		return errors.New("PR_SET_IO_FLUSHER needs CAP_SYS_RESOURCE")
	case unix.EINVAL:
		return errors.New("PR_SET_IO_FLUSHER needs Linux 5.6")
	case unix.ENOTSUP:
		return errors.New("PR_SET_IO_FLUSHER needs a build with CGO_ENABLED=0")
	default:
		return fmt.Errorf("PR_SET_IO_FLUSHER: %w", errno)
	}
}

// limitHeap sets hints for the garbage collector that the environment does not.
func limitHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		var info unix.Sysinfo_t
		if err := unix.Sysinfo(&info); err != nil {
			return // it is a hint
		}
		debug.SetMemoryLimit(max(minHeap, int64(info.Totalram)*int64(info.Unit)/heapShare))
	}
}

// Memory locks memory. It must be allowed to lock without limit, because a
// limit that is reached later would end the daemon.
func Memory(l Lock) error {
	flags := unix.MCL_CURRENT | unix.MCL_FUTURE
	switch l {
	case LockNothing:
		return nil
	case LockTouched:
		flags |= unix.MCL_ONFAULT
	case LockAll:
	default:
		return fmt.Errorf("lock memory: found %q, want %s, %s or %s", l, LockNothing, LockTouched, LockAll)
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited); err != nil {
		var is unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &is) != nil || is.Cur != unlimited.Cur {
			return fmt.Errorf("lock memory: no limit is wanted (LimitMEMLOCK=infinity): %w", err)
		}
	}
	if err := unix.Mlockall(flags); err != nil {
		return fmt.Errorf("lock memory: mlockall: %w", err)
	}
	return nil
}
