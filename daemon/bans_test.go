package daemon_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pureImports is all of the standard library that a pure package may use.
// Nothing in it can open a file or flip a coin.
var pureImports = []string{
	"bytes", "cmp", "crypto/hmac", "crypto/md5", "crypto/sha1", "encoding/binary", "encoding/hex", "errors",
	"fmt", "hash", "hash/crc32", "iter", "maps", "math", "math/bits", "slices", "strconv", "strings", "time",
}

// formatImports is what a format may use besides.
var formatImports = []string{"crypto/sha256", "crypto/sha512", "encoding/base64"}

// bannedObjects are what the packages of pureImports have that depends on
// something other than arguments, or does something other than return.
var bannedObjects = map[string]string{
	"time.Now": clock, "time.Since": clock, "time.Until": clock, "time.Sleep": clock, "time.After": clock,
	"time.AfterFunc": clock, "time.Tick": clock, "time.NewTimer": clock, "time.NewTicker": clock,
	"time.Local": "the machine's time zone", "time.LoadLocation": "the machine's time zone",
	"maps.All": mapOrder, "maps.Keys": mapOrder, "maps.Values": mapOrder,
	"fmt.Print": console, "fmt.Printf": console, "fmt.Println": console,
	"fmt.Scan": console, "fmt.Scanf": console, "fmt.Scanln": console,
	"builtin.print": console, "builtin.println": console,
}

const (
	clock    = "a clock: time arrives in events"
	mapOrder = "the order of a map"
	console  = "input or output"
	parallel = "a goroutine or channel"
)

// sorters take a map's keys or values in any order and lose it.
var sorters = []string{"slices.Sorted", "slices.SortedFunc"}

// addressVerb prints where a value lies in memory.
var addressVerb = regexp.MustCompile(`%[-+# 0]*[0-9]*p`)

// A check looks for breaches of the bans in one package. It sees what the
// default build compiles: the planted bugs need a switch, and stay outside.
//
// It does not see a table that is written by another name, as after
// "alias := table".
type check struct {
	path    string // of the package
	fset    *token.FileSet
	files   []*ast.File
	info    types.Info
	writers map[types.Object]bool // methods that write to what their receiver points at
	sorted  map[ast.Expr]bool     // calls whose answer goes straight to a sorter
	found   map[string]bool
}

func (c *check) run() []string {
	c.writers, c.sorted = map[types.Object]bool{}, map[ast.Expr]bool{}
	for _, file := range c.files {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				c.noteWriter(f)
			}
		}
	}
	for _, file := range c.files {
		for _, imp := range file.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !c.mayImport(path) {
				c.report(imp, "import of %s", path)
			}
		}
		for _, decl := range file.Decls {
			c.declaration(decl)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			c.statement(n)
			c.expression(n)
			for _, target := range c.written(n) {
				if v := c.global(target); v != nil {
					c.report(n, "write to package variable %s", v.Name())
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(c.found))
}

// mayImport is for what is not ours; TestImportsRunOneWay judges the rest.
func (c *check) mayImport(path string) bool {
	format := in(c.path, module+"daemon/format")
	return strings.HasPrefix(path, module) || slices.Contains(pureImports, path) ||
		format && slices.Contains(formatImports, path)
}

func (c *check) report(at ast.Node, format string, args ...any) {
	pos := c.fset.Position(at.Pos())
	c.found[fmt.Sprintf("%s:%d: %s", pos.Filename, pos.Line, fmt.Sprintf(format, args...))] = true
}

// declaration finds package variables that are not tables or error values, and
// init functions.
func (c *check) declaration(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil && decl.Name.Name == "init" {
			c.report(decl, "func init")
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			spec, ok := spec.(*ast.ValueSpec)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, name := range spec.Names {
				switch v := c.info.Defs[name]; {
				case name.Name == "_":
				case spec.Values == nil:
					c.report(name, "package variable %s without a value", name.Name)
				case name.IsExported() && v.Type() != types.Universe.Lookup("error").Type():
					c.report(name, "exported package variable %s, which anybody could write", name.Name)
				}
			}
		}
	}
}

