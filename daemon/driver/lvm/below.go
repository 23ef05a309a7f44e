package lvm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/optionc/pollux/daemon/driver/command"
)

// Below is the disk below a resource. It carries the same volume group as the
// replicated device, and must never be used for it.
type Below struct {
	Resource string
	Disk     string // its path
}

// Held fails if a volume group is active on the disk itself: at boot, or by
// somebody's vgchange, before there was a replicated device. The error says who
// uses it and what cures it. The kernel is asked, and no program. Root is where
// /sys and /proc are; "" is "/".
func (b Below) Held(root string) error {
	root = rootOf(root)
	volumes := above(root, b.Disk)
	if len(volumes) == 0 {
		return nil
	}
	var groups, texts []string
	for _, m := range volumes {
		group, name := m.split()
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
		texts = append(texts, name+openBy(root, m))
	}
	config, err := scope([]string{b.Disk})
	if err != nil {
		return fmt.Errorf("disk %s below resource %s: %w", b.Disk, b.Resource, err)
	}
	off := command.Program{Name: "vgchange", Args: append([]string{"--config", config, "-an"}, groups...)}
	text := fmt.Sprintf("volume group %s is active on %s itself, below resource %s, and what is written there is not "+
		"replicated: %s. End what uses it, then: %s; then: pollux attach %s, and, unless the nodes are connected, pollux "+
		"connect %s. If anything was written there, this copy has to be made anew: pollux invalidate %s",
		strings.Join(groups, ", "), b.Disk, b.Resource, strings.Join(texts, "; "), off, b.Resource, b.Resource, b.Resource)
	if hide := Hide(root, b.Disk); hide != "" {
		text += ". To keep this host's LVM from it: " + hide
	}
	return errors.New(text)
}

// openBy says who has a volume open.
func openBy(root string, m mapping) string {
	group, name := m.split()
	major, minor, _ := strings.Cut(firstLine(filepath.Join(root, "sys/block", m.device, "dev")), ":")
	by := Group{Name: group, Root: root}.usersOf(context.Background(), volume{Group: group, Name: name, Major: major, Minor: minor})
	if len(by) == 0 {
		return ""
	}
	return " (" + strings.Join(few(by), ", ") + ")"
}

// A mapping is a logical volume as the device mapper has it.
type mapping struct {
	device string // dm-3
	name   string // my--vg-web1
}

// split undoes the name: hyphens of the two names are doubled, a single one
// stands between them.
func (m mapping) split() (group, volume string) {
	for i := 0; i < len(m.name); i++ {
		if m.name[i] != '-' {
			continue
		}
		if i+1 < len(m.name) && m.name[i+1] == '-' {
			i++
			continue
		}
		single := strings.NewReplacer("--", "-")
		return single.Replace(m.name[:i]), single.Replace(m.name[i+1:])
	}
	return strings.ReplaceAll(m.name, "--", "-"), ""
}

// mappingOf is the logical volume that a device is, if it is one.
func mappingOf(root, device string) (mapping, bool) {
	dir := filepath.Join(root, "sys/block", device, "dm")
	if !strings.HasPrefix(firstLine(filepath.Join(dir, "uuid")), "LVM-") {
		return mapping{}, false
	}
	return mapping{device: device, name: firstLine(filepath.Join(dir, "name"))}, true
}

