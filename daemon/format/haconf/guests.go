package haconf

import (
	"slices"
	"strings"
)

// Guests is what pollux does with Xen's guests besides starting and stopping them. Heartbeat does not know these
// directives, and refuses the file:
//
//	guests_at_once 4              of the same pollux_order
//	displace milo2 /etc/xen/batch.cfg /etc/xen/test.cfg
type Guests struct {
	AtOnce    int // how many are started at the same time; 0 is one
	Displaced []Displaced
}

// Displaced are guests that a node runs for itself, as long as it has none of a group.
type Displaced struct {
	Node  string   // in lower case
	Files []string // paths, in the order in which the guests start
	Line  int
}

// maxAtOnce bounds guests_at_once; xl creates one after the other anyway.
const maxAtOnce = 64

func readDisplace(p *haParser, s statement) {
	s.args = s.rest.split(blanks)
	if !p.count(s, 2, maxLine, "NODE and files of guests, as milo2 /etc/xen/batch.cfg") {
		return
	}
	d := Displaced{Node: strings.ToLower(s.args[0].text), Line: s.name.line}
	for _, w := range s.args[1:] {
		if p.path(w) {
			d.Files = append(d.Files, w.text)
		}
	}
	p.ha.Guests.Displaced = append(p.ha.Guests.Displaced, d)
}

// finishGuests checks what no line alone can show.
func (p *haParser) finishGuests() {
	seen := map[string]int{}
	for _, d := range p.ha.Guests.Displaced {
		if !slices.Contains(p.ha.Nodes, d.Node) {
			p.fail(word{d.Node, d.Line, 0}, "a node of this file: %s", strings.Join(p.ha.Nodes, ", "))
		}
		for _, file := range d.Files {
			if before := seen[d.Node+file]; before != 0 {
				p.fail(word{file, d.Line, 0}, "each file once; it is on line %d too", before)
			}
			seen[d.Node+file] = d.Line
		}
	}
}
