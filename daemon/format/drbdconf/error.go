package drbdconf

import (
	"fmt"
	"strings"
)

// A Pos is a place in a configuration file. Line and Col count from 1, Col in
// bytes.
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
	return fmt.Sprintf("%s: found '%s', want %s", e.Pos, clip(e.Found), e.Want)
}

// Warning is something that was accepted, but is ignored or means something
// else today.
type Warning struct {
	Pos
	Text string
}

// String is file:line:col: text.
func (w Warning) String() string { return w.Pos.String() + ": " + w.Text }

// clip keeps one absurd word from filling the screen.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// nearest is the hint that a misspelt word gets: the known word that differs
// from it least, if one is near at all.
func nearest(word string, known []string) string {
	best, hint := 3, ""
	for _, k := range known {
		if d := distance(word, k, best); d < best {
			best, hint = d, " (did you mean '"+k+"'?)"
		}
	}
	return hint
}

// distance counts the letters to insert, drop or change to make b of a; it
// gives up at most.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
