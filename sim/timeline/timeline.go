// Package timeline makes a picture of a run's trace: who did what when, in two
// columns of nodes, with the messages between them, as text and as one HTML
// page that needs nothing else.
package timeline

import (
	"fmt"
	"strconv"
	"strings"
)

// A Kind is what a line of a trace is about.
type Kind uint8

// The kinds.
const (
	Step     Kind = iota // something on a node
	State                // a change of a replica's state
	Message              // a packet from one node to the other
	Fault                // the plan strikes, or the operator acts
	Violated             // a promise was broken
)

// Entry is one line of a trace, understood.
type Entry struct {
	At   float64 // seconds
	Kind Kind
	Node int // 0 or 1; of a message the sender; -1 is neither
	Text string
}

// Picture is what two nodes did; the second has no name if only one is known.
type Picture struct {
	Nodes   [2]string
	Entries []Entry
}

// Parse understands the lines of a trace; what it does not, belongs to neither
// node.
func Parse(nodes [2]string, lines []string) Picture {
	p := Picture{Nodes: nodes}
	for _, line := range lines {
		at, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(at, 64)
		if !ok || err != nil {
			continue // a stack, or a line of several
		}
		p.Entries = append(p.Entries, p.entry(seconds, text))
	}
	return p
}

func (p *Picture) entry(at float64, text string) Entry {
	e := Entry{At: at, Node: -1, Text: text}
	switch {
	case strings.HasPrefix(text, "BROKEN "):
		e.Kind = Violated
		e.Text = strings.TrimPrefix(text, "BROKEN ")
		return e
	case strings.HasPrefix(text, "plan: "), strings.HasPrefix(text, "operator: "):
		e.Kind = Fault
		return e
	}
	for n, name := range p.Nodes {
		rest, ok := strings.CutPrefix(text, name+" ")
		if !ok || name == "" {
			continue
		}
		e.Node, e.Text = n, rest
		if packet, ok := strings.CutPrefix(rest, "> "+p.Nodes[1-n]+" "); ok {
			e.Kind, e.Text = Message, packet
		} else if strings.Contains(rest, " -> ") {
			e.Kind = State
		}
	}
	return e
}

// most is how many entries a picture has; those before the last are left out.
const most = 1500

// tail keeps what led to the end.
func tail(entries []Entry) (kept []Entry, left int) {
	if len(entries) <= most {
		return entries, 0
	}
	return entries[len(entries)-most:], len(entries) - most
}

// width is that of a node's column in text.
const width = 58

// Text is the time line for a terminal of 140 columns.
func (p Picture) Text() string {
	entries, left := tail(p.Entries)
	var b strings.Builder
	fmt.Fprintf(&b, "%12s  %-*s  %s\n", "seconds", width, p.Nodes[0], p.Nodes[1])
	if left > 0 {
		fmt.Fprintf(&b, "%12s  (%d lines before are left out)\n", "", left)
	}
	for _, e := range entries {
		switch {
		case e.Kind == Message && e.Node == 0:
			fmt.Fprintf(&b, "%12.6f  %*s\n", e.At, width+8, e.Text+" ------>")
		case e.Kind == Message:
			fmt.Fprintf(&b, "%12.6f  %*s<------ %s\n", e.At, width-12, "", e.Text)
		case e.Kind == Violated:
			fmt.Fprintf(&b, "%12.6f  !!!!! %s\n", e.At, e.Text)
		case e.Node < 0:
			fmt.Fprintf(&b, "%12.6f  ===== %s\n", e.At, e.Text)
		default:
			for i, part := range wrap(e.Text) {
				at := fmt.Sprintf("%12.6f", e.At)
				if i > 0 {
					at = strings.Repeat(" ", 12)
				}
				fmt.Fprintf(&b, "%s  %s%s\n", at, strings.Repeat(" ", e.Node*(width+2)), part)
			}
		}
	}
	return b.String()
}

// wrap breaks a text at blanks into parts that fit a column.
func wrap(text string) (parts []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			parts = append(parts, line)
			line = "    "
		} else if line != "" {
			line += " "
		}
		line += word
	}
	return append(parts, line)
}
