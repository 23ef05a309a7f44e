package resync

import (
	"math"
	"time"
)

// StepTime is how often the rate controller decides how much to request.
// Source: DRBD 8.4 states, section 11.1.
const StepTime = 100 * time.Millisecond

// Never is the deadline of what waits for an event and not for time.
const Never time.Duration = math.MaxInt64

// windowBytes is what may be in flight when no rate is given.
const windowBytes = 4 << 20

// Params are the settings of a resync, as configured here or received from the
// peer in P_SYNC_PARAM.
//
// A Rate of 0 switches the controller off and asks for no rate at all: as much
// as possible is requested, with at most 4 MiB (or half of MaxBuffers, if that
// is less) in flight. The path then carries what it can: on a path with a round
// trip of 40 ms this is up to 100 MiB/s. DRBD's own default of 250 KiB/s with a
// controller is what the peer gets told, not what a node that was never
// configured should crawl at.
type Params struct {
	Rate        uint32 // resync-rate in KiB/s: fixed, or where the controller starts; 0 is no limit
	PlanAhead   uint32 // c-plan-ahead in 0.1 s; 0 is the fixed Rate
	DelayTarget uint32 // c-delay-target in 0.1 s, used when FillTarget is 0
	FillTarget  uint32 // c-fill-target in sectors
	MaxRate     uint32 // c-max-rate in KiB/s; 0 is no limit
	MaxBuffers  uint32 // max-buffers in pages of 4 KiB; 0 is no limit
	MaxRequest  uint32 // bytes of the largest request; 0 is 1 MiB
}

// controller decides every StepTime how many blocks may be requested.
type controller struct {
	params Params
	plan   []int64 // sectors per step to come
	head   int
	rest   uint64 // of the fixed rate, what did not make a whole block yet
}

func newController(p Params) controller {
	return controller{params: p, plan: make([]int64, p.PlanAhead)}
}

// step gives the number of blocks to request now. Got is the sectors that came
// in since the last step, flying those requested and still to come.
//
// Source: DRBD 8.4 states, section 11.1. Three things differ. What a fixed rate
// leaves of a block is carried over, so rates below 40 KiB/s move. When nothing
// is on its way one block is, so the controller can't plan itself to a
// standstill. And with c-delay-target, when all has come within the step, there
// is no delay to keep: then it begins again with Rate, where it would else stay
// at a block a step for ever, to which a slow disk may have brought it. The
// kernel, moreover, requests one block more than decided whenever its last
// request ends at the decided number.
func (c *controller) step(got, flying uint64) uint64 {
	blocks := c.fixed()
	if len(c.plan) > 0 {
		blocks = c.steer(int64(got), int64(flying))
	}
	if room, limited := c.room(flying); limited {
		blocks = min(blocks, room)
	}
	if flying+got == 0 {
		blocks = max(blocks, c.minimum())
	}
	return blocks
}

// minimum is 1 for the controller; a fixed rate comes around by itself.
func (c *controller) minimum() uint64 {
	if len(c.plan) > 0 {
		return 1
	}
	return 0
}

// fixed is the blocks that the rate allows in one step.
func (c *controller) fixed() uint64 {
	const perStep = uint64(BlockSize/1024) * uint64(time.Second/StepTime)
	c.rest += uint64(c.params.Rate)
	blocks := c.rest / perStep
	c.rest %= perStep
	return blocks
}

// steer is the controller: it spreads over the plan what is missing from, or
// too much in, the amount that shall be on its way.
func (c *controller) steer(got, flying int64) uint64 {
	n := int64(len(c.plan))
	want := int64(c.params.FillTarget)
	start := int64(c.params.Rate) * 2 / 10 * n
	switch {
	case flying+got == 0:
		want = start
	case want == 0:
		want = got * int64(c.params.DelayTarget)
		if flying == 0 {
			want = max(want, start)
		}
	}
	correction := want - flying
	for _, planned := range c.plan {
		correction -= planned
	}
	each := correction / n
	for i := range c.plan {
		c.plan[i] += each
	}
	now := c.plan[c.head]
	c.plan[c.head] = 0
	c.head = (c.head + 1) % len(c.plan)
	sectors := max(got+now, 0)
	if c.params.MaxRate != 0 {
		sectors = min(sectors, int64(c.params.MaxRate)*2/10)
	}
	return uint64(sectors) / blockSectors
}

// room is the blocks that the receive buffers still have room for.
func (c *controller) room(flying uint64) (blocks uint64, limited bool) {
	if c.params.MaxBuffers == 0 {
		return 0, false
	}
	half, used := uint64(c.params.MaxBuffers/2), flying/blockSectors
	return half - min(half, used), true
}
