package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/optionc/pollux/qemu/debian"
)

// libraryFolders is where Debian's programs find their shared libraries.
var libraryFolders = []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"}

// programs puts programs of a quarry with the libraries that they load. A link
// is put with what it leads to.
func (t tree) programs(q debian.Quarry, names ...string) error {
	for _, name := range names {
		if err := t.program(q, merged(name), libraryFolders); err != nil {
			return fmt.Errorf("program %s of an image: %w", name, err)
		}
	}
	return nil
}

func (t tree) program(q debian.Quarry, name string, folders []string) error {
	if _, there := t[name]; there {
		return nil
	}
	from := filepath.Join(q.Dir, name)
	if target, err := os.Readlink(from); err == nil {
		t.symlink(name, target)
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		return t.program(q, merged(target), folders)
	}
	if err := t.file(name, from); err != nil {
		return err
	}
	needed, folders, err := libraries(from, folders)
	if err != nil {
		return err
	}
	for _, library := range needed {
		found := library
		if !path.IsAbs(library) {
			found = find(q, library, folders)
		}
		if found == "" {
			return fmt.Errorf("library %s, which %s loads, is not in %v", library, name, folders)
		}
		if err := t.program(q, merged(found), folders); err != nil {
			return err
		}
	}
	return nil
}

// libraries names what a program loads, its loader among it, and where it
// looks for them. A script loads nothing.
func libraries(file string, folders []string) (needed, in []string, err error) {
	f, err := elf.Open(file)
	if _, script := errors.AsType[*elf.FormatError](err); script {
		return nil, folders, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if needed, err = f.ImportedLibraries(); err != nil {
		return nil, nil, fmt.Errorf("libraries of %s: %w", file, err)
	}
	if s := f.Section(".interp"); s != nil {
		loader, err := s.Data()
		if err != nil {
			return nil, nil, fmt.Errorf("loader of %s: %w", file, err)
		}
		needed = append(needed, strings.TrimRight(string(loader), "\x00"))
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		more, err := f.DynString(tag)
		if err != nil {
			return nil, nil, fmt.Errorf("library path of %s: %w", file, err)
		}
		for _, m := range more {
			folders = append(strings.Split(m, ":"), folders...)
		}
	}
	return needed, folders, nil
}

func find(q debian.Quarry, library string, folders []string) string {
	for _, d := range folders {
		name := path.Join(d, library)
		if _, err := os.Lstat(filepath.Join(q.Dir, merged(name))); err == nil {
			return name
		}
	}
	return ""
}

// busybox puts busybox, and links to it for every command that is not there
// already. So it comes last.
func (t tree) busybox(q debian.Quarry) error {
	if err := t.programs(q, "/bin/busybox"); err != nil {
		return err
	}
	list, err := exec.Command(filepath.Join(q.Dir, "bin/busybox"), "--list-full").Output()
	if err != nil {
		return fmt.Errorf("commands of busybox: %w", err)
	}
	have := map[string]bool{}
	for name := range t {
		have[path.Base(name)] = true
	}
	for applet := range strings.FieldsSeq(string(list)) {
		if !have[path.Base(applet)] {
			t.symlink("/"+applet, "/usr/bin/busybox")
		}
	}
	return nil
}
