package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Verdict is what a world says of a scenario that it has played. Simulated
// nodes and real machines say it in the same words, so that the two can be
// compared.
type Verdict struct {
	// Broken is the promise that was broken, in the words of the design, and Why
	// what was seen; empty is none.
	Broken string `json:"broken,omitempty"`
	Why    string `json:"why,omitempty"`
	// Counts are the things that expectations speak of.
	Counts map[string]int `json:"counts"`
	// Missed are the faults whose trigger never came, in text form.
	Missed string `json:"missed,omitempty"`
	// End is how both nodes were when all was over, and Equal whether their copies
	// were the same then.
	End   [2]End `json:"end"`
	Equal bool   `json:"equal"`
}

// End is how a node was when all was over, in DRBD's words.
type End struct {
	Connection string `json:"connection"`
	Role       string `json:"role"`
	Disk       string `json:"disk"`
	Runs       bool   `json:"runs"` // the group, with the guest
}

// rough are counts that two worlds need not agree on, only on whether there was
// one at all: what a guest was refused, and histories that went apart.
var rough = []string{"forks", "refused"}

// Lines are what two worlds must agree on about a scenario. How often something
// happened is not: time passes differently in them.
func (v Verdict) Lines(s Scenario) []string {
	lines := []string{"every promise kept"}
	if v.Broken != "" {
		lines[0] = "broken: promise " + v.Broken
	}
	for _, e := range s.Expect {
		n, counted := v.Counts[e.What]
		switch {
		case !counted:
			lines = append(lines, fmt.Sprintf("%v: not counted", e))
		case e.Holds(n):
			lines = append(lines, fmt.Sprintf("%v: met", e))
		default:
			lines = append(lines, fmt.Sprintf("%v: missed", e))
		}
	}
	for _, what := range rough {
		word := "none"
		if v.Counts[what] > 0 {
			word = "some"
		}
		lines = append(lines, what+": "+word)
	}
	for line := range strings.Lines(v.Missed) {
		lines = append(lines, "never came: "+strings.TrimSpace(line))
	}
	for i, end := range v.End {
		line := fmt.Sprintf("%s ends %s %s %s", names[i], end.Connection, end.Role, end.Disk)
		if end.Runs {
			line += ", runs the group"
		}
		lines = append(lines, line)
	}
	if v.Equal {
		return append(lines, "both copies are equal")
	}
	return append(lines, "the copies differ")
}

// Good tells whether every promise was kept and every expectation met.
func (v Verdict) Good(s Scenario) bool {
	return v.Broken == "" && v.Missed == "" && !slices.ContainsFunc(s.Expect, func(e Expectation) bool {
		n, counted := v.Counts[e.What]
		return !counted || !e.Holds(n)
	})
}

// Describe is all of a verdict, for a person to read.
func (v Verdict) Describe(s Scenario) string {
	lines := v.Lines(s)
	if v.Why != "" {
		lines = append(lines, "seen: "+v.Why)
	}
	for _, what := range slices.Sorted(maps.Keys(v.Counts)) {
		lines = append(lines, fmt.Sprintf("%s: %d", what, v.Counts[what]))
	}
	return strings.Join(lines, "\n") + "\n"
}
