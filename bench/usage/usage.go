// Package usage tells what a process costs.
package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Processor is the time that a process and the kernel for it used, in hundredths of a second.
// Source: proc(5), /proc/PID/stat, fields 14 and 15.
func Processor(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Memory is what is resident of a process, in KiB. Source: proc(5), VmRSS of /proc/PID/status.
func Memory(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("process %d: found no VmRSS", pid)
	}
	return strconv.Atoi(fields[0])
}
