package xen_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/failover"
	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/xen"
)

func TestStatus(t *testing.T) {
	for name, tc := range map[string]struct {
		domains map[string]string
		want    failover.State
		text    string
	}{
		"none runs":      {map[string]string{"other": "r-----"}, failover.Stopped, "2 guests, none runs"},
		"all run":        {map[string]string{"web1": "-b----", "web2": "------"}, failover.Running, "web1, web2 running"},
		"one runs":       {map[string]string{"web2": "r-----"}, failover.Running, "web2 running; web1 does not run"},
		"a paused one":   {map[string]string{"web1": "--p---"}, failover.Running, "web1 is paused; web2 does not run"},
		"a kept crash":   {map[string]string{"web1": "---sc-"}, failover.Running, "web1 crashed; web2 does not run"},
		"shutting down":  {map[string]string{"web1": "--ps--"}, failover.Running, "web1 is shut down; web2 does not run"},
		"dying":          {map[string]string{"web1": "-----d"}, failover.Running, "web1 is dying; web2 does not run"},
		"a foreign name": {map[string]string{"my windows box": "-b----"}, failover.Stopped, "2 guests, none runs"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "web1", "web2")
			for name, state := range tc.domains {
				h.add(name, state)
			}
			state, text, err := h.guests().Status(t.Context())
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(state).To(Equal(tc.want))
			h.Expect(text).To(Equal(tc.text))
			h.Expect(h.calls).To(BeEmpty(), "status changes nothing")
		})
	}
}

func TestStatusOfRecordedTables(t *testing.T) {
	for recording, want := range map[string]string{
		"list-dom0": "1 guests, none runs", "list-running": "test running", "list-paused": "test is paused",
	} {
		t.Run(recording, func(t *testing.T) {
			h := newHost(t, "test")
			g := h.guests()
			g.Run = func(_ context.Context, p command.Program) (command.Result, error) { return h.answer(p, recording) }
			_, text, err := g.Status(t.Context())
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(text).To(Equal(want))
		})
	}
}

func TestStatusIsUnknownWhenXlCannotAnswer(t *testing.T) {
	for name, out := range map[string]string{
		"no table":       "",
		"a cut table":    "Name   ID   Mem VCPUs\tState\tTime(s)\n",
		"a cut line":     "Name   ID\nDomain-0   0   352     1\n",
		"a strange line": "Name   ID\nDomain-0   x   352     1     r-----     218.9\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "web1")
			g := h.guests()
			g.Run = func(_ context.Context, p command.Program) (command.Result, error) {
				return command.Exited(p, 0, []byte(out), nil)
			}
			state, text, err := g.Status(t.Context())
			h.Expect(err).To(MatchError(HavePrefix("status of the guests of ")))
			h.Expect(state).To(Equal(failover.Unknown))
			h.Expect(text).NotTo(BeEmpty())
		})
	}
	t.Run("no xenstored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t, "web1")
			h.hangs = true
			state, _, err := h.guests().Status(t.Context())
			h.Expect(err).To(MatchError(command.ErrKilled))
			h.Expect(state).To(Equal(failover.Unknown))
			h.Expect(h.guests().Start(t.Context())).To(MatchError(command.ErrKilled))
			h.Expect(h.guests().Stop(t.Context())).To(MatchError(command.ErrKilled))
		})
	})
}

func TestConfigurations(t *testing.T) {
	for name, tc := range map[string]struct {
		files   map[string]string
		want    string
		wantErr string
	}{
		"both quotes, and the last of two names": {
			files: map[string]string{"1": "kernel = 'x'\n  name='web1' # main\n", "2": "name = \"old\"\nname = \"web2\""},
			want:  "2 guests, none runs",
		},
		"editors' and packagers' leftovers": {
			files: map[string]string{"a.cfg~": "", ".a.swp": "", "a.dpkg-old": "", "#a#": "", "README": "hello"},
			want:  "no guests are configured in ",
		},
		"a comment is no name":  {files: map[string]string{"a": "# name = \"x\"\n"}, wantErr: "a names no guest"},
		"a name of nothing":     {files: map[string]string{"a": "name = ''\n"}, wantErr: `"" is no name of a guest`},
		"the same guest twice":  {files: map[string]string{"a": "name='x'\n", "b": "name='x'\n"}, wantErr: "both configure"},
		"a name that is a path": {files: map[string]string{"a": "name='../x'\n"}, wantErr: "is no name of a guest"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			for file, text := range tc.files {
				h.configure(file, text)
			}
			h.Expect(os.Mkdir(filepath.Join(h.dir, "old"), 0o700)).To(Succeed())
			state, text, err := h.guests().Status(t.Context())
			if tc.wantErr != "" {
				h.Expect(err).To(MatchError(ContainSubstring(tc.wantErr)))
				h.Expect(state).To(Equal(failover.Unknown))
				h.Expect(h.guests().Start(t.Context())).NotTo(Succeed())
				h.Expect(h.guests().Stop(t.Context())).NotTo(Succeed())
				return
			}
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(text).To(HavePrefix(tc.want))
			h.Expect(state).To(Equal(failover.Stopped))
		})
	}
	t.Run("a broken link", func(t *testing.T) {
		h := newHost(t)
		h.Expect(os.Symlink("../nowhere", filepath.Join(h.dir, "web1"))).To(Succeed())
		_, _, err := h.guests().Status(t.Context())
		h.Expect(err).To(MatchError(os.ErrNotExist))
	})
	t.Run("no directory", func(t *testing.T) {
		state, _, err := xen.Guests{Dir: filepath.Join(t.TempDir(), "no")}.Status(t.Context())
		NewWithT(t).Expect(err).To(MatchError(os.ErrNotExist))
		NewWithT(t).Expect(state).To(Equal(failover.Unknown))
	})
}
