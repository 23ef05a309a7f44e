package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs builds commands of this module into dir, for machines: packages, such
// as cmd/polluxd, by the name of their file there.
func Programs(ctx context.Context, dir string, packages map[string]string) (Files, error) {
	files := Files{}
	for name, pkg := range packages {
		out := filepath.Join(dir, filepath.Base(name))
		if err := build(ctx, out, pkg); err != nil {
			return nil, err
		}
		files[name] = out
	}
	return files, nil
}

// build makes a static program that runs in every machine.
func build(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-buildvcs=false", "-o", out,
		"github.com/optionc/pollux/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("program %s of an image: go build: %w: %s", pkg, err, strings.TrimSpace(string(said)))
	}
	return nil
}
