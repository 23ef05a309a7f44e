package demo_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// Both daemons of a demo record what happens to their cores, as they do
// everywhere. What they recorded is replayed to every effect and decision; with
// one thing changed the end is another.
func TestDemoIsReplayed(t *testing.T) {
	programs := build(t)
	dir := filepath.Join(t.TempDir(), "demo")
	run(t, filepath.Join(programs, "pollux"), "demo", "--keep", "--dir", dir, "--size", "96")
	replay := filepath.Join(programs, "polluxsim")

	milo1, milo2 := recordings(t, dir, "milo1"), recordings(t, dir, "milo2")
	told := run(t, replay, slices.Concat([]string{"replay"}, milo1, milo2)...)
	g := NewWithT(t)
	for _, node := range []string{"milo1", "milo2"} {
		inputs := 0
		for _, m := range regexp.MustCompile(`(?m)^.*: `+node+` from .*, (\d+) inputs, \d+ effects: (.*)$`).FindAllStringSubmatch(told, -1) {
			g.Expect(m[2]).To(Equal("all as recorded"), "%s", m[0])
			n, err := strconv.Atoi(m[1])
			g.Expect(err).NotTo(HaveOccurred())
			inputs += n
		}
		g.Expect(inputs).To(BeNumerically(">", 1000), "%s recorded the guest's writes", node)
	}
	const died = "counts its peer as dead"
	g.Expect(run(t, replay, slices.Concat([]string{"replay"}, milo2)...)).To(ContainSubstring(died))

	other := run(t, replay, slices.Concat([]string{"replay"}, milo2, []string{"--what-if", "deadtime 10m"})...)
	g.Expect(other).To(ContainSubstring(": other than recorded, first at "))
	g.Expect(other).NotTo(ContainSubstring(died), "its peer is back before that")
}

// build builds the commands as they are shipped, and the simulator.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", dir+"/",
		"github.com/optionc/pollux/cmd/...", "github.com/optionc/pollux/sim/polluxsim")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0") // as in the Makefile, whose cache it shares
	out, err := cmd.CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s", out)
	return dir
}

// run runs a program that must succeed, and gives what it says: also when it hangs,
// before the test itself is ended.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s %v:\n%s", program, args, out)
	return string(out)
}

// recordings are the parts of a node's ring, in their order.
func recordings(t *testing.T, dir, node string) []string {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, node, "state", "recording", node+"-*.rec"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(parts).NotTo(BeEmpty(), "%s records", node)
	return parts
}