// above are the logical volumes that stand on a disk, on a part of it, or on
// the disk that it is a part of.
func above(root, disk string) (volumes []mapping) {
	class := filepath.Join(root, "sys/class/block")
	name := kernelName(root, disk)
	if name == "" {
		return nil
	}
	next := []string{name}
	if parts, err := filepath.Glob(filepath.Join(class, name, "*", "partition")); err == nil {
		for _, part := range parts {
			next = append(next, filepath.Base(filepath.Dir(part)))
		}
	}
	if _, err := os.Stat(filepath.Join(class, name, "partition")); err == nil {
		if at, err := filepath.EvalSymlinks(filepath.Join(class, name)); err == nil {
			next = append(next, filepath.Base(filepath.Dir(at)))
		}
	}
	for i := 0; i < len(next); i++ {
		for _, holder := range names(filepath.Join(class, next[i], "holders")) {
			// What stands on a replicated device is where it should be.
			if replicated(holder) || slices.Contains(next, holder) {
				continue
			}
			next = append(next, holder)
			if m, ok := mappingOf(root, holder); ok {
				volumes = append(volumes, m)
			}
		}
	}
	return volumes
}

// replicated tells whether a device may be one that replicates, by its name in
// the kernel; also one that was lost, and that nobody knows a path of.
func replicated(device string) bool {
	return strings.HasPrefix(device, "nbd") || strings.HasPrefix(device, "drbd")
}

// backendPrefix is export/kernel's IdentifierPrefix: one driver does not import another, and a test holds them together.
const backendPrefix = "pollux:"

// givenUp tells whether a device is one that a resource had before: a daemon gave it up when the data had changed under
// its users. It stays as long as they hold it, with nothing but errors for them, and the resource has another one. One
// that only waits for its daemon is the resource's still.
func (g Group) givenUp(device string) bool {
	if !strings.HasPrefix(firstLine(filepath.Join(g.root(), "sys/block", device, "backend")), backendPrefix) {
		return false
	}
	for _, d := range g.Devices {
		now := kernelName(g.root(), d)
		if now == device {
			return false
		}
		if _, err := os.Stat(filepath.Join(g.root(), "sys/block", now)); err != nil {
			return false
		}
	}
	return true
}

// onGivenUp tells whether a device is such a one, or stands on one.
func (g Group) onGivenUp(device string) bool {
	return g.givenUp(device) || slices.ContainsFunc(names(filepath.Join(g.root(), "sys/block", device, "slaves")), g.onGivenUp)
}

// elsewhere says where a mapped volume stands, if that is not on the group's
// devices. It is "" also if that can't be told.
func (g Group) elsewhere(device string) string {
	var ours []string
	for _, d := range g.Devices {
		ours = append(ours, kernelName(g.root(), d))
	}
	wrong := map[string]string{}
	for _, d := range g.Others {
		wrong[kernelName(g.root(), d)] = d
	}
	for _, b := range g.Below {
		wrong[kernelName(g.root(), b.Disk)] = fmt.Sprintf("%s, below resource %s", b.Disk, b.Resource)
	}
	next, leaves, safe := []string{device}, []string(nil), false
	for i := 0; i < len(next); i++ {
		name := next[i]
		if at, ok := wrong[name]; ok {
			return at
		}
		if i > 0 && g.givenUp(name) {
			return name + ", which was given up"
		}
		if i > 0 && (slices.Contains(ours, name) || replicated(name)) {
			safe = true
			continue
		}
		slaves := names(filepath.Join(g.root(), "sys/block", name, "slaves"))
		if i > 0 && len(slaves) == 0 {
			leaves = append(leaves, name)
		}
		for _, slave := range slaves {
			if !slices.Contains(next, slave) {
				next = append(next, slave)
			}
		}
	}
	if safe {
		return ""
	}
	return strings.Join(leaves, ", ")
}

// kernelName is what sysfs calls the block device at a path; "" if it is none.
func kernelName(root, path string) string {
	isDevice := strings.HasPrefix(path, "/dev/")
	path = filepath.Join(root, path)
	var stat unix.Stat_t
	if unix.Stat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFBLK {
		number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
		if link, err := os.Readlink(filepath.Join(root, "sys/dev/block", number)); err == nil {
			return filepath.Base(link)
		}
	}
	if !isDevice {
		return "" // a file may have any name
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return filepath.Base(path)
}

// names are those in a directory; of one that can't be read there are none.
func names(dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
