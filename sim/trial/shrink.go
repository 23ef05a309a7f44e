package trial

import (
	"slices"
	"time"

	"github.com/optionc/pollux/faults/plan"
)

// Shrink looks for a smaller run that breaks the same promise. It leaves out
// half of the faults, then a quarter, and so on down to single ones; then the
// luck of programs and links, and most of the load; then it lets faults last
// half as long. More tells whether there is time for another run.
func Shrink(seed uint64, opt Options, more func() bool) Result {
	s := shrinker{seed: seed, opt: opt, more: more}
	s.opt.Trace, s.opt.Seen = nil, nil
	s.best = Run(seed, opt)
	if s.best.Broken == nil {
		return s.best
	}
	s.opt.Profile = s.best.Profile
	s.plan()
	for _, x := range [...]plan.Setting{
		{Name: "tools-fail", Value: "0"},
		{Name: "tools-half", Value: "0"},
		{Name: "tools-lie", Value: "0"},
		{Name: "tools-hang", Value: "0"},
		{Name: "tools-blind", Value: "0"},
		{Name: "late-timers", Value: "0"},
		{Name: "loss", Value: "0"},
		{Name: "duplication", Value: "0"},
		{Name: "jitter", Value: "0s"},
		{Name: "trims", Value: "0"},
		{Name: "zeros", Value: "0"},
		{Name: "flushes", Value: "0"},
		{Name: "reads", Value: "0"},
		{Name: "clients", Value: "1"},
		{Name: "spots", Value: "1"},
		{Name: "think", Value: "1s"},
	} {
		s.try(s.best.Plan, append(slices.Clone(s.best.Settings), x))
	}
	s.plan()
	s.shorten()
	return s.best
}

// shrinker is a search for a smaller run.
type shrinker struct {
	seed uint64
	opt  Options
	best Result
	more func() bool
}

// try runs with less, and tells whether the same promise broke.
func (s *shrinker) try(faults plan.Plan, settings []plan.Setting) bool {
	if !s.more() {
		return false
	}
	s.opt.Plan, s.opt.Settings = append(plan.Plan{}, faults...), settings // not nil, also when nothing is left
	r := Run(s.seed, s.opt)
	if r.Broken == nil || r.Broken.Promise != s.best.Broken.Promise {
		return false
	}
	s.best = r
	return true
}

func (s *shrinker) plan() {
	for chunk := max(len(s.best.Plan)/2, 1); chunk > 0; {
		smaller := false
		for at := 0; at < len(s.best.Plan); {
			less := slices.Delete(slices.Clone(s.best.Plan), at, min(at+chunk, len(s.best.Plan)))
			if s.try(less, s.best.Settings) {
				smaller = true
				continue
			}
			at += chunk
		}
		if !smaller || chunk > len(s.best.Plan) {
			chunk /= 2
		}
	}
}

func (s *shrinker) shorten() {
	for i := range s.best.Plan {
		for s.best.Plan[i].For > 10*time.Millisecond {
			less := slices.Clone(s.best.Plan)
			less[i].For = (less[i].For / 2).Round(time.Millisecond)
			if !s.try(less, s.best.Settings) {
				break
			}
		}
	}
}
