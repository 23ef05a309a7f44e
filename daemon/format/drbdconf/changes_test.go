package drbdconf_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestChangesAreNamed(t *testing.T) {
	const text = `resource r1 { net { ping-int 5; } disk { resync-rate 10M; }
	on a { device /dev/drbd1; disk /dev/sda; address 10.0.0.1:7789; meta-disk internal; }
	on b { device /dev/drbd1; disk /dev/sda; address 10.0.0.2:7789; meta-disk internal; }
}
`
	for name, tc := range map[string]struct {
		old, now string
		want     []string
	}{
		"nothing":            {"", "", nil},
		"a default spelt":    {"ping-int 5;", "ping-int 5; connect-int 10;", nil},
		"options":            {"ping-int 5; } disk { resync-rate 10M;", "ping-int 6; } disk { resync-rate 20M;", []string{"net ping-int", "disk resync-rate"}},
		"the peer's address": {"10.0.0.2", "10.0.0.3", []string{"hosts"}},
		"a disk":             {"disk /dev/sda; address 10.0.0.1", "disk /dev/sdb; address 10.0.0.1", []string{"hosts"}},
		"the engine":         {"resource r1 {", "resource r1 { engine kernel;", []string{"engine"}},
		"a handler":          {"resource r1 {", "resource r1 { handlers { split-brain true; }", []string{"handlers split-brain"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			old, err := parseText(text)
			g.Expect(err).NotTo(HaveOccurred())
			now, err := parseText(strings.Replace(text, tc.old, tc.now, 1))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(old.Resources[0].Changes(&now.Resources[0], "a")).To(Equal(tc.want))
		})
	}
}
