package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestHistoryOutlivesTheDaemonAndStaysSmall(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), historyFile)
	g.Expect(newHistory(path).read()).To(BeEmpty())
	h := newHistory(path)
	h.note("the first\nof two lines")
	h.done.Wait()
	h = newHistory(path)
	h.note("the second")
	text, err := h.read()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(text, "\n")).To(HaveExactElements(
		HaveSuffix(" the first of two lines"), HaveSuffix(" the second"), ""))
	for i := range 30 {
		h.note(fmt.Sprintf("%d %s", i, strings.Repeat("x", maxHistory/20)))
		h.done.Wait()
	}
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Size()).To(BeNumerically("<=", maxHistory))
	text, err = h.read()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(And(ContainSubstring(" 29 xxx"), Not(ContainSubstring("the first"))))
	for line := range strings.Lines(text) {
		g.Expect(line).To(MatchRegexp(`^2\d\d\d-\d\d-\d\dT\S+Z \d+ x+\n$`), "no line is cut")
	}
}
