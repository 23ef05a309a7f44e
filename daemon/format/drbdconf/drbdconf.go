// Package drbdconf reads drbd.conf as DRBD 0.7, 8.3 and 8.4 wrote it into one
// typed model with today's meaning, and prints that model in drbdadm's normal
// form.
//
// Reading goes through four steps, one file each: lex.go cuts text into words,
// tree.go makes statements and blocks of them, body.go, host.go and section.go
// give each statement its meaning, merge.go joins what common, resource and
// volume say. check.go then refuses what cannot work. Words of DRBD 0.7 and
// 8.3 are translated where they stand (legacy.go), words of DRBD 9 are passed
// over; both leave a Warning wherever the meaning changes.
//
// The package opens nothing: the caller says how to read a file and how to
// expand a pattern. Source: drbd.conf and its tools, sections 1 to 6.
package drbdconf

import (
	"errors"
	"fmt"
)

// ReadFunc returns the bytes of the file at path, like os.ReadFile.
type ReadFunc func(path string) ([]byte, error)

// GlobFunc returns the files that match a shell pattern, like filepath.Glob.
type GlobFunc func(pattern string) ([]string, error)

// Limits that keep a broken or hostile file from costing more than a moment.
const (
	maxText   = 1 << 20 // bytes of all files together
	maxFiles  = 1000
	maxDepth  = 16 // of blocks in blocks, and of files that include files
	maxErrors = 50
)

// Parse reads the file and all that it includes, and returns what they say.
//
// A mistake is an *Error with its place. Where reading could go on after a
// mistake, several of them come joined (errors.Join); otherwise the first one
// comes alone. A file that cannot be read gives the error of read or glob,
// wrapped.
func Parse(file string, read ReadFunc, glob GlobFunc) (*Config, error) {
	r := &reader{read: read, glob: glob, seen: map[string]bool{}}
	r.global, _ = build(globalSection)
	if err := r.file(file, 0); err != nil {
		return nil, err
	}
	c := r.finish()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return c, nil
}

// A reader collects what the files say until finish makes a Config of it.
type reader struct {
	read ReadFunc
	glob GlobFunc
	seen map[string]bool // files by cleaned path; each is read once
	size int             // bytes read so far

	global    Global
	globalPos Pos
	common    *body
	resources []*body
	oldGlobal bool // the global section holds words of DRBD 0.7

	errs     []error
	warnings []Warning
}

// fail notes a mistake after which reading goes on.
func (r *reader) fail(pos Pos, found, want string) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, &Error{Pos: pos, Found: found, Want: want})
	}
}

// warn notes something that is accepted but not as it was written.
func (r *reader) warn(pos Pos, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{Pos: pos, Text: fmt.Sprintf(format, args...)})
}
