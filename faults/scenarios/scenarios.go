// Package scenarios has the failures that pollux is held to by name: one file
// each, whose first lines say why it matters. The text form is plan.Scenario's.
package scenarios

import (
	"embed"
	"fmt"
	"strings"

	"github.com/optionc/pollux/faults/plan"
)

//go:embed *.plan
var files embed.FS

// Named is a scenario and what it is called.
type Named struct {
	Name string
	plan.Scenario
}

// All are in the order of their names.
func All() ([]Named, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []Named
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".plan")
		s, err := Find(name)
		if err != nil {
			return nil, err
		}
		all = append(all, Named{name, s})
	}
	return all, nil
}

// Find gives the scenario of that name.
func Find(name string) (plan.Scenario, error) {
	text, err := files.ReadFile(name + ".plan")
	if err != nil {
		return plan.Scenario{}, fmt.Errorf("scenario %s: there is none of that name", name)
	}
	s, err := plan.ParseScenario(string(text))
	if err != nil {
		return plan.Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	return s, nil
}
