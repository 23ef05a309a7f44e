package check_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/check"
	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/driver/xen"
)

// onXen is a machine of 511 MiB of which 150 are free, on which a guest test has 96.
func onXen(t *testing.T, p command.Program) (command.Result, error) {
	t.Helper()
	name := map[string]string{"list": "list-running", "info": "info"}[p.Args[0]]
	rec, err := recorded.Load(filepath.Join("..", "driver", "xen", "testdata", name+".txt"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return rec.Answer(p)
}

func TestGuestsThatCouldNotStart(t *testing.T) {
	for name, tc := range map[string]struct {
		files    map[string]string // below xen
		displace string
		absent   bool // xl
		caps     string
		want     []any
	}{
		"they find room": {files: map[string]string{"ha.d/web1": "name='web1'\nmemory=150\n"}},
		"they have it already": {files: map[string]string{
			"ha.d/web1": "name='web1'\nmemory=150\n", "ha.d/test": "name='test'\nmemory=96\n",
		}},
		"they don't": {
			files: map[string]string{"ha.d/web1": "name='web1'\nmemory=100\n", "ha.d/web2": "name='web2'\nmemory=100\n"},
			want: []any{And(HavePrefix("MEND"), ContainSubstring("can't take the guests over: 200 MiB are needed (web1 100, web2 "+
				"100), and there are 150: Xen has 150 MiB free; what runs here has 96: test 96. "))},
		},
		"what makes room has it": {
			files:    map[string]string{"ha.d/web1": "name='web1'\nmemory=246\n", "own": "name='test'\nmemory=96\n"},
			displace: "own",
		},
		"what makes room is one of them": {
			files:    map[string]string{"ha.d/web1": "name='web1'\n", "own": "name='web1'\n"},
			displace: "own", want: []any{And(HavePrefix("MEND"), ContainSubstring(`both configure the guest "web1"`))},
		},
		"nobody is there who makes room": {
			files: map[string]string{"ha.d/web1": "name='web1'\n"}, displace: "own",
			want: []any{And(HavePrefix("MEND"), ContainSubstring("own: no such file"))},
		},
		"a mistake": {
			files: map[string]string{"ha.d/web1": "name='web1'\npollux_order=-1\npollux_shutdown='2 min'\n"},
			want: []any{ContainSubstring(`found pollux_order = "-1", want`), And(HavePrefix("MEND"), ContainSubstring(
				`found pollux_shutdown = "2 min", want a number from 0 to 86400; `+"until then it counts as not said"))},
		},
		"a live migration is asked for": {
			files: map[string]string{"ha.d/web1": "name='web1'\npollux_move='live'\n"},
			want: []any{
				ContainSubstring(`found pollux_move = "live", want "save" or "stop"`),
				HaveSuffix(`web1: no live migration, for which both nodes would have to be Primary; pollux_move = "save" takes the ` +
					"memory along. This Xen couldn't either: virt_caps of xl info has neither shadow nor hap (pv hvm gnttab-v1 gnttab-v2)"),
			},
		},
		"a Xen that could": {
			files: map[string]string{"ha.d/web1": "name='web1'\npollux_move='live'\n"}, caps: "pv hvm hap shadow",
			want: []any{Not(BeEmpty()), HaveSuffix(". Xen could")},
		},
		"a Xen that could in part": {
			files: map[string]string{"ha.d/web1": "name='web1'\npollux_move='live'\n"}, caps: "pv hvm hap",
			want: []any{Not(BeEmpty()), HaveSuffix("for guests of type hvm and pvh; for pv it was built without shadow paging")},
		},
		"no directory": {want: []any{And(HavePrefix("MEND"), ContainSubstring("ha.d: no such file"))}},
		"no xl": {
			files: map[string]string{"ha.d/web1": "name='web1'\n"}, absent: true,
			want: []any{HaveSuffix("xl is not there: this node can start no guest")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			site := seed(t)
			for file, text := range tc.files {
				path := filepath.Join(site.Dir, "xen", file)
				g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
			}
			host := milo1(t)
			before := check.Site(site, host)
			host.Guests = func(site *config.Site) xen.Survey {
				var displaced []string
				if tc.displace != "" {
					displaced = append(displaced, filepath.Join(site.Dir, "xen", tc.displace))
				}
				run := func(_ context.Context, p command.Program) (command.Result, error) {
					if tc.absent {
						return command.Result{Code: -1}, command.ErrNotFound
					}
					out, err := onXen(t, p)
					if tc.caps != "" {
						out.Stdout = bytes.Replace(out.Stdout, []byte("pv hvm gnttab-v1 gnttab-v2"), []byte(tc.caps), 1)
					}
					return out, err
				}
				return xen.Look(t.Context(), xen.Guests{XLConf: "/none", Run: run}, site.GuestDirs(), displaced)
			}
			var more []string
			for _, f := range check.Site(site, host)[len(before):] {
				more = append(more, f.String())
			}
			g.Expect(more).To(HaveExactElements(tc.want...))
		})
	}
}
