package kernel

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// parts are the device and its partitions: names in /sys/block and numbers.
func (h host) parts(index int) (dirs, numbers []string) {
	dirs = []string{h.block(index)}
	more, err := filepath.Glob(h.block(index, fmt.Sprintf("nbd%dp*", index)))
	if err == nil {
		dirs = append(dirs, more...)
	}
	for _, dir := range dirs {
		if number := text(filepath.Join(dir, "dev")); number != "" {
			numbers = append(numbers, number)
		}
	}
	return dirs, numbers
}

// holders names those who have the device for themselves, as a person knows
// them. It opens no device.
func (h host) holders(index int) []string {
	dirs, numbers := h.parts(index)
	var list []string
	for _, dir := range dirs {
		names, err := os.ReadDir(filepath.Join(dir, "holders"))
		if err != nil {
			continue // the device is gone
		}
		for _, n := range names {
			list = append(list, h.deviceAbove(n.Name()))
		}
	}
	list = append(list, h.mounts(numbers)...)
	return append(list, h.guests(numbers)...)
}

// deviceAbove names a block device that is made of this one.
func (h host) deviceAbove(name string) string {
	if dm := text(h.path("sys/block", name, "dm/name")); dm != "" {
		if strings.HasPrefix(text(h.path("sys/block", name, "dm/uuid")), "LVM-") {
			return "logical volume " + volume(dm)
		}
		return "device-mapper " + dm
	}
	return "block device " + name
}

// volume undoes how LVM names its devices: VG-LV, with doubled hyphens in both.
func volume(dm string) string {
	for i := 1; i+1 < len(dm); i++ {
		if dm[i] != '-' {
			continue
		}
		if dm[i+1] == '-' {
			i++
			continue
		}
		return strings.ReplaceAll(dm[:i], "--", "-") + "/" + strings.ReplaceAll(dm[i+1:], "--", "-")
	}
	return dm
}

// mounts names the mount points of the devices of these numbers.
// Source: proc(5), section "/proc/pid/mountinfo".
func (h host) mounts(numbers []string) (list []string) {
	file, err := os.Open(h.path("proc/1/mountinfo"))
	if err != nil {
		if file, err = os.Open(h.path("proc/self/mountinfo")); err != nil {
			return nil
		}
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && slices.Contains(numbers, fields[2]) {
			list = append(list, "the mount on "+unescape(fields[4]))
		}
	}
	return list
}

// unescape undoes the octal numbers by which mountinfo writes blanks.
func unescape(s string) string {
	for _, c := range []string{" ", "\t", "\n", `\`} {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\%03o`, c[0]), c)
	}
	return s
}

// guests names the domains whose disk is the device itself: blkback holds it
// without being a holder.
func (h host) guests(numbers []string) (list []string) {
	found, err := filepath.Glob(h.path("sys/bus/xen-backend/devices/vbd-*/physical_device"))
	if err != nil {
		return nil // the pattern is good
	}
	for _, path := range found {
		major, minor, ok := strings.Cut(text(path), ":")
		a, errA := strconv.ParseUint(major, 16, 32)
		b, errB := strconv.ParseUint(minor, 16, 32)
		if !ok || errA != nil || errB != nil || !slices.Contains(numbers, fmt.Sprintf("%d:%d", a, b)) {
			continue
		}
		vbd := filepath.Base(filepath.Dir(path)) // vbd-DOMAIN-DISK
		domain, _, _ := strings.Cut(strings.TrimPrefix(vbd, "vbd-"), "-")
		list = append(list, fmt.Sprintf("the guest with domain number %s (%s)", domain, vbd))
	}
	return list
}

// processes names the processes that have the device open; only those that may
// write to it, unless readers count too.
func (h host) processes(index int, readers bool) (list []string) {
	descriptors, err := filepath.Glob(h.path("proc/[0-9]*/fd/*"))
	if err != nil {
		return nil // the pattern is good
	}
	device := node(index)
	for _, path := range descriptors {
		to, err := os.Readlink(path)
		if err != nil || to != device && !strings.HasPrefix(to, device+"p") {
			continue
		}
		process := filepath.Dir(filepath.Dir(path))
		pid := filepath.Base(process)
		info := text(filepath.Join(process, "fdinfo", filepath.Base(path)))
		if pid == strconv.Itoa(os.Getpid()) || !readers && !mayWrite(info) {
			continue
		}
		name := fmt.Sprintf("process %s (%s)", pid, text(filepath.Join(process, "comm")))
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// mayWrite reads the flags of a descriptor, which are octal.
func mayWrite(fdinfo string) bool {
	for line := range strings.Lines(fdinfo) {
		if word, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(word), 8, 32)
			return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return false
}
