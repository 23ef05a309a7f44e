package node_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/config"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
	"github.com/optionc/pollux/daemon/format/haconf"
	"github.com/optionc/pollux/daemon/node"
)

// Of the groups that are asked about, and of those alone, the guests need memory. A host in a recording has 150 MiB
// free, and 96 with its guest test.
func TestRoomForGroups(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"web/web1": "name='web1'\nmemory=140\n", "db/db1": "name='db1'\nmemory=100\n", "test": "name='test'\nmemory=96\n",
	} {
		path := filepath.Join(dir, file)
		NewWithT(t).Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	}
	lines := "milo1 drbddisk::r1 xenHA::" + dir + "/web\nmilo2 drbddisk::r2 xenHA::" + dir + "/db\nmilo1 drbddisk::r3\n"
	groups, err := haconf.ParseResources("haresources", []byte(lines), []string{"milo1", "milo2"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for name, tc := range map[string]struct {
		digits    string
		displaced bool
		dumb      bool
		want      string
	}{
		"one that fits":     {digits: "100"},
		"another that fits": {digits: "010"},
		"both don't": {
			digits: "110", want: "240 MiB are needed (web1 140, db1 100), and there are 150: Xen has 150 MiB free; what runs here has 96: test 96",
		},
		"both do when another leaves": {digits: "110", displaced: true},
		"one without guests":          {digits: "001"},
		"nobody can tell":             {digits: "110", dumb: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			site := &config.Site{Node: "milo1", Groups: groups, HA: &haconf.HA{}}
			if tc.displaced {
				site.HA.Guests.Displaced = []haconf.Displaced{{Node: "milo1", Files: []string{filepath.Join(dir, "test")}}}
			}
			run := func(_ context.Context, p command.Program) (command.Result, error) {
				if tc.dumb {
					return command.Result{Code: -1}, command.ErrNotFound
				}
				file := map[string]string{"list": "list-running.txt", "info": "info.txt"}[p.Args[0]]
				rec, err := recorded.Load(filepath.Join("..", "driver", "xen", "testdata", file))
				g.Expect(err).NotTo(HaveOccurred())
				return rec.Answer(p)
			}
			err := node.RoomFor(t.Context(), run, site, tc.digits)
			if tc.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(tc.want))
		})
	}
}
