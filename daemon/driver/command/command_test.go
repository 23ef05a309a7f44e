package command_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
)

func TestProgramString(t *testing.T) {
	for want, p := range map[string]command.Program{
		"lvs --noheadings my_vg":                  {Name: "lvs", Args: []string{"--noheadings", "my_vg"}},
		`echo '' 'it'\''s' '$HOME'`:               {Name: "echo", Args: []string{"", "it's", "$HOME"}},
		`vgs --config 'filter=["a|/dev/drbd1|"]'`: {Name: "vgs", Args: []string{"--config", `filter=["a|/dev/drbd1|"]`}},
	} {
		t.Run(want, func(t *testing.T) { NewWithT(t).Expect(p.String()).To(Equal(want)) })
	}
}

func TestExitedSaysTheCause(t *testing.T) {
	for name, tc := range map[string]struct{ stdout, stderr, want string }{
		"stderr, in one line":       {"0 active", " in use.\n\n Can't deactivate\n", "in use.; Can't deactivate"},
		"stdout if stderr is empty": {"not running\n", " \n", "not running"},
		"nothing":                   {"", "", ""},
		"the last lines of many": {
			"", strings.Repeat("a line of some forty bytes, more or less\n", 100) + "the cause\n",
			strings.Repeat("a line of some forty bytes, more or less; ", 9) + "the cause",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, err := command.Exited(command.Program{Name: "x"}, 1, []byte(tc.stdout), []byte(tc.stderr))
			g.Expect(r.Code).To(Equal(1))
			want := "x: exit status 1"
			if tc.want != "" {
				want += ": " + tc.want
			}
			g.Expect(err).To(MatchError(want))
		})
	}
	_, err := command.Exited(command.Program{}, 0, nil, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}
