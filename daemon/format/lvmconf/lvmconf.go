// Package lvmconf reads the part of lvm.conf that decides which block devices
// LVM looks at. LVM must see a replicated device and never the disk below it:
// both carry the same volume group.
//
// Parse reads sections and assignments into a Config, Config.Devices gives
// those of section devices their types, and Devices.Judge says what LVM's
// filters make of a device and which line decided.
//
// Source: lvm.conf(5), and the behaviour of LVM 2.03.16 where that is silent.
package lvmconf

import (
	"fmt"
	"maps"
)

// Config is the assignments of a file by their path, such as devices/filter.
type Config struct {
	settings map[string]Setting
	// Warnings are assignments that a later one makes void.
	Warnings []Warning
}

// Setting is what one assignment says.
type Setting struct {
	Values []Value // one, unless it is an array
	Pos    Pos
}

// A Kind is the type of a value.
type Kind uint8

// The kinds of values.
const (
	String Kind = 1 // with quotes or without
	Int    Kind = 2
	Float  Kind = 3
)

// Value is one value, or one element of an array.
type Value struct {
	Kind Kind
	Text string // the string, or the number as written
	Int  int64  // of an Int
	Pos  Pos
}

// A Pos is a place in a file. Line and Col count from 1, Col in bytes.
type Pos struct {
	File string
	Line int
	Col  int
}

// String is file:line:col.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Error is one thing in a file that cannot be accepted, and what would be
// right in its place.
type Error struct {
	Pos
	Found string
	Want  string
}

// Error is file:line:col: found '…', want ….
func (e *Error) Error() string {
	return fmt.Sprintf("%s: found '%.80s', want %s", e.Pos, e.Found, e.Want)
}

// Warning is something that LVM accepts but that is hardly meant.
type Warning struct {
	Pos
	Text string
}

// String is file:line:col: text.
func (w Warning) String() string { return w.Pos.String() + ": " + w.Text }

// Lookup returns the assignment of a path such as devices/filter.
func (c *Config) Lookup(path string) (Setting, bool) {
	s, ok := c.settings[path]
	return s, ok
}

// Merge joins the configurations of several files as LVM does with lvm.conf
// and lvmlocal.conf: what a later one assigns counts.
func Merge(files ...*Config) *Config {
	all := &Config{settings: map[string]Setting{}}
	for _, c := range files {
		maps.Copy(all.settings, c.settings)
		all.Warnings = append(all.Warnings, c.Warnings...)
	}
	return all
}
