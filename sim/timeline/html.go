package timeline

import (
	_ "embed" // the page's frame
	"html/template"
	"slices"
	"strings"
)

//go:embed page.html
var frame string

// row is an entry as the page shows it.
type row struct {
	Entry
	Class string
	Gap   bool // a second and more passed since the row above
}

// HTML is the time line as a page: scenario, if there is one, is shown above it, and folded away.
func (p Picture) HTML(title, scenario string) (string, error) {
	page, err := template.New("page").Parse(frame)
	if err != nil {
		return "", err
	}
	kept, left := tail(p.Entries)
	rows := make([]row, 0, len(kept))
	for i, e := range kept {
		class := [...]string{Step: "step", State: "state", Message: "message", Fault: "fault", Violated: "violated"}[e.Kind]
		rows = append(rows, row{e, class, i > 0 && e.At-kept[i-1].At >= 1})
	}
	var b strings.Builder
	err = page.Execute(&b, map[string]any{
		"Title": title, "Scenario": scenario, "Rows": rows, "Left": left, "Nodes": p.Nodes,
		"Violated": slices.ContainsFunc(kept, func(e Entry) bool { return e.Kind == Violated }),
		"Messages": slices.ContainsFunc(kept, func(e Entry) bool { return e.Kind == Message }),
	})
	return b.String(), err
}
