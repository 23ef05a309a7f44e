package drbdconf

import (
	"maps"
	"slices"
	"strings"
)

// A Word is one option of a section, for the page that lists them all.
type Word struct {
	Section string
	Name    string
	Values  string // what it takes
	Default string // as the file would say it; empty: none
	// Ignored is why it is passed over; then the rest is empty.
	Ignored string
}

// Words are the options of all sections, in the order of the tables.
func Words() []Word {
	return slices.Concat(wordsOf(globalSection), wordsOf(netSection), wordsOf(diskSection), wordsOf(startupSection),
		wordsOf(resourceSection), wordsOf(handlerSection))
}

// nothingTakes is a value that is wrong wherever a value can be wrong.
var nothingTakes = strings.Repeat("\x00", maxText)

func wordsOf[T any](s *section[T]) (all []Word) {
	for _, o := range s.options {
		var scratch T
		w := Word{Section: s.name, Name: o.name, Values: o.set(&scratch, nothingTakes), Default: o.def}
		switch {
		case o.bare:
			w.Values = "stands alone"
		case o.list:
			w.Values = "host names"
		case w.Values == "":
			w.Values = "any text"
		}
		all = append(all, w)
	}
	for _, name := range slices.Sorted(maps.Keys(s.ignored)) {
		all = append(all, Word{Section: s.name, Name: name, Ignored: s.ignored[name]})
	}
	return all
}
