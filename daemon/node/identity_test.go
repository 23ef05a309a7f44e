package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/node"
)

// run is one life of a daemon: it ends cleanly, or dies.
func run(t *testing.T, dir string, clean bool) node.Identity {
	t.Helper()
	g := NewWithT(t)
	id, err := node.Identify(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id.Claim()).To(Succeed())
	if clean {
		g.Expect(id.EndCleanly()).To(Succeed())
	}
	g.Expect(id.Die()).To(Succeed())
	return id
}

func TestANewNodeIsANewOne(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "var", "lib")
	id := run(t, dir, true)
	g.Expect(id.Is().UUID).NotTo(BeZero())
	g.Expect(id.Is().Generation).To(BeNumerically("~", time.Now().Unix(), 60), "later than that of any node that was lost")
	g.Expect(id.Crashed()).To(BeFalse())
	g.Expect(run(t, t.TempDir(), true).Is().UUID).NotTo(Equal(id.Is().UUID))
}

func TestEachRunIsANewGenerationOfTheSameNode(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	first := run(t, dir, true)
	for n := range uint64(3) {
		next := run(t, dir, true)
		g.Expect(next.Is().UUID).To(Equal(first.Is().UUID))
		g.Expect(next.Is().Generation).To(Equal(first.Is().Generation + 1 + n))
		g.Expect(next.Is().Seed).NotTo(Equal(first.Is().Seed))
		g.Expect(next.Crashed()).To(BeFalse())
	}
}

func TestARunThatDidNotEndIsACrash(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	first := run(t, dir, false)
	second := run(t, dir, false)
	g.Expect(second.Crashed()).To(BeTrue())
	g.Expect(second.Is().Generation).To(Equal(first.Is().Generation + 1))
	g.Expect(run(t, dir, true).Crashed()).To(BeTrue())
	g.Expect(run(t, dir, true).Crashed()).To(BeFalse())
}

func TestAStartThatIsGivenUpLeavesNoTrace(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	id, err := node.Identify(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id.Die()).To(Succeed())
	g.Expect(os.ReadDir(dir)).To(BeEmpty())
	before := run(t, dir, true)
	id, err = node.Identify(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id.Die()).To(Succeed())
	after := run(t, dir, true)
	g.Expect(after.Is().Generation).To(Equal(before.Is().Generation + 1))
	g.Expect(after.Crashed()).To(BeFalse())
}

func TestAStateHasOneDaemon(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	first, err := node.Identify(dir)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = node.Identify(dir)
	g.Expect(err).To(MatchError(ContainSubstring("another polluxd runs with it")))
	g.Expect(first.Die()).To(Succeed())
	run(t, dir, true)
}

func TestTheFilesAreHeartbeats(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	uuid := strings.Repeat("\x42", 16)
	g.Expect(os.WriteFile(filepath.Join(dir, "hb_uuid"), []byte(uuid), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "hb_generation"), []byte("     1130000000\n"), 0o600)).To(Succeed())
	id := run(t, dir, true)
	g.Expect(id.Is().UUID).To(BeEquivalentTo([16]byte([]byte(uuid))))
	g.Expect(id.Is().Generation).To(BeEquivalentTo(1130000001))
	g.Expect(os.ReadFile(filepath.Join(dir, "hb_generation"))).To(BeEquivalentTo("     1130000001\n"))
}

func TestAFileThatIsBrokenIsNotGuessed(t *testing.T) {
	for name, tc := range map[string]struct{ file, text, want string }{
		"a generation that is none":     {"hb_generation", "yesterday", `found "yesterday", want a number: remove it`},
		"a generation that is empty":    {"hb_generation", "", `found "", want a number`},
		"a generation below zero":       {"hb_generation", "-7\n", "want a number"},
		"a generation that can't grow":  {"hb_generation", "18446744073709551615\n", "want a number"},
		"a generation of another world": {"hb_generation", strings.Repeat("9", 4000), "want a number"},
		"a uuid that is cut":            {"hb_uuid", "seven b", "found 7 bytes, want 16: remove it"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := t.TempDir()
			path := filepath.Join(dir, tc.file)
			g.Expect(os.WriteFile(path, []byte(tc.text), 0o600)).To(Succeed())
			_, err := node.Identify(dir)
			g.Expect(err).To(MatchError(And(HavePrefix(path), ContainSubstring(tc.want))))
			g.Expect(len(err.Error())).To(BeNumerically("<", 400))
			g.Expect(os.ReadFile(path)).To(BeEquivalentTo(tc.text), "it is left as it was")
			g.Expect(os.Remove(path)).To(Succeed())
			run(t, dir, true) // as the error said
		})
	}
}

func TestANodeThatRanHeartbeatStaysTheSame(t *testing.T) {
	g := NewWithT(t)
	dir, heartbeat := t.TempDir(), t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(heartbeat, "hb_uuid"), []byte("0123456789abcdef"), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(heartbeat, "hb_generation"), []byte("     1795662495\n"), 0o644)).To(Succeed())
	id, err := node.IdentifyBeside(dir, heartbeat)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(id.Claim()).To(Succeed())
	uuid := id.Is().UUID
	g.Expect(string(uuid[:])).To(Equal("0123456789abcdef"))
	g.Expect(id.Is().Generation).To(BeEquivalentTo(1795662496))
	g.Expect(os.ReadFile(filepath.Join(heartbeat, "hb_generation"))).To(BeEquivalentTo("     1795662496\n"))
	g.Expect(id.Remember("Milo1", "milo2", [16]byte{15: 1})).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(heartbeat, "hostcache"))).To(BeEquivalentTo(
		"milo1\t30313233-3435-3637-3839-616263646566\t100\t\nmilo2\t00000000-0000-0000-0000-000000000001\t100\t\n"))
	g.Expect(filepath.Join(dir, "hb_generation")).NotTo(BeAnExistingFile())
	g.Expect(id.Die()).To(Succeed())
}

func TestWhatIsKeptIsThereForTheNextRun(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	first := run(t, dir, true)
	g.Expect(first.Kept()).To(BeEmpty())
	g.Expect(first.Keep(2, "off 2")).To(Succeed())
	g.Expect(first.Keep(1, "on 1")).To(Succeed())
	g.Expect(run(t, dir, false).Kept()).To(Equal("off 2\n"), "what was asked for last")
	g.Expect(run(t, dir, true).Kept()).To(Equal("off 2\n"))
}

func TestWhenGroupsWentBackIsThereForTheNextRun(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	at := time.Unix(1_795_686_000, 0)
	first := run(t, dir, true)
	g.Expect(first.SinceFailback(at)).To(BeZero())
	g.Expect(first.KeepFailback(at)).To(Succeed())
	next := run(t, dir, false)
	g.Expect(next.SinceFailback(at.Add(time.Hour))).To(Equal(time.Hour))
	g.Expect(next.SinceFailback(at.Add(-time.Hour))).To(BeEquivalentTo(1), "the clock was set back")
	g.Expect(os.ReadDir(dir)).NotTo(ContainElement(HaveField("Name()", HaveSuffix(".new"))))
	g.Expect(os.WriteFile(filepath.Join(dir, "failback"), []byte("1795"), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "failback.new"), []byte("torn"), 0o644)).To(Succeed())
	g.Expect(run(t, dir, true).SinceFailback(time.Unix(1800, 0))).To(Equal(5*time.Second), "half a write changes nothing")
	g.Expect(os.WriteFile(filepath.Join(dir, "failback"), []byte("yesterday"), 0o644)).To(Succeed())
	g.Expect(run(t, dir, true).SinceFailback(at)).To(BeZero())
}
