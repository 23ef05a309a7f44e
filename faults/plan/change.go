package plan

import (
	"slices"
	"time"

	"github.com/optionc/pollux/faults/draw"
)

// Change gives a plan like p, with one to three faults left out, doubled, moved
// or made longer or shorter. Kinds and nodes stay what they are: p may have left
// some out on purpose.
func Change(p Plan, luck *draw.Stream) Plan {
	p = slices.Clone(p)
	for range 1 + luck.Below(3) {
		if len(p) == 0 {
			break
		}
		i := luck.Below(len(p))
		switch f := p[i]; luck.Below(5) {
		case 0:
			p = slices.Delete(p, i, i+1)
		case 1:
			p = append(p, f.moved(luck.Between(0, 10*time.Second)))
		case 2:
			p[i] = f.moved(luck.Between(0, 2*time.Second) - time.Second)
		case 3:
			p[i].At = p[luck.Below(len(p))].At + luck.Between(0, time.Second).Round(time.Microsecond)
		default:
			p[i].For = (f.For * time.Duration(1+luck.Below(8)) / 4).Round(time.Millisecond)
		}
	}
	slices.SortStableFunc(p, func(a, b Fault) int { return int(a.At/time.Microsecond - b.At/time.Microsecond) })
	return p
}

func (f Fault) moved(d time.Duration) Fault {
	f.At = max(0, f.At+d).Round(time.Microsecond)
	return f
}
