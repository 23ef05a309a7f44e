package daemon_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/optionc/pollux/"

// A rule says what the packages under a folder may import of this module.
type rule struct {
	folder string
	ours   []string // folders of this module
	pure   bool     // also held to the bans of TestPurePackagesAreDeterministic
}

// rules is the import table of ARCHITECTURE.md. The first rule whose folder
// holds a package is the one for it. Test files are free. What ships stands
// in daemon and cmd, and no row of theirs names sim, faults, qemu or e2e.
var rules = []rule{
	{"daemon/format", []string{"daemon/format"}, true},
	{"daemon/core", []string{"daemon/format", "daemon/core"}, true},
	{"daemon/driver", []string{
		"daemon/format", "daemon/core", "daemon/driver/buffer", "daemon/driver/command", "daemon/driver/gather", "daemon/driver/newest",
	}, false},
	{"daemon/record", []string{"daemon/format", "daemon/core"}, false}, // clocks and files of what the cores do
	{"daemon", []string{"daemon"}, false},
	{"cmd", []string{"daemon", "cmd"}, false},
	{"faults/scenarios", []string{"faults"}, false}, // embeds its files
	{"faults", []string{"faults"}, true},
	{"sim", []string{"sim", "daemon/format", "daemon/core", "daemon/record", "faults"}, false},
	{"qemu", []string{"qemu", "faults", "daemon"}, false},
	{"e2e", []string{"e2e", "qemu", "faults", "daemon", "cmd"}, false},
	{"bench", []string{"bench", "qemu", "sim", "faults", "daemon", "cmd"}, false},
}

// allows says whether pkg, a package of the rule's folder, may import dep.
func (r rule) allows(pkg, dep string) bool {
	return slices.ContainsFunc(append(r.ours, driverOf(pkg)...), func(f string) bool { return in(dep, f) })
}

// driverOf gives the folder of the one driver that pkg is a part of: its parts
// may import each other.
func driverOf(pkg string) []string {
	rest, ok := strings.CutPrefix(pkg, "daemon/driver/")
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(rest, "/")
	return []string{"daemon/driver/" + name}
}

// ruleOf is the rule for a package.
func ruleOf(pkg string) (rule, bool) {
	at := slices.IndexFunc(rules, func(r rule) bool { return in(pkg, r.folder) })
	if at < 0 {
		return rule{}, false
	}
	return rules[at], true
}

func in(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range list(t, module+"...") {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		rule, ok := ruleOf(pkg)
		if !ok {
			t.Errorf("%s is in no folder of the import table", pkg)
			continue
		}
		for _, imp := range p.Imports {
			if dep, ours := strings.CutPrefix(imp, module); ours && !rule.allows(pkg, dep) {
				t.Errorf("%s imports %s: %s may import of ours only %v", pkg, dep, rule.folder, rule.ours)
			}
		}
	}
}

// A listed package is what "go list" says about one.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, Imports        []string
	DepOnly                 bool // asked for by no pattern, only imported
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go",
		append([]string{"list", "-json=ImportPath,Dir,Export,GoFiles,Imports,DepOnly"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("answer of go list %v: %v", args, err)
		}
		all = append(all, p)
	}
}
