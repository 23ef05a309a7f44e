package daemon_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// TestPurePackagesAreDeterministic holds the pure packages to the bans: a
// recorded run replays to the same effects only while they are kept.
func TestPurePackagesAreDeterministic(t *testing.T) {
	var patterns []string
	for _, p := range list(t, module+"...") {
		if rule, ok := ruleOf(strings.TrimPrefix(p.ImportPath, module)); ok && rule.pure {
			patterns = append(patterns, p.ImportPath)
		}
	}
	for _, found := range findings(t, patterns...) {
		t.Error(found)
	}
}

// TestBansAreFound shows that the bans bite: in the sample each line ends with
// what must be found there, and nothing else may be.
func TestBansAreFound(t *testing.T) {
	g := NewWithT(t)
	const sample = "./testdata/impure"
	source, err := os.ReadFile(filepath.Join(sample, "impure.go"))
	g.Expect(err).NotTo(HaveOccurred())

	var want []any
	for i, line := range strings.Split(string(source), "\n") {
		_, bans, _ := strings.Cut(line, "// banned: ")
		for ban := range strings.SplitSeq(bans, "; ") {
			if ban != "" {
				want = append(want, HaveSuffix(fmt.Sprintf("impure.go:%d: %s", i+1, ban)))
			}
		}
	}
	g.Expect(want).NotTo(BeEmpty())
	g.Expect(findings(t, sample)).To(ConsistOf(want...))
}

// findings gives each breach of a ban in the packages that match, as
// "file:line: what".
func findings(t *testing.T, patterns ...string) []string {
	t.Helper()
	packages := list(t, append([]string{"-export", "-deps"}, patterns...)...)
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})

	var found []string
	for _, p := range packages {
		if p.DepOnly {
			continue
		}
		c := check{
			path: p.ImportPath,
			fset: fset,
			info: types.Info{
				Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
				Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
			},
			found: map[string]bool{},
		}
		for _, name := range p.GoFiles {
			path, err := filepath.Rel(here, filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, file)
		}
		conf := types.Config{Importer: imports}
		if _, err := conf.Check(p.ImportPath, fset, c.files, &c.info); err != nil {
			t.Fatalf("types of %s: %v", p.ImportPath, err)
		}
		found = append(found, c.run()...)
	}
	return found
}
