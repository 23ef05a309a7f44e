package drbdconf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// file reads one file, and in its place every file that it includes.
func (r *reader) file(name string, depth int) error {
	if r.seen[cleanPath(name)] {
		return nil // a file counts once, however often it is named
	}
	r.seen[cleanPath(name)] = true
	text, err := r.read(name)
	if err != nil {
		return fmt.Errorf("read configuration %s: %w", name, err)
	}
	if r.size += len(text); r.size > maxText {
		return fmt.Errorf("read configuration %s: %d bytes in all files, want at most %d", name, r.size, maxText)
	}
	statements, syntax := parseTree(name, string(text))
	if syntax != nil {
		return errors.Join(append(r.errs, syntax)...)
	}
	for _, s := range statements {
		if s.word() != "include" {
			r.top(s)
			continue
		}
		if err := r.include(s, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// include reads the files of one include statement. Its pattern is relative to
// the file it stands in; a name without wildcards must exist.
func (r *reader) include(s statement, depth int) error {
	if len(s.args) < 2 || !s.args[1].isText() || s.args[1].text == "" {
		return s.after(1).wrong("the name of a file to include")
	}
	if len(s.args) > 2 || s.block {
		return s.after(2).wrong("';' after the file to include")
	}
	at := s.args[1]
	pattern := at.text
	if !strings.HasPrefix(pattern, "/") {
		pattern = at.File[:strings.LastIndexByte(at.File, '/')+1] + pattern
	}
	files := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		matches, err := r.glob(pattern)
		if err != nil {
			return fmt.Errorf("%s: include %s: %w", at.Pos, pattern, err)
		}
		files = slices.Sorted(slices.Values(matches))
	}
	for _, f := range files {
		switch {
		case depth > maxDepth:
			return at.wrong(fmt.Sprintf("at most %d files that include each other", maxDepth))
		case len(r.seen) >= maxFiles:
			return at.wrong(fmt.Sprintf("at most %d files", maxFiles))
		}
		if err := r.file(f, depth); err != nil {
			if isErrorOfFile(err) {
				return err
			}
			return fmt.Errorf("%s: include: %w", at.Pos, err)
		}
	}
	return nil
}

// isErrorOfFile says whether an error already names its own place.
func isErrorOfFile(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// cleanPath makes one name of the many that a file has through . and .. and
// doubled slashes. Symbolic links are left to the limits.
func cleanPath(path string) string {
	var parts []string
	rooted := strings.HasPrefix(path, "/")
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == ".":
		case part == ".." && len(parts) > 0 && parts[len(parts)-1] != "..":
			parts = parts[:len(parts)-1]
		case part == ".." && rooted:
		default:
			parts = append(parts, part)
		}
	}
	joined := strings.Join(parts, "/")
	if rooted {
		return "/" + joined
	}
	return joined
}
