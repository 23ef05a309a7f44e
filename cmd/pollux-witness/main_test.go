package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A witness that would answer nobody, or give nothing, does not start.
func TestWhatAWitnessRefuses(t *testing.T) {
	pin := strings.Repeat("a", 64)
	for name, tc := range map[string]struct{ flags, nodes, want string }{
		"a lease of no length": {"--longest 0s", "site milo1 " + pin, "--longest: found 0s, want a time as long as 'lease'"},
		"a pin that is short":  {"", "site milo1 abc", `line 1: found "site milo1 abc", want CLUSTER NODE PIN, a pin of 64`},
		"nobody who may ask":   {"", "# nobody\n", "found no node, want a line CLUSTER NODE PIN"},
		"no address":           {"--listen nowhere", "site milo1 " + pin, "listen tcp: address nowhere: missing port"},
		"a file that is none":  {"--nodes /nowhere", "", "read who may ask, a line CLUSTER NODE PIN for each node: open /nowhere"},
		"a time without unit":  {"--longest 30", "", "missing unit in duration"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := t.TempDir()
			nodes := filepath.Join(dir, "nodes")
			g.Expect(os.WriteFile(nodes, []byte(tc.nodes), 0o600)).To(Succeed())
			root := newRoot()
			root.SetArgs(append([]string{"run", "--key", filepath.Join(dir, "key"), "--nodes", nodes}, strings.Fields(tc.flags)...))
			g.Expect(root.ExecuteContext(t.Context())).To(MatchError(ContainSubstring(tc.want)))
		})
	}
}
