package backing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse is the cause when a disk has another user already.
var ErrInUse = errors.New("in use")

func inUse(holder string) error {
	if holder == "" {
		return fmt.Errorf("%w, by whom is not known", ErrInUse)
	}
	return fmt.Errorf("%w by %s", ErrInUse, holder)
}

// deviceHolder names who has a block device; empty if nobody is found, as when
// it is a process of another user.
func deviceHolder(number uint64) string {
	id := fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number))
	if above, err := os.ReadDir("/sys/dev/block/" + id + "/holders"); err == nil && len(above) > 0 {
		name := above[0].Name()
		if dm, err := os.ReadFile("/sys/block/" + name + "/dm/name"); err == nil {
			name = strings.TrimSpace(string(dm))
		}
		return "device " + name
	}
	if where := mountPoint(id); where != "" {
		return "the file system mounted on " + where
	}
	return processWith(number)
}

// mountPoint looks for device id in mountinfo: "36 35 98:0 / /mnt rw ...".
func mountPoint(id string) string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[2] == id {
			return fields[4]
		}
	}
	return ""
}

// fileHolder names who has the lock of a file.
func fileHolder(file *unix.Stat_t) string {
	text, _ := os.ReadFile("/proc/locks")
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(file.Dev), unix.Minor(file.Dev), file.Ino)
	for line := range strings.Lines(string(text)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "FLOCK" && fields[5] == want {
			return process(fields[4])
		}
	}
	return ""
}

// processWith finds a process that has block device number open, if possible
// another one than this.
func processWith(number uint64) string {
	own := strconv.Itoa(os.Getpid())
	found := ""
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well formed
	for _, fd := range fds {
		// Only then stat: that of a file on a dead file system would hang.
		if target, err := os.Readlink(fd); err != nil || !strings.HasPrefix(target, "/dev/") {
			continue
		}
		var stat unix.Stat_t
		if unix.Stat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFBLK || stat.Rdev != number {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		if pid != own {
			return process(pid)
		}
		found = process(pid)
	}
	return found
}

func process(pid string) string {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
}
