package lvmconf

import "fmt"

// A Filter is patterns in the order in which LVM tries them. An empty one
// accepts everything.
type Filter []Pattern

// A Pattern accepts or rejects the names that it matches.
type Pattern struct {
	Accept bool
	Text   string // with its first letter and delimiters
	Pos    Pos

	regex *regex
}

// Match says whether a name matches the pattern, at any place of the name
// unless ^ or $ hold it.
func (p *Pattern) Match(name string) bool { return p.regex.match(name) }

// Verdict says what filters make of a device, and why.
type Verdict struct {
	Accepted bool
	Name     string   // the name that decided; empty if no pattern matched one
	By       *Pattern // what decided; nil if no pattern matched
}

// String is the verdict for a human.
func (v Verdict) String() string {
	switch {
	case v.By == nil:
		return "accepted, because no pattern matches"
	case v.Accepted:
		return fmt.Sprintf("accepted as %s by \"%s\" (%s)", v.Name, v.By.Text, v.By.Pos)
	default:
		return fmt.Sprintf("rejected as %s by \"%s\" (%s)", v.Name, v.By.Text, v.By.Pos)
	}
}

// Judge says what the filter makes of a device that has these names: its node
// and the links to it. For each name the first pattern that matches decides.
// One name that is accepted is enough; a device is rejected if some names are
// and none is accepted.
func (f Filter) Judge(names ...string) Verdict {
	verdict := Verdict{Accepted: true}
	for _, name := range names {
		for i := range f {
			p := &f[i]
			if !p.Match(name) {
				continue
			}
			if p.Accept {
				return Verdict{Accepted: true, Name: name, By: p}
			}
			if verdict.By == nil {
				verdict = Verdict{Name: name, By: p}
			}
			break
		}
	}
	return verdict
}

// Judge says what both filters make of a device that has these names. The
// global one is asked first.
func (d *Devices) Judge(names ...string) Verdict {
	global := d.GlobalFilter.Judge(names...)
	if !global.Accepted {
		return global
	}
	if v := d.Filter.Judge(names...); v.By != nil {
		return v
	}
	return global
}
