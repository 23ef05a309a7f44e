package resync

import "time"

// pace says how much may be requested now: by the controller of a rate, or,
// without a rate, as much as keeps a window in flight.
type pace struct {
	rate     controller
	window   uint64        // blocks in flight without a rate, 0 with one
	got      uint64        // sectors that came in since the last step
	budget   uint64        // blocks that may still be requested in this step
	nextStep time.Duration // when the controller decides again
}

func newPace(params Params) pace {
	p := pace{rate: newController(params)}
	if params.Rate == 0 {
		p.window = windowBytes / BlockSize
		if half := uint64(params.MaxBuffers / 2); half != 0 {
			p.window = min(p.window, half)
		}
	}
	return p
}

// start begins anew.
func (p *pace) start(now time.Duration) {
	*p = pace{rate: newController(p.rate.params), window: p.window, nextStep: now}
}

// deadline is when room may be found without any other event.
func (p *pace) deadline() time.Duration {
	if p.window != 0 {
		return Never
	}
	return p.nextStep
}

// room is the blocks that may be requested while so many are in flight.
func (p *pace) room(now time.Duration, flying uint64) uint64 {
	p.advance(now, flying)
	if p.window != 0 {
		return p.window - min(p.window, flying)
	}
	return p.budget
}

// spent notes that so many blocks were requested, came that they are answered.
func (p *pace) spent(blocks uint64) { p.budget -= min(p.budget, blocks) }

func (p *pace) came(blocks uint64) { p.got += blocks * blockSectors }

// advance lets the controller decide if its time has come. Steps that were
// missed are not made up for: their requests would come in one burst.
func (p *pace) advance(now time.Duration, flying uint64) {
	if p.window != 0 || now < p.nextStep {
		return
	}
	p.budget = p.rate.step(p.got, flying*blockSectors)
	p.got = 0
	p.nextStep += StepTime
	if p.nextStep <= now {
		p.nextStep = now + StepTime
	}
}
