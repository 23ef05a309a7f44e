package image

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/optionc/pollux/qemu/debian"
)

// Agents are some of the resource agents of Debian's package resource-agents, such
// as Xen, with what all of them load.
func Agents(ctx context.Context, names ...string) (Files, error) {
	archive, err := debian.Open()
	if err != nil {
		return nil, err
	}
	q, err := archive.Alone(ctx, "resource-agents")
	if err != nil {
		return nil, fmt.Errorf("resource agents of an image: %w", err)
	}
	const root = "/usr/lib/ocf"
	files := Files{}
	for _, name := range names {
		name = filepath.Join(root, "resource.d/heartbeat", name)
		files[name] = filepath.Join(q.Dir, name)
	}
	shared, err := filepath.Glob(filepath.Join(q.Dir, root, "lib/heartbeat/ocf-*"))
	if err != nil {
		return nil, err
	}
	for _, file := range shared {
		files[filepath.Join(root, "lib/heartbeat", filepath.Base(file))] = file
	}
	return files, nil
}
