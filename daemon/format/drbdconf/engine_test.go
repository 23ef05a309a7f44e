package drbdconf_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// parseText parses a file of that text.
func parseText(text string) (*drbdconf.Config, error) {
	return drbdconf.Parse("/etc/drbd.conf", func(string) ([]byte, error) { return []byte(text), nil },
		func(string) ([]string, error) { return nil, nil })
}

func TestAnEngineIsNamedInAResourceOrInCommon(t *testing.T) {
	const hosts = `
	on a { device /dev/drbd1; disk /dev/sda; address 10.0.0.1:7789; meta-disk internal; }
	on b { device /dev/drbd1; disk /dev/sda; address 10.0.0.2:7789; meta-disk internal; }
}
`
	for name, tc := range map[string]struct {
		text string
		want drbdconf.Engine
		err  string
	}{
		"nothing":             {"resource r1 {" + hosts, drbdconf.EnginePollux, ""},
		"a resource":          {"resource r1 { engine kernel;" + hosts, drbdconf.EngineKernel, ""},
		"common":              {"common { engine kernel; }\nresource r1 {" + hosts, drbdconf.EngineKernel, ""},
		"a resource first":    {"common { engine kernel; }\nresource r1 { engine pollux;" + hosts, drbdconf.EnginePollux, ""},
		"one that is no such": {"resource r1 { engine steam;" + hosts, 0, "found 'steam', want one of pollux, kernel"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, err := parseText(tc.text)
			if tc.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			r := c.Resources[0]
			g.Expect(r.Engine).To(Equal(tc.want))
			g.Expect(strings.Contains(r.Dump(), "engine")).To(Equal(tc.want == drbdconf.EngineKernel))
			again, err := parseText(r.Dump())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again.Resources[0].Engine).To(Equal(tc.want))
			r.Engine = drbdconf.EnginePollux
			g.Expect(r.Dump()).NotTo(ContainSubstring("engine"), "what DRBD's tools can read")
		})
	}
}