func (c *check) statement(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
		c.report(n, parallel)
	case *ast.RangeStmt:
		switch c.info.TypeOf(n.X).Underlying().(type) {
		case *types.Map:
			c.report(n, mapOrder)
		case *types.Chan:
			c.report(n, parallel)
		}
	}
}

func (c *check) expression(n ast.Node) {
	expr, ok := n.(ast.Expr)
	if !ok {
		return
	}
	if basic, ok := c.info.TypeOf(expr).(*types.Basic); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 &&
		basic.Info()&types.IsUntyped == 0 {
		c.report(n, "a float: its rounding differs by architecture")
	}
	switch n := n.(type) {
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n, parallel)
		}
	case *ast.CallExpr:
		c.call(n)
	case *ast.Ident:
		if why := bannedObjects[c.name(n)]; why != "" && why != mapOrder {
			c.report(n, "%s", why)
		}
	}
}

// call finds calls whose answer has the order of a map, or an address.
func (c *check) call(call *ast.CallExpr) {
	name := c.name(call.Fun)
	if slices.Contains(sorters, name) {
		c.sorted[call.Args[0]] = true
	}
	if bannedObjects[name] == mapOrder && !c.sorted[call] {
		c.report(call, mapOrder)
	}
	if !strings.HasPrefix(name, "fmt.") {
		return
	}
	for _, arg := range call.Args {
		if value := c.info.Types[arg].Value; value != nil && addressVerb.MatchString(value.String()) {
			c.report(arg, "an address in print")
		}
	}
}

// name gives "package.Object" of what expr names at the top of a package, and
// "" for anything else.
func (c *check) name(expr ast.Expr) string {
	switch e := ast.Unparen(expr).(type) {
	case *ast.IndexExpr:
		return c.name(e.X)
	case *ast.SelectorExpr:
		return c.name(e.Sel)
	case *ast.Ident:
		switch obj := c.info.Uses[e].(type) {
		case *types.Builtin:
			return "builtin." + obj.Name()
		case *types.Var, *types.Func:
			if obj.Pkg() != nil && obj.Parent() == obj.Pkg().Scope() {
				return obj.Pkg().Path() + "." + obj.Name()
			}
		}
	}
	return ""
}

// noteWriter remembers a method that writes to what its receiver points at.
func (c *check) noteWriter(f *ast.FuncDecl) {
	if f.Recv == nil || f.Body == nil || len(f.Recv.List[0].Names) == 0 {
		return
	}
	receiver := c.info.Defs[f.Recv.List[0].Names[0]]
	if _, ok := receiver.Type().(*types.Pointer); !ok {
		return
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		for _, target := range c.written(n) {
			if c.root(target) == receiver {
				c.writers[c.info.Defs[f.Name]] = true
			}
		}
		return true
	})
}

// written gives the expressions that n assigns to or lets others assign to.
func (c *check) written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.Lhs
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		switch c.name(n.Fun) {
		case "builtin.clear", "builtin.copy", "builtin.delete":
			return n.Args[:1]
		}
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
			if method, ok := c.info.Uses[sel.Sel].(*types.Func); ok && c.writers[method.Origin()] {
				return []ast.Expr{sel.X}
			}
		}
	}
	return nil
}

// global gives the package variable that an assignment to target changes, or
// nil.
func (c *check) global(target ast.Expr) types.Object {
	if v, ok := c.root(target).(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
		return v
	}
	return nil
}

// root gives the variable that target is, or is a part of.
func (c *check) root(target ast.Expr) types.Object {
	switch e := target.(type) {
	case *ast.Ident:
		return c.info.Uses[e]
	case *ast.IndexExpr:
		return c.root(e.X)
	case *ast.ParenExpr:
		return c.root(e.X)
	case *ast.SliceExpr:
		return c.root(e.X)
	case *ast.StarExpr:
		return c.root(e.X)
	case *ast.SelectorExpr:
		if c.info.Selections[e] == nil { // package.Variable
			return c.info.Uses[e.Sel]
		}
		return c.root(e.X)
	}
	return nil
}
