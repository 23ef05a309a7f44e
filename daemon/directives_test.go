package daemon_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/format/drbdconf"
	"github.com/optionc/pollux/daemon/format/haconf"
)

// docs/DIRECTIVES.md lists every word of the configuration files. Its tables
// stand below a comment that says of what: "<!-- words: ha.cf -->". Where the
// code has a table of the words, the columns between the first and the last one
// are the code's; -update writes them. The last column is for people.
const directivesPage = "../docs/DIRECTIVES.md"

var update = flag.Bool("update", false, "write what the code says into "+directivesPage)

// described is one word as the code has it.
type described struct {
	name  string
	cells []string // nil: the page alone has them
	note  string   // "" is for people to write
}

func TestThePageOfDirectivesIsTrue(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(directivesPage)
	g.Expect(err).NotTo(HaveOccurred())
	page, empty := string(text), []string(nil)
	for _, title := range []string{"global", "net", "disk", "startup", "options", "handlers"} {
		page, empty = refresh(t, page, "drbd.conf "+title, drbdWords(title), empty)
	}
	page, empty = refresh(t, page, "drbd.conf statements", statements(t), empty)
	page, empty = refresh(t, page, "drbd.conf syncer", syncerWords(t), empty)
	page, empty = refresh(t, page, "ha.cf", haWords(), empty)
	page, empty = refresh(t, page, "haresources", builtins(t), empty)
	page, empty = refresh(t, page, "guests", guestWords(t), empty)
	page, empty = refresh(t, page, "lvm.conf", lvmWords(t), empty)
	if *update {
		g.Expect(os.WriteFile(directivesPage, []byte(page), 0o644)).To(Succeed())
	}
	const remedy = "docs/DIRECTIVES.md does not say what the code does: run 'make directives', which writes names, values " +
		"and defaults there, look at what it changed, and describe in the last column what each new word does"
	if !*update && page != string(text) {
		t.Errorf("%s\n%s", remedy, firstDifference(string(text), page))
	}
	for _, name := range empty {
		t.Errorf("docs/DIRECTIVES.md: the last column of %s is empty: say there what pollux does with it, and how that "+
			"differs from DRBD or Heartbeat; begin with **pollux** if they don't know the word, and move the row where it belongs", name)
	}
}

