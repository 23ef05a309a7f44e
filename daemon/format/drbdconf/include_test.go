package drbdconf_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
)

// Debian's drbd.conf is these two lines.
const debian = `include "drbd.d/global_common.conf";
include "drbd.d/*.res";
`

func TestInclude(t *testing.T) {
	g := NewWithT(t)
	f := files{
		conf:                             debian,
		"/etc/drbd.d/global_common.conf": "global { usage-count no; }\ncommon { net { timeout 30; } }\ninclude ../drbd.conf;",
		"/etc/drbd.d/b.res":              numbered("b", "2", ""),
		"/etc/drbd.d/a.res":              "include /etc/drbd.d/../drbd.d/b.res;\n" + numbered("a", "1", ""),
		"/etc/drbd.d/c.res.bak":          "not a configuration",
	}
	c, err := drbdconf.Parse(conf, f.read, f.glob)
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, r := range c.Resources {
		names = append(names, r.Name)
		g.Expect(r.Net.Timeout.Seconds()).To(Equal(3.0))
	}
	g.Expect(names).To(Equal([]string{"b", "a"}), "each file once, where it is first named")
	g.Expect(c.Resources[1].Pos.String()).To(Equal("/etc/drbd.d/a.res:2:1"))
	g.Expect(c.Global.UsageCount).To(Equal(drbdconf.UsageNo))
}

func TestIncludeOfNothing(t *testing.T) {
	g := NewWithT(t)
	_, err := parse("include \"drbd.d/*.res\";")
	g.Expect(err).NotTo(HaveOccurred(), "a pattern may match nothing")
	_, err = parse("\ninclude drbd.d/r1.res;")
	g.Expect(err).To(MatchError(
		"/etc/drbd.conf:2:9: include: read configuration /etc/drbd.d/r1.res: file does not exist",
	))
	_, err = parse("include \"[\";")
	g.Expect(err).To(MatchError("/etc/drbd.conf:1:9: include /etc/[: syntax error in pattern"))
}

func TestIncludeErrorHasItsOwnPlace(t *testing.T) {
	g := NewWithT(t)
	f := files{conf: debian, "/etc/drbd.d/global_common.conf": "", "/etc/drbd.d/r1.res": "resource r1 {\n  x y\n}"}
	_, err := drbdconf.Parse(conf, f.read, f.glob)
	g.Expect(err).To(MatchError("/etc/drbd.d/r1.res:3:1: found '}', want ';' or '{' after 'y'"))
}

func TestIncludeWithoutEnd(t *testing.T) {
	g := NewWithT(t)
	n := 0
	read := func(string) ([]byte, error) {
		n++
		return fmt.Appendf(nil, "include x%d;", n), nil
	}
	_, err := drbdconf.Parse(conf, read, files{}.glob)
	g.Expect(err).To(MatchError(ContainSubstring("want at most 16 files that include each other")))
	_, err = drbdconf.Parse(conf, func(string) ([]byte, error) { return make([]byte, 2<<20), nil }, files{}.glob)
	g.Expect(err).To(MatchError("read configuration /etc/drbd.conf: 2097152 bytes in all files, want at most 1048576"))
}
