package image

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/optionc/pollux/qemu/debian"
)

// loadList is the file of an image that says which modules to load, in order.
const loadList = "/etc/vm/modules"

// modules puts kernel modules with those they need. What is in load is loaded
// at boot, in that order; the rest waits for modprobe. A module that this
// kernel does not have is built in.
func (t tree) modules(kernel debian.Quarry, load, more []string) error {
	version, all, err := moduleFiles(kernel)
	if err != nil {
		return err
	}
	var order []string // each after those it needs
	needs := map[string][]string{}
	var visit func(name string) error
	visit = func(name string) error {
		file, ok := all[name]
		if _, done := needs[name]; done || !ok {
			return nil
		}
		content, depends, err := readModule(file)
		if err != nil {
			return err
		}
		needs[name] = nil
		for _, d := range depends {
			if err := visit(d); err != nil {
				return err
			}
			if _, ok := all[d]; ok {
				needs[name] = append(append(needs[name], d), needs[d]...)
			}
		}
		t.put(modulePath(version, name), node{mode: 0o100644, content: content})
		order = append(order, name)
		return nil
	}
	var list, dep strings.Builder
	loaded := 0
	for i, name := range append(append([]string{}, load...), more...) {
		if err := visit(strings.ReplaceAll(name, "-", "_")); err != nil {
			return err
		}
		if i < len(load) {
			loaded = len(order)
		}
	}
	for i, name := range order {
		if i < loaded {
			fmt.Fprintln(&list, modulePath(version, name))
		}
		fmt.Fprintf(&dep, "%s.ko:", name)
		for _, d := range needs[name] {
			fmt.Fprintf(&dep, " %s.ko", d)
		}
		dep.WriteByte('\n')
	}
	t.text(loadList, list.String())
	t.text(path.Join("/lib/modules", version, "modules.dep"), dep.String())
	return nil
}

func modulePath(version, name string) string {
	return path.Join("/lib/modules", version, name+".ko")
}

// moduleFiles finds a kernel's modules by the names that the kernel uses.
func moduleFiles(kernel debian.Quarry) (version string, files map[string]string, err error) {
	dirs, err := filepath.Glob(filepath.Join(kernel.Dir, "lib/modules/*"))
	if err != nil || len(dirs) != 1 {
		return "", nil, fmt.Errorf("modules of the kernel in %s: %d versions, want 1", kernel.Dir, len(dirs))
	}
	files = map[string]string{}
	err = filepath.WalkDir(dirs[0], func(file string, _ fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(file), ".ko"); ok {
			files[strings.ReplaceAll(name, "-", "_")] = file
		}
		return err
	})
	return filepath.Base(dirs[0]), files, err
}

// readModule unpacks a module and says which others it needs.
func readModule(file string) (content []byte, depends []string, err error) {
	if strings.HasSuffix(file, ".xz") {
		content, err = exec.Command("xz", "--decompress", "--stdout", file).Output()
	} else {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("kernel module %s: %w", file, err)
	}
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, nil, fmt.Errorf("kernel module %s: %w", file, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, nil, fmt.Errorf("kernel module %s: has no .modinfo", file)
	}
	info, err := section.Data()
	if err != nil {
		return nil, nil, fmt.Errorf("kernel module %s: %w", file, err)
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		for _, tag := range []string{"depends=", "softdep=pre: "} {
			if names, ok := strings.CutPrefix(string(field), tag); ok {
				split := func(r rune) bool { return r == ',' || r == ' ' }
				for _, name := range strings.FieldsFunc(names, split) {
					depends = append(depends, strings.ReplaceAll(name, "-", "_"))
				}
			}
		}
	}
	return content, depends, nil
}
