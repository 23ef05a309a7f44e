package haconf

import (
	"errors"
	"fmt"
	"strings"
)

// A Word is one directive of ha.cf, for the page that lists them all.
type Word struct {
	Name    string
	Values  string // what it takes, as messages say it; empty: nothing is looked at
	Default string // as the file would say it; empty: none
	Many    bool   // may stand on many lines
}

// Words are all directives, in the order of the table.
func Words() []Word {
	least, err := ParseHA("ha.cf", []byte("node a b\nucast eth0 192.0.2.1\n"))
	if err != nil {
		panic(fmt.Sprintf("the least ha.cf there is: %v", err))
	}
	var all []Word
	for _, d := range directives() {
		w := Word{Name: d.name, Values: valuesOf(d), Many: d.many}
		w.Default, _ = least.Parameter(d.name)
		all = append(all, w)
	}
	return all
}

// valuesOf is what a line is told that has the directive alone.
func valuesOf(d directive) string {
	p := &haParser{ha: &HA{}, table: []directive{d}, written: map[string]int{}, values: map[string]string{}}
	p.run(d, statement{name: word{text: d.name, line: 1, col: 1}})
	var wrong *ParseError
	if !errors.As(p.err(), &wrong) {
		return ""
	}
	values, _, _ := strings.Cut(wrong.Want, " behind "+d.name)
	return values
}
