package image

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// tree is a root file system in the making. Names in it are absolute; those
// under /bin, /sbin, /lib and /lib64 mean /usr's, as on Debian.
type tree map[string]node

// node is a folder (mode has no type but that), a link, or a file with its
// content here or on this machine.
type node struct {
	mode    cpio.FileMode
	link    string
	content []byte
	from    string
}

// newTree is a root with the folders and links that every image has.
func newTree() tree {
	t := tree{}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		t.folder("/usr/" + d)
		t["/"+d] = node{mode: cpio.TypeSymlink | cpio.ModePerm, link: "usr/" + d}
	}
	for _, d := range []string{
		"/dev", "/etc", "/mnt", "/proc", "/root", "/run/lock", "/sys", "/tmp", "/var/lib/drbd", "/var/log",
	} {
		t.folder(d)
	}
	t["/var/run"] = node{mode: cpio.TypeSymlink | cpio.ModePerm, link: "/run"}
	t["/var/lock"] = node{mode: cpio.TypeSymlink | cpio.ModePerm, link: "/run/lock"}
	return t
}

// merged is the name under /usr of what stands in one of the merged folders.
func merged(name string) string {
	name = path.Clean("/" + name)
	switch top, _, _ := strings.Cut(name[1:], "/"); top {
	case "bin", "sbin", "lib", "lib64":
		return "/usr" + name
	}
	return name
}

func (t tree) folder(name string) {
	for name = merged(name); name != "/"; name = path.Dir(name) {
		if _, ok := t[name]; !ok {
			t[name] = node{mode: cpio.TypeDir | 0o755}
		}
	}
}

func (t tree) put(name string, n node) {
	name = merged(name)
	t.folder(path.Dir(name))
	t[name] = n
}

// text puts a file with that content.
func (t tree) text(name, content string) {
	t.put(name, node{mode: cpio.TypeReg | 0o644, content: []byte(content)})
}

// script puts a program that is text.
func (t tree) script(name, content string) {
	t.put(name, node{mode: cpio.TypeReg | 0o755, content: []byte(content)})
}

// file puts a copy of a file of this machine.
func (t tree) file(name, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("file %s of an image: %w", name, err)
	}
	t.put(name, node{mode: cpio.TypeReg | cpio.FileMode(info.Mode().Perm()), from: from})
	return nil
}

// symlink puts a link to target.
func (t tree) symlink(name, target string) {
	t.put(name, node{mode: cpio.TypeSymlink | cpio.ModePerm, link: target})
}

// archive writes the tree in the form that Linux unpacks at boot. Equal trees
// give equal archives.
func (t tree) archive(out io.Writer) error {
	w := cpio.NewWriter(out)
	for _, name := range slices.Sorted(maps.Keys(t)) {
		n := t[name]
		content := n.content
		switch {
		case n.link != "":
			content = []byte(n.link)
		case n.from != "":
			read, err := os.ReadFile(n.from)
			if err != nil {
				return fmt.Errorf("file %s of an image: %w", name, err)
			}
			content = read
		}
		if err := w.WriteHeader(&cpio.Header{Name: name[1:], Mode: n.mode, Size: int64(len(content))}); err != nil {
			return fmt.Errorf("archive of an image: %s: %w", name, err)
		}
		if _, err := w.Write(content); err != nil {
			return fmt.Errorf("archive of an image: %s: %w", name, err)
		}
	}
	return w.Close()
}