func firstDifference(has, want string) string {
	a, b := strings.Split(has, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n  has  %s\n  want %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// refresh gives the tables of one kind the words of the code. Rows keep their
// order; a word that has no row gets one at the end of the last table.
func refresh(t *testing.T, page, kind string, words []described, empty []string) (string, []string) {
	t.Helper()
	marker := "<!-- words: " + kind + " -->\n"
	parts := strings.Split(page, marker)
	if len(parts) < 2 {
		t.Fatalf("%s: found no table below %q", directivesPage, marker)
	}
	seen := map[string]bool{}
	for i := 1; i < len(parts); i++ {
		table, rest, _ := strings.Cut(parts[i], "\n\n")
		rows := strings.Split(strings.TrimRight(table, "\n"), "\n")
		kept := rows[:2:2] // the head
		for _, row := range rows[2:] {
			cells := cellsOf(row)
			name := strings.Trim(cells[0], "`")
			at := slices.IndexFunc(words, func(w described) bool { return w.name == name })
			if at < 0 || seen[name] {
				continue
			}
			seen[name] = true
			kept = append(kept, words[at].row(cells))
		}
		if i == len(parts)-1 {
			for _, w := range words {
				if !seen[w.name] {
					kept = append(kept, w.row(make([]string, len(cellsOf(rows[0])))))
				}
			}
		}
		for _, row := range kept[2:] {
			if cells := cellsOf(row); cells[len(cells)-1] == "" {
				empty = append(empty, cells[0]+" in "+kind)
			}
		}
		parts[i] = strings.Join(kept, "\n") + "\n\n" + strings.TrimLeft(rest, "\n")
	}
	return strings.Join(parts, marker), empty
}

// row is the row of a word; old are the cells that it had.
func (w described) row(old []string) string {
	note := old[len(old)-1]
	if w.note != "" {
		note = w.note
	}
	middle := old[1 : len(old)-1]
	if w.cells != nil {
		middle = w.cells
	}
	row := slices.Concat([]string{"`" + w.name + "`"}, middle, []string{note})
	for i := range row {
		row[i] = strings.ReplaceAll(row[i], "|", "/")
	}
	return strings.Join(strings.Fields("| "+strings.Join(row, " | ")+" |"), " ")
}

// cellsOf cuts a row of a table; what stands in a cell has no '|'.
func cellsOf(row string) []string {
	cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func code(text string) string {
	if text == "" {
		return "-"
	}
	return "`" + text + "`"
}

func drbdWords(section string) (all []described) {
	for _, w := range drbdconf.Words() {
		switch {
		case w.Section != section:
		case w.Ignored != "":
			all = append(all, described{w.Name, []string{"-", "-"}, "Passed over, with a warning: " + w.Ignored + "."})
		default:
			all = append(all, described{w.Name, []string{w.Values, code(w.Default)}, ""})
		}
	}
	return all
}

func haWords() (all []described) {
	for _, w := range haconf.Words() {
		values := w.Values
		for _, told := range []string{": a number, for seconds", " (or true, yes"} { // which stands above the tables
			values, _, _ = strings.Cut(values, told)
		}
		switch {
		case values == "":
			values = "anything"
		case strings.HasSuffix(values, "remove the line"):
			values = "-"
		}
		if w.Many {
			values += "; on many lines"
		}
		all = append(all, described{w.Name, []string{values, code(w.Default)}, ""})
	}
	return all
}

// statements are the words that begin a statement of drbd.conf: what the code
// switches upon.
func statements(t *testing.T) (all []described) {
	t.Helper()
	return inCode(t, "format/drbdconf", func(n ast.Node) (found []ast.Expr) {
		s, ok := n.(*ast.SwitchStmt)
		if !ok {
			return nil
		}
		if call, ok := s.Tag.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "word" {
				for _, c := range s.Body.List {
					found = append(found, c.(*ast.CaseClause).List...)
				}
			}
		}
		return found
	}, "body.go", "host.go", "link.go")
}

func syncerWords(t *testing.T) []described {
	t.Helper()
	all := inCode(t, "format/drbdconf", func(n ast.Node) []ast.Expr {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "syncerWords" {
			return nil
		}
		return keysOf(v.Values[0])
	}, "legacy.go")
	return append(all, inCode(t, "format/drbdconf", func(n ast.Node) (found []ast.Expr) {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "syncerOption" {
			return nil
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if c, ok := n.(*ast.CaseClause); ok {
				found = append(found, c.List...)
			}
			return true
		})
		return found
	}, "legacy.go")...)
}

func builtins(t *testing.T) []described {
	t.Helper()
	return append([]described{{name: "drbddisk"}}, inCode(t, "node", func(n ast.Node) []ast.Expr {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return nil
		}
		if key, ok := kv.Key.(*ast.Ident); !ok || key.Name != "Builtin" {
			return nil
		}
		return keysOf(kv.Value)
	}, "steps.go")...)
}

// guestWords are what pollux adds to a guest's file: constants setting*.
func guestWords(t *testing.T) []described {
	t.Helper()
	return inCode(t, "driver/xen", func(n ast.Node) []ast.Expr {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "setting") {
			return v.Values
		}
		return nil
	}, "settings.go")
}

func lvmWords(t *testing.T) []described {
	t.Helper()
	return inCode(t, "format/lvmconf", func(n ast.Node) []ast.Expr {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
			if l, ok := call.Args[0].(*ast.BasicLit); ok && strings.Contains(l.Value, "/") {
				return call.Args[:1]
			}
		}
		return nil
	}, "devices.go")
}

func keysOf(e ast.Expr) (keys []ast.Expr) {
	if lit, ok := e.(*ast.CompositeLit); ok {
		for _, x := range lit.Elts {
			if kv, ok := x.(*ast.KeyValueExpr); ok {
				keys = append(keys, kv.Key)
			}
		}
	}
	return keys
}

// inCode lists the string constants that find picks from some files, each once.
func inCode(t *testing.T, folder string, find func(ast.Node) []ast.Expr, files ...string) (all []described) {
	t.Helper()
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, e := range find(n) {
				lit, ok := e.(*ast.BasicLit)
				if !ok {
					continue
				}
				word, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(all, func(w described) bool { return w.name == word }) {
					all = append(all, described{name: word})
				}
			}
			return true
		})
	}
	if len(all) == 0 {
		t.Fatalf("found no words in %s %v: this test has to look elsewhere", folder, files)
	}
	return all
}
