package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/optionc/pollux/faults/draw"
)

// Profile is what a generated plan is about.
type Profile struct {
	From, To time.Duration // when things go wrong
	Faults   int           // how many
	// Apart: the nodes may be cut off from each other altogether, and pause.
	Apart bool
	// BadDisks: one node's disk may fail requests.
	BadDisks bool
	// Silent: disks may lose and misplace writes, and come back with old content.
	// Nobody notices before the copies are compared.
	Silent bool
	// Detach: an operator may detach disks that are in use.
	Detach bool
	// Deadtime is after how long a silent node counts as dead. Without Apart
	// heartbeats are cut for a fraction of it only.
	Deadtime time.Duration
	// Together, of a million: how many faults come within 4 s of the one before.
	Together int
}

// Draw makes a plan from a seed. Each seed leaves some kinds of faults out
// altogether and has more of the others: that reaches states which a little of
// everything does not.
func Draw(seed uint64, p Profile) Plan {
	luck := draw.New(seed, "plan")
	var allowed []Kind
	for k := Power; k < Wall; k++ {
		apart := k == Pause || k == Cut || k == Split
		if luck.Below(2) == 0 && (p.Apart || !apart) && k != BadDisk && (p.Detach || k != Detach) {
			allowed = append(allowed, k)
		}
	}
	if p.BadDisks {
		allowed = append(allowed, BadDisk)
	}
	if len(allowed) == 0 {
		allowed = []Kind{Power, Break}
	}
	var out Plan
	at := p.From
	fragile := luck.Below(2) // one copy stays good
	for range p.Faults {
		if luck.Chance(p.Together) {
			at = min(at+luck.Between(0, 4*time.Second), p.To)
		} else {
			at = luck.Between(p.From, p.To)
		}
		f := Fault{At: at.Round(time.Microsecond), Kind: allowed[luck.Below(len(allowed))], Node: luck.Below(2)}
		if f.Kind.Lasts() {
			f.For = p.duration(f.Kind, luck).Round(time.Millisecond)
		}
		if f.Kind == BadDisk {
			f.Node = fragile
		}
		out = append(out, f)
	}
	out = append(out, p.rare(draw.New(seed, "rare"), fragile)...)
	out = append(out, p.orders(draw.New(seed, "orders"))...)
	slices.SortStableFunc(out, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return out
}

// rare draws faults for every second plan that the others have nothing to do
// with, by luck of its own. The disk of one node alone fails.
func (p Profile) rare(luck *draw.Stream, fragile int) (out []Fault) {
	if luck.Below(2) == 0 && !p.Silent {
		return nil
	}
	kinds := []Kind{Wall}
	if p.Apart {
		kinds = append(kinds, Sleep)
	}
	if p.BadDisks {
		kinds = append(kinds, BadSpots, BadSpots, BadRange, BadMeta)
	}
	if p.Silent {
		kinds = append(kinds, Unstored, Unstored, Astray, Astray, OldDisk)
	}
	for range 1 + luck.Below(3) {
		f := Fault{
			At: luck.Between(p.From, p.To).Round(time.Microsecond), Kind: kinds[luck.Below(len(kinds))], Node: luck.Below(2),
		}
		if f.Kind >= BadSpots {
			f.Node = fragile
		}
		if f.Kind.Lasts() {
			f.For = p.duration(f.Kind, luck).Round(time.Millisecond)
		}
		out = append(out, f)
	}
	return out
}

// orders draws for every third plan what an operator does now and then, by luck of its
// own. A comparison that he ends has begun a moment before.
func (p Profile) orders(luck *draw.Stream) (out []Fault) {
	if luck.Below(3) > 0 {
		return nil
	}
	for range 1 + luck.Below(3) {
		f := Fault{
			At:   luck.Between(p.From, p.To).Round(time.Microsecond),
			Kind: [...]Kind{Abort, Demote, Renew, Adjust}[luck.Below(4)], Node: luck.Below(2),
		}
		switch {
		case f.Kind.Lasts():
			f.For = p.duration(f.Kind, luck).Round(time.Millisecond)
		case f.Kind == Abort:
			begun := f.At - luck.Between(0, 4*time.Second).Round(time.Microsecond)
			out = append(out, Fault{At: max(begun, p.From), Kind: Verify, Node: f.Node})
		}
		out = append(out, f)
	}
	return out
}

// DrawWitness makes the part of a plan that is about the witness: it dies, and
// nodes can't reach it.
func DrawWitness(seed uint64, p Profile) Plan {
	luck := draw.New(seed, "witness plan")
	var out Plan
	for range luck.Below(6) {
		f := Fault{At: luck.Between(p.From, p.To).Round(time.Microsecond), Kind: CutWitness, Node: luck.Below(2)}
		if luck.Below(3) == 0 {
			f.Kind, f.Node = Crash, Witness
		}
		f.For = p.duration(CutWitness, luck).Round(time.Millisecond)
		out = append(out, f)
		if f.Kind == CutWitness && luck.Below(3) == 0 {
			f.Node = 1 - f.Node
			out = append(out, f)
		}
	}
	return out
}

// duration is short, of the size of time limits, or long.
func (p Profile) duration(k Kind, luck *draw.Stream) time.Duration {
	scales := [...]time.Duration{300 * time.Millisecond, 5 * time.Second, 40 * time.Second}
	d := luck.Between(0, scales[luck.Below(len(scales))])
	switch {
	case (k == Power || k == Crash) && luck.Below(4) == 0:
		d += luck.Between(0, 90*time.Second)
	case k == Power || k == Crash:
		d += luck.Between(time.Second, 5*time.Second)
	case k == CutBeats && !p.Apart:
		d = min(d, p.Deadtime/3)
	case k == HungDisk || k == SlowDisk || k == BadDisk || k == BadRange || k == BadMeta:
		d = min(d, 20*time.Second)
	case k == Pause, k == Sleep:
		d = min(d, 3*p.Deadtime)
	}
	return d
}
