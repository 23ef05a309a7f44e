package recorded_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/driver/command"
	"github.com/optionc/pollux/daemon/driver/command/recorded"
)

func TestLoad(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    recorded.Recording
		wantErr string
	}{
		"both outputs, one without a last newline": {
			text: "#host milo1\n#state up\n#cmd a; b\n#exit 5\n#ms 7\n#stdout 5\n#a\nb\n#stderr 3\nno\n#end\n",
			want: recorded.Recording{
				Host: "milo1", State: "up", Command: "a; b", Code: 5, Stdout: []byte("#a\nb\n"), Stderr: []byte("no\n"),
			},
		},
		"a last newline that was added": {
			text: "#stdout 2\n#a\n#end\n",
			want: recorded.Recording{Stdout: []byte("#a")},
		},
		"too short":   {text: "#stdout 20\nab\n#end\n", wantErr: "left"},
		"no number":   {text: "#stdout x\n", wantErr: "invalid syntax"},
		"no end":      {text: "#host a\n", wantErr: "no #end"},
		"another key": {text: "#hosts a\n", wantErr: "no known key"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			path := filepath.Join(t.TempDir(), "x.txt")
			g.Expect(os.WriteFile(path, []byte(tc.text), 0o600)).To(Succeed())
			rec, err := recorded.Load(path)
			if tc.wantErr != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.wantErr)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(rec).To(Equal(tc.want))
		})
	}
}

func TestAnswer(t *testing.T) {
	g := NewWithT(t)
	r, err := recorded.Recording{Code: 1, Stderr: []byte("no\n")}.Answer(command.Program{Name: "xl"})
	g.Expect(r.Code).To(Equal(1))
	g.Expect(err).To(MatchError("xl: exit status 1: no"))
}
