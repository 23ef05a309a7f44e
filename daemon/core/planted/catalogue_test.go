//go:build planted

package planted_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/optionc/pollux/daemon/core/planted"
)

// The catalogue names every bug once, and says what each stands for.
func TestCatalogue(t *testing.T) {
	g := NewWithT(t)
	g.Expect(len(planted.Catalogue)).To(BeNumerically(">=", 40))
	names := map[string]bool{}
	for i, e := range planted.Catalogue {
		names[e.Name] = true
		g.Expect(e.Source).NotTo(BeEmpty(), e.Name)
		planted.Active = e.Bug
		for _, other := range planted.Catalogue[i+1:] {
			g.Expect(planted.On(other.Bug)).To(BeFalse(), "%s and %s are one", e.Name, other.Name)
		}
	}
	planted.Active = 0
	g.Expect(names).To(HaveLen(len(planted.Catalogue)))
}
