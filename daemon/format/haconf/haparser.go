package haconf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseHA reads ha.cf. The name of the file is for messages. All that is wrong comes as one error that joins a
// *ParseError for each; some twenty at most.
//
// Whether the nodes include this one is for the caller to see.
func ParseHA(file string, text []byte) (*HA, error) {
	p := &haParser{report: report{file: file}, ha: &HA{}, table: directives(), written: map[string]int{}}
	p.values = make(map[string]string, len(p.table))
	for _, d := range p.table {
		if d.preset != "" {
			p.run(d, statement{name: word{text: d.name}, rest: word{text: d.preset}})
		}
	}
	for line := range p.lines(text) {
		if line = line.withoutComment(); line.text != "" {
			p.line(line)
		}
	}
	p.finish()
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.ha, nil
}

// haParser is ha.cf while it is read.
type haParser struct {
	report
	ha      *HA
	table   []directive
	written map[string]int    // the line on which a directive stands last
	values  map[string]string // as written, or preset
	serial  []word            // lines that are no medium here
}

// A statement is a directive with its values.
type statement struct {
	name word
	rest word   // all behind the name
	args []word // rest, cut at blanks and commas
}

func (p *haParser) line(line word) {
	end := strings.IndexAny(line.text, blanks)
	if end < 0 {
		end = len(line.text)
	}
	s := statement{name: word{line.text[:end], line.line, line.col}}
	s.rest = word{line.text[end:], line.line, line.col + end}.trimmed()
	i := slices.IndexFunc(p.table, func(d directive) bool { return d.name == s.name.text })
	if i < 0 {
		p.fail(s.name, "a directive of ha.cf%s; remove the line, or put '#' in front of it", p.nearest(s.name.text))
		return
	}
	d := p.table[i]
	if before := p.written[d.name]; before > 0 && !d.many {
		p.warn(line.line, "%s stands on line %d too; this line is the one in force", d.name, before)
	}
	p.written[d.name] = line.line
	p.run(d, s)
}

func (p *haParser) run(d directive, s statement) {
	s.args = s.rest.split(blanks + ",")
	if !d.many {
		p.values[d.name] = s.rest.text
	}
	d.read(p, s)
}

// nearest names the directive that a misspelt one may have been meant for.
func (p *haParser) nearest(name string) string {
	const most = 2 // edits; more is guessing
	best, edits := "", most+1
	for _, d := range p.table {
		if n := distance(strings.ToLower(name), d.name); n < edits && n < len(d.name)/2+1 {
			best, edits = d.name, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean '%s'?)", best)
}

// distance counts the letters to insert, remove or change to make b of a.
func distance(a, b string) int {
	if len(a) > len(b)+3 {
		return len(a)
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

func (p *haParser) warn(line int, format string, args ...any) {
	p.ha.Warnings = append(p.ha.Warnings, Warning{Line: line, Text: fmt.Sprintf(format, args...)})
}

// count says whether a statement has a fitting number of values; if not, that is an error.
func (p *haParser) count(s statement, least, most int, want string, args ...any) bool {
	switch {
	case len(s.args) < least:
		p.fail(s.name, "%s behind %s", fmt.Sprintf(want, args...), s.name.text)
	case len(s.args) > most:
		p.fail(s.args[most], "no more than %s behind %s", fmt.Sprintf(want, args...), s.name.text)
	default:
		return true
	}
	return false
}

func (p *haParser) integer(w word, least, most int) int {
	n, ok := parseInt(w.text, least, most)
	if !ok {
		p.fail(w, "a number from %d to %d", least, most)
	}
	return n
}

func (p *haParser) path(w word) bool {
	if !strings.HasPrefix(w.text, "/") {
		p.fail(w, "a path that starts with '/'")
		return false
	}
	return true
}

// finish computes the times that were not written, and checks what no line alone can show.
func (p *haParser) finish() {
	h := p.ha
	if len(h.Nodes) == 0 {
		p.fail(word{}, "a line with the two nodes, as: node milo1 milo2")
	}
	p.finishSerial()
	if len(p.serial) == 0 && !slices.ContainsFunc(h.Media, func(m Medium) bool { return m.Kind.ReachesPeer() }) {
		p.fail(word{}, "a medium that reaches the peer, as: ucast eth0 192.168.0.2")
	}
	if p.written["auto_failback"] == 0 && p.written["nice_failback"] == 0 {
		p.warn(0, "auto_failback is missing, which means legacy; write auto_failback on or off")
	}
	if len(p.errs) > 0 {
		return // the times may be missing, which would look like further errors
	}
	p.compute("warntime", &h.Warntime, h.Deadtime/2)
	p.compute("deadping", &h.Deadping, h.Deadtime)
	switch {
	case h.Deadtime > 10*time.Second:
		p.compute("initdead", &h.Initdead, h.Deadtime)
	case h.Deadtime < 6*time.Second:
		p.compute("initdead", &h.Initdead, 12*time.Second)
	default:
		p.compute("initdead", &h.Initdead, 2*h.Deadtime)
	}
	p.checkTimes()
	p.finishWitness()
	p.finishGuests()
	p.addDefaultClients()
	for _, d := range p.table {
		if value, ok := p.values[d.name]; ok {
			h.parameters = append(h.parameters, parameter{d.name, value})
		}
	}
}

// compute sets a time that is not written.
func (p *haParser) compute(name string, to *time.Duration, value time.Duration) {
	if p.written[name] == 0 {
		*to, p.values[name] = value, formatTime(value)
	}
}

func (p *haParser) checkTimes() {
	h := p.ha
	for _, dead := range []struct {
		name  string
		value time.Duration
	}{{"deadtime", h.Deadtime}, {"deadping", h.Deadping}} {
		// What keepalive cannot do without is said at the line that can be changed.
		line := max(p.written[dead.name], p.written["keepalive"])
		if dead.value <= 2*h.Keepalive && (dead.name == "deadtime" || p.written[dead.name] > 0) {
			p.fail(word{dead.name + " " + p.values[dead.name], line, 0},
				"more than twice keepalive (%s), or a smaller keepalive", h.Keepalive)
		}
	}
	if h.Initdead < h.Deadtime {
		p.fail(word{"initdead " + p.values["initdead"], max(p.written["initdead"], p.written["deadtime"]), 0},
			"at least deadtime (%s)", h.Deadtime)
	}
	if h.Initdead < 10*time.Second {
		p.warn(p.written["initdead"], "initdead under 10 s: a network that is slow to come up looks like a dead peer")
	}
	if h.Warntime >= h.Deadtime {
		p.warn(p.written["warntime"], "warntime is not below deadtime, so nothing will warn before a death")
	}
}
