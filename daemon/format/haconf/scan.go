package haconf

import (
	"iter"
	"strings"
)

const (
	maxFile = 1 << 20 // bytes; far beyond any real file
	maxLine = 5120    // bytes; of Heartbeat
)

// A word is a piece of a line, and where it starts.
type word struct {
	text      string
	line, col int
}

// lines yields the lines of a file that can be read at all, as words that start in column 1, without line end.
func (r *report) lines(text []byte) iter.Seq[word] {
	return func(yield func(word) bool) {
		if len(text) > maxFile {
			r.fail(word{}, "a file of at most %d bytes; this one has %d", maxFile, len(text))
			return
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			w := word{text: strings.TrimRight(line, "\r\n"), line: n, col: 1}
			bad := strings.IndexFunc(w.text, func(c rune) bool { return c < ' ' && c != '\t' && c != '\r' || c == 0x7f })
			switch {
			case len(w.text) > maxLine:
				r.fail(w, "a line of at most %d bytes; this one has %d", maxLine, len(w.text))
			case bad >= 0:
				r.fail(word{w.text[bad : bad+1], n, bad + 1}, "text without control characters")
			case !yield(w):
				return
			}
		}
	}
}

// withoutComment cuts a line in front of its '#'.
func (w word) withoutComment() word {
	w.text, _, _ = strings.Cut(w.text, "#")
	return w.trimmed()
}

// trimmed cuts the blanks from both ends.
func (w word) trimmed() word {
	text := strings.TrimLeft(w.text, blanks)
	w.col += len(w.text) - len(text)
	w.text = strings.TrimRight(text, blanks)
	return w
}

const blanks = " \t\r"

// split cuts a line at runs of the separators.
func (w word) split(separators string) (words []word) {
	start := -1
	for i := range len(w.text) {
		separates := strings.IndexByte(separators, w.text[i]) >= 0
		switch {
		case separates && start >= 0:
			words = append(words, word{w.text[start:i], w.line, w.col + start})
			start = -1
		case !separates && start < 0:
			start = i
		}
	}
	if start >= 0 {
		words = append(words, word{w.text[start:], w.line, w.col + start})
	}
	return words
}

// after is where something that is missing behind w would stand.
func (w word) after() word { return word{line: w.line, col: w.col + len(w.text)} }
