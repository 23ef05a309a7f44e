package trial

import (
	"slices"

	"github.com/optionc/pollux/faults/plan"
)

// Shrink looks for a smaller plan that breaks the same promise: it leaves out
// half of the faults, then a quarter, and so on down to single ones.
func Shrink(seed uint64, opt Options) Result {
	best := Run(seed, opt)
	opt.Trace = nil
	for chunk := len(best.Plan) / 2; chunk > 0 && best.Broken != nil; {
		smaller := false
		for at := 0; at < len(best.Plan); {
			less := slices.Delete(slices.Clone(best.Plan), at, min(at+chunk, len(best.Plan)))
			opt.Plan = append(plan.Plan{}, less...) // not nil, also when nothing is left
			r := Run(seed, opt)
			if r.Broken != nil && r.Broken.Promise == best.Broken.Promise {
				best, smaller = r, true
				continue
			}
			at += chunk
		}
		if !smaller || chunk > len(best.Plan) {
			chunk /= 2
		}
	}
	return best
}
