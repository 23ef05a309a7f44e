package lvm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/optionc/pollux/daemon/driver/command"
)

// maxUsers bounds how many users of a volume an error names.
const maxUsers = 5

// users says who holds the group's volumes open, one text for each volume.
// What can't be found out is left out: this only explains a refusal.
func (g Group) users(ctx context.Context) []string {
	volumes, err := g.volumes(ctx)
	if err != nil {
		return nil
	}
	var texts []string
	for _, v := range volumes {
		if v.Open != "open" {
			continue
		}
		by := few(g.usersOf(ctx, v))
		if len(by) == 0 {
			by = []string{"a user that was not found"}
		}
		texts = append(texts, v.Name+" by "+strings.Join(by, ", "))
	}
	return texts
}

func few(by []string) []string {
	if len(by) > maxUsers {
		by = append(by[:maxUsers], fmt.Sprintf("and %d more", len(by)-maxUsers))
	}
	return by
}

func (g Group) usersOf(ctx context.Context, v volume) []string {
	return slices.Concat(g.guests(ctx, v), g.mounts(v), g.stacked(v), g.processes(v))
}

// guests are the Xen domains that have v as a disk: their backend writes the
// device number as two hexadecimal numbers.
func (g Group) guests(ctx context.Context, v volume) []string {
	major, err := strconv.ParseUint(v.Major, 10, 32)
	if err != nil {
		return nil
	}
	minor, err := strconv.ParseUint(v.Minor, 10, 32)
	if err != nil {
		return nil
	}
	want := fmt.Sprintf("%x:%x", major, minor)
	var by []string
	// The pattern is constant, so the error can't be.
	found, _ := filepath.Glob(filepath.Join(g.root(), "sys/bus/xen-backend/devices/vbd-*-*/physical_device"))
	for _, path := range found {
		if firstLine(path) != want {
			continue
		}
		parts := strings.Split(filepath.Base(filepath.Dir(path)), "-")
		by = append(by, "Xen domain "+g.domain(ctx, parts[1]))
	}
	return by
}

// domain is a domain by its name and number, or its number alone.
func (g Group) domain(ctx context.Context, number string) string {
	if g.Run == nil {
		return number
	}
	out, err := g.Run(ctx, command.Program{Name: "xl", Args: []string{"list"}, Limit: askLimit})
	if err != nil {
		return number
	}
	for line := range strings.Lines(string(out.Stdout)) {
		if words := strings.Fields(line); len(words) > 1 && words[1] == number {
			return words[0] + " (" + number + ")"
		}
	}
	return number
}

// mounts are the places where v is mounted. Source: proc(5), mountinfo.
func (g Group) mounts(v volume) []string {
	text, err := os.ReadFile(filepath.Join(g.root(), "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	var by []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[2] == v.Major+":"+v.Minor {
			by = append(by, "a mount on "+fields[4])
		}
	}
	return by
}

// stacked are the block devices that are made of v.
func (g Group) stacked(v volume) []string {
	entries, err := os.ReadDir(filepath.Join(g.root(), "sys/block/dm-"+v.Minor+"/holders"))
	if err != nil {
		return nil
	}
	var by []string
	for _, entry := range entries {
		by = append(by, "block device "+entry.Name())
	}
	return by
}

// processes are those that opened v, by any of the names of its device node.
func (g Group) processes(v volume) []string {
	double := strings.NewReplacer("-", "--")
	names := []string{
		"/dev/dm-" + v.Minor, "/dev/mapper/" + double.Replace(v.Group) + "-" + double.Replace(v.Name),
		"/dev/" + v.Group + "/" + v.Name,
	}
	proc := filepath.Join(g.root(), "proc")
	found, _ := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	var by []string
	for _, fd := range found {
		if opened, err := os.Readlink(fd); err != nil || !slices.Contains(names, opened) {
			continue
		}
		pid := filepath.Base(filepath.Dir(filepath.Dir(fd)))
		text := fmt.Sprintf("process %s (%s)", pid, firstLine(filepath.Join(proc, pid, "comm")))
		if !slices.Contains(by, text) {
			by = append(by, text)
		}
	}
	return by
}
