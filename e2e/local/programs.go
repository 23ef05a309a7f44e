package local

import (
	"context"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Programs are the commands as they are shipped.
type Programs struct{ dir string }

// Build builds the commands; they go with the spec or suite that asked.
func Build(ctx context.Context) *Programs {
	GinkgoHelper()
	p := &Programs{dir: GinkgoT().TempDir()}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", p.dir+"/",
		"github.com/optionc/pollux/cmd/...")
	build.Env = append(build.Environ(), "CGO_ENABLED=0") // as in the Makefile, whose cache it shares
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	return p
}

// Path is where a command is.
func (p *Programs) Path(name string) string { return filepath.Join(p.dir, name) }

// Polluxd is the command that runs the daemon of a node. Of a flag that is
// there twice, the later one counts.
func (p *Programs) Polluxd(n *Node, more ...string) *exec.Cmd {
	args := []string{
		"--config-dir", n.ConfigDir(), "--state-dir", n.StateDir(), "--run-dir", n.RunDir(), "--bind", n.Address,
		"--node", n.Name, "--frontend", "nbd-socket",
	}
	return exec.Command(p.Path("polluxd"), append(args, more...)...)
}

// Pollux is a command of an administrator of a node.
func (p *Programs) Pollux(n *Node, args ...string) *exec.Cmd {
	return exec.Command(p.Path("pollux"),
		append([]string{"--config-dir", n.ConfigDir(), "--run-dir", n.RunDir(), "--node", n.Name}, args...)...)
}
