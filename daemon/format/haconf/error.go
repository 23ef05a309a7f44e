package haconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A ParseError says where a file is wrong, what stands there, and what would be right.
type ParseError struct {
	File  string // as the caller named it
	Line  int    // from 1; 0: the file as a whole
	Col   int    // of the word, in bytes from 1; 0: the line as a whole
	Found string // empty: nothing
	Want  string // and, where it is not plain, the way out
}

// Error is FILE:LINE:COL: found 'FOUND', want WANT.
func (e *ParseError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(":%d", e.Line)
	}
	if e.Col > 0 {
		where += fmt.Sprintf(":%d", e.Col)
	}
	if e.Found == "" {
		return fmt.Sprintf("%s: found nothing, want %s", where, e.Want)
	}
	return fmt.Sprintf("%s: found '%s', want %s", where, e.Found, e.Want)
}

// A Warning is about something that works, but hardly as its author expects.
type Warning struct {
	Line int // from 1; 0: the file as a whole
	Text string
}

// A report collects what is wrong with one file, so that its author need not find the errors one by one.
type report struct {
	file   string
	secret bool // show no word that might be a key
	errs   []error
}

// maxErrors keeps a file that is something else altogether from filling the log.
const maxErrors = 20

// fail notes that at is wrong.
func (r *report) fail(at word, format string, args ...any) {
	if r.secret && !harmless(at.text) {
		at.text = "********"
	}
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, &ParseError{
			File: r.file, Line: at.line, Col: at.col, Found: excerpt(at.text),
			Want: fmt.Sprintf(format, args...),
		})
	}
}

func (r *report) err() error { return errors.Join(r.errs...) }

// harmless says whether a word of authkeys may be shown, wherever it stands.
func harmless(text string) bool {
	switch text {
	case "", "auth", "crc", "md5", "sha1":
		return true
	default:
		_, ok := parseInt(text, 0, 99)
		return ok
	}
}

// excerpt keeps a message to one readable line, whatever the file holds.
func excerpt(text string) string {
	const most = 60
	if len(text) > most {
		return excerpt(text[:most]) + "…"
	}
	var readable strings.Builder
	for i, c := range text {
		if c == '\uFFFD' || !strconv.IsPrint(c) {
			fmt.Fprintf(&readable, `\x%02x`, text[i])
		} else {
			readable.WriteRune(c)
		}
	}
	return readable.String()
}
