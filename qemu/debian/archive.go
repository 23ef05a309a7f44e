// Package debian fetches packages of Debian 12 from the archive that this
// machine installs from, and unpacks them where images are made of them. It
// needs no root: apt works on state of its own, and nothing is installed.
//
// What was chosen once stays chosen: versions change only when the cache is
// removed, or with POLLUX_IMAGES_REFRESH=1.
package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// release is the Debian whose packages make the images: the one with Xen 4.17.
const release = "bookworm"

// keyring signs the archive; package debian-archive-keyring has it.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Archive is a private view of Debian's archive: apt's state, the packages
// fetched so far and what was unpacked from them, in one folder.
type Archive struct{ dir string }

// Open makes the view in the user's cache folder, or finds it there.
func Open() (*Archive, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	a := &Archive{dir: filepath.Join(cache, "debian")}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "chosen", "debs", "quarry"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("cache of Debian packages: %w", err)
		}
	}
	return a, nil
}

// CacheDir is the folder for what can be made again: $XDG_CACHE_HOME/pollux,
// or its usual place.
func CacheDir() (string, error) {
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache folder: %w: set XDG_CACHE_HOME", err)
	}
	return filepath.Join(d, "pollux"), nil
}

// choose says which packages, in which versions, a wish means: name=version.
// A wish is what `apt-get install` takes; with it come its dependencies.
func (a *Archive) choose(ctx context.Context, wish []string) ([]string, error) {
	return a.remember(ctx, "install "+strings.Join(wish, " "), func() ([]string, error) {
		out, err := a.apt(ctx, a.dir, "apt-get", append([]string{"install", "--yes", "--print-uris"}, wish...)...)
		if err != nil {
			return nil, err
		}
		var chosen []string
		for line := range strings.Lines(out) {
			// 'URI' name_version_arch.deb size hash
			f := strings.Fields(line)
			if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
				continue
			}
			part := strings.Split(f[1], "_")
			version, err := url.PathUnescape(part[1])
			if err != nil {
				return nil, fmt.Errorf("version in %s: %w", f[1], err)
			}
			chosen = append(chosen, part[0]+"="+version)
		}
		return chosen, nil
	})
}

var dependency = regexp.MustCompile(`(?m)^Depends: (linux-image-[^ ]+) \(= ([^)]+)\)`)

// chooseKernel says which package a kernel's meta package stands for.
func (a *Archive) chooseKernel(ctx context.Context, meta, version string) ([]string, error) {
	return a.remember(ctx, "kernel "+meta+" "+version, func() ([]string, error) {
		out, err := a.apt(ctx, a.dir, "apt-cache", "show", "--all-versions", meta)
		if err != nil {
			return nil, err
		}
		for stanza := range strings.SplitSeq(out, "\n\n") {
			m := dependency.FindStringSubmatch(stanza)
			if m != nil && strings.HasPrefix(m[2], version+".") {
				return []string{m[1] + "=" + m[2]}, nil
			}
		}
		return nil, fmt.Errorf("no %s of version %s in Debian %s and its backports", meta, version, release)
	})
}

// remember asks once and keeps the answer in a file.
func (a *Archive) remember(ctx context.Context, question string, ask func() ([]string, error)) ([]string, error) {
	sum := sha256.Sum256([]byte(question))
	file := filepath.Join(a.dir, "chosen", hex.EncodeToString(sum[:8]))
	if text, err := os.ReadFile(file); err == nil && os.Getenv("POLLUX_IMAGES_REFRESH") == "" {
		return strings.Fields(string(text)), nil
	}
	if err := a.update(ctx); err != nil {
		return nil, err
	}
	answer, err := ask()
	if err != nil {
		return nil, fmt.Errorf("choosing packages for %q: %w", question, err)
	}
	if len(answer) == 0 {
		return nil, fmt.Errorf("choosing packages for %q: apt named none", question)
	}
	slices.Sort(answer)
	return answer, WriteFile(file, []byte(strings.Join(answer, "\n")+"\n"), 0o644)
}

// update reads the archive's lists, once in the life of the process.
func (a *Archive) update(ctx context.Context) error {
	mark := filepath.Join(a.dir, fmt.Sprintf("updated.%d", os.Getpid()))
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := a.configure(ctx); err != nil {
		return err
	}
	if _, err := a.apt(ctx, a.dir, "apt-get", "update"); err != nil {
		return err
	}
	old, _ := filepath.Glob(filepath.Join(a.dir, "updated.*"))
	for _, f := range old {
		_ = os.Remove(f)
	}
	return WriteFile(mark, nil, 0o644)
}

// configure points apt at folders of ours, and at the archive that this
// machine uses already.
func (a *Archive) configure(ctx context.Context) error {
	main, security, err := mirrors(ctx)
	if err != nil {
		return err
	}
	var sources strings.Builder
	for _, s := range []string{
		main + " " + release, main + " " + release + "-updates", main + " " + release + "-backports",
		security + " " + release + "-security",
	} {
		fmt.Fprintf(&sources, "deb [arch=amd64 signed-by=%s] %s main\n", keyring, s)
	}
	conf := fmt.Sprintf(`Dir::State "%[1]s/state"; Dir::State::status "%[1]s/status"; Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
APT::Install-Recommends "false"; APT::Architecture "amd64"; APT::Architectures "amd64";
APT::Sandbox::User ""; Debug::NoLocking "true"; Acquire::Languages "none";
`, a.dir)
	return errors.Join(
		WriteFile(filepath.Join(a.dir, "sources.list"), []byte(sources.String()), 0o644),
		WriteFile(filepath.Join(a.dir, "status"), nil, 0o644), // nothing is installed
		WriteFile(filepath.Join(a.dir, "apt.conf"), []byte(conf), 0o644),
	)
}

// mirrors asks this machine's own apt where it has Debian from.
func mirrors(ctx context.Context) (main, security string, err error) {
	const format = "$(ORIGIN)|$(LABEL)|$(SITE)"
	out, err := run(exec.CommandContext(ctx, "apt-get", "indextargets", "--format", format, "Created-By: Packages"))
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(f) != 3 || f[0] != "Debian":
		case f[1] == "Debian-Security":
			security = f[2]
		default:
			main = f[2]
		}
	}
	if main == "" || security == "" {
		return "", "", fmt.Errorf("sources of apt: no Debian archive with its security updates: run apt-get update, or add both")
	}
	return main, security, nil
}

// apt runs one of apt's programs on our state, in that folder. One at a time:
// other processes share the cache.
func (a *Archive) apt(ctx context.Context, dir, program string, args ...string) (string, error) {
	unlock, err := Lock(filepath.Join(a.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return run(cmd)
}

// Lock waits for an exclusive lock on file, which other processes respect.
func Lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// WriteFile writes a file as a whole: who reads it sees the old or the new one.
func WriteFile(file string, content []byte, mode os.FileMode) error {
	part := fmt.Sprintf("%s.part%d", file, os.Getpid())
	if err := os.WriteFile(part, content, mode); err != nil {
		return err
	}
	return os.Rename(part, file)
}

// run returns a program's output, and its words on stderr in the error.
func run(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(stderr.String())
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
	}
	return string(out), nil
}
