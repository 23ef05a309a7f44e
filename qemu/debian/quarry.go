package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Quarry is a folder with the files of packages, laid out as on a merged-/usr
// Debian, from which an image takes what it needs. Nothing in it was
// configured: no scripts of the packages ran.
type Quarry struct {
	Dir string
	// Hash names the content: the packages' own, not their names.
	Hash string
}

// Tools unpacks packages with all they depend on.
func (a *Archive) Tools(ctx context.Context, packages ...string) (Quarry, error) {
	chosen, err := a.choose(ctx, packages)
	if err != nil {
		return Quarry{}, err
	}
	return a.unpack(ctx, chosen)
}

// Alone unpacks one package without what it depends on: a hypervisor, say.
func (a *Archive) Alone(ctx context.Context, name string) (Quarry, error) {
	chosen, err := a.choose(ctx, []string{name})
	if err != nil {
		return Quarry{}, err
	}
	for _, c := range chosen {
		if strings.HasPrefix(c, name+"=") {
			return a.unpack(ctx, []string{c})
		}
	}
	return Quarry{}, fmt.Errorf("unpack %s: apt chose %v instead", name, chosen)
}

// Kernel unpacks Linux of that version, such as "6.1"; cloud is the flavour
// for guests, which has drivers for virtual hardware only.
func (a *Archive) Kernel(ctx context.Context, version string, cloud bool) (Quarry, error) {
	meta := "linux-image-amd64"
	if cloud {
		meta = "linux-image-cloud-amd64"
	}
	chosen, err := a.chooseKernel(ctx, meta, version)
	if err != nil {
		return Quarry{}, err
	}
	return a.unpack(ctx, chosen)
}

// unpack fetches packages, each name=version, and unpacks them side by side.
func (a *Archive) unpack(ctx context.Context, chosen []string) (Quarry, error) {
	if err := a.fetch(ctx, chosen); err != nil {
		return Quarry{}, err
	}
	unlock, err := Lock(filepath.Join(a.dir, "unpack.lock"))
	if err != nil {
		return Quarry{}, err
	}
	defer unlock()
	sum := sha256.New()
	for _, c := range chosen {
		content, err := os.ReadFile(a.deb(c))
		if err != nil {
			return Quarry{}, fmt.Errorf("package %s: %w", c, err)
		}
		one := sha256.Sum256(content)
		sum.Write(one[:])
	}
	hash := hex.EncodeToString(sum.Sum(nil)[:12])
	q := Quarry{Dir: filepath.Join(a.dir, "quarry", hash), Hash: hash}
	if _, err := os.Stat(q.Dir); err == nil {
		return q, nil
	}
	part := q.Dir + ".part"
	if err := mergedRoot(part); err != nil {
		return Quarry{}, err
	}
	for _, c := range chosen {
		if err := extract(ctx, a.deb(c), part); err != nil {
			return Quarry{}, fmt.Errorf("unpack %s: %w", c, err)
		}
	}
	return q, os.Rename(part, q.Dir)
}

// extract unpacks one package. Not dpkg-deb --extract: it puts folders in the
// place of a merged root's links.
func extract(ctx context.Context, deb, dir string) error {
	content := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	untar := exec.CommandContext(ctx, "tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", dir)
	pipe, err := content.StdoutPipe()
	if err != nil {
		return err
	}
	untar.Stdin = pipe
	if err := content.Start(); err != nil {
		return err
	}
	_, failed := run(untar)
	return errors.Join(failed, content.Wait())
}

// mergedRoot makes an empty root whose /bin, /lib, ... are /usr's.
func mergedRoot(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(dir, "usr", d), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("usr", d), filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	return nil
}

// fetch downloads what is not here yet; apt checks signatures and sums.
func (a *Archive) fetch(ctx context.Context, chosen []string) error {
	var missing []string
	for _, c := range chosen {
		if _, err := os.Stat(a.deb(c)); err != nil {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	part, err := os.MkdirTemp(a.dir, "download")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(part) }()
	if err := a.update(ctx); err != nil {
		return err
	}
	if _, err := a.apt(ctx, part, "apt-get", append([]string{"download"}, missing...)...); err != nil {
		return fmt.Errorf("download %s (POLLUX_IMAGES_REFRESH=1 chooses versions anew): %w", strings.Join(missing, " "), err)
	}
	for _, c := range missing {
		name, version, _ := strings.Cut(c, "=")
		found, err := filepath.Glob(filepath.Join(part, name+"_"+strings.ReplaceAll(version, ":", "%3a")+"_*.deb"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("download %s: apt left %d files of that version, want 1: %w", c, len(found), err)
		}
		if err := os.Rename(found[0], a.deb(c)); err != nil {
			return err
		}
	}
	return nil
}

// deb is where a package of that name=version is kept.
func (a *Archive) deb(chosen string) string {
	return filepath.Join(a.dir, "debs", url.PathEscape(chosen)+".deb")
}
