package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestFailuresAreExplained(t *testing.T) {
	g := NewWithT(t)
	out, _, err := pollux(t, "explain", "failures", "--config-dir", seed(t), "--node", "milo1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HavePrefix("drbddisk::r1 on milo1 (policy last-man, deadtime "))
	lines := strings.Split(out, "\n")
	g.Expect(strings.Join(strings.Fields(lines[2]), " ")).To(Equal("WHEN THIS FAILS GUESTS RUN ON AWAY AT MOST WHY"))
	row := func(what string) string {
		for _, line := range lines {
			if strings.HasPrefix(line, "  "+what+"   ") {
				return strings.Join(strings.Fields(strings.TrimPrefix(line, "  "+what)), " ")
			}
		}
		return ""
	}
	g.Expect(row("milo1")).To(MatchRegexp(`^milo2 \d+ s \+ start milo2 takes over$`))
	g.Expect(row("all links between the nodes")).To(And(HavePrefix("BOTH 10.5 s milo1 goes on alone"), ContainSubstring("DATA: both write")))
	g.Expect(row("replication link, then milo1")).To(Equal("NOWHERE until it is mended milo2 does not take over with old data"))
	g.Expect(row("milo1 and milo2")).To(Equal("NOWHERE until it is mended nobody is left who could run them"))
	g.Expect(row("disk of milo1")).To(Equal("milo1 - the guests on milo1 go on with the disk of milo2"))
	for _, line := range lines {
		g.Expect(strings.TrimRight(line, " ")).To(Equal(line))
	}
}
