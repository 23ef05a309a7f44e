// Package link is a model of one direction of a network between two sites:
// delay, jitter, rate, stalls, a cut; loss and duplication for datagrams. A
// reliable stream over it loses nothing and keeps its order, but waits as long
// as the direction is cut, and then for the retransmission.
//
// The model has no clock: who uses it says what time it is and carries what
// arrives. Two directions that differ make a one-way cut.
package link

import (
	"time"

	"github.com/optionc/pollux/faults/draw"
)

// retransmission is how long after a cut the first lost segment of a stream is
// sent again.
const retransmission = 200 * time.Millisecond

// Direction is one way of a link. The zero value is perfect.
type Direction struct {
	Latency time.Duration
	Jitter  time.Duration // added to Latency, 0 to Jitter, evenly
	// Loss and Duplication of datagrams, of a million.
	Loss, Duplication int
	// Burst is how long everything is lost at most once a datagram is, as on a
	// radio link or a queue that is full.
	Burst time.Duration
	Rate  int64 // bytes per second; 0 is without limit

	cut   bool
	stall time.Duration // nothing arrives before
	lossy time.Duration // the burst of losses ends
	busy  time.Duration // the wire has room again
}

// Cut lets nothing pass until Heal.
func (d *Direction) Cut() { d.cut = true }

// Heal ends a cut at that time; what streams held back arrives after a
// retransmission.
func (d *Direction) Heal(now time.Duration) {
	if d.cut {
		d.cut = false
		d.stall = max(d.stall, now+retransmission)
	}
}

// IsCut tells whether nothing passes.
func (d *Direction) IsCut() bool { return d.cut }

// Stall delays everything that is sent from now on until at least that time.
func (d *Direction) Stall(until time.Duration) { d.stall = max(d.stall, until) }

// Datagram appends the times at which a datagram of size bytes that is sent
// now arrives: none if it is lost, two if it is duplicated.
func (d *Direction) Datagram(now time.Duration, size int, luck *draw.Stream, out []time.Duration) []time.Duration {
	if d.cut || now < d.lossy {
		return out
	}
	if luck.Chance(d.Loss) {
		d.lossy = now + luck.Between(0, d.Burst)
		return out
	}
	at := d.arrival(now, size, luck)
	out = append(out, at)
	if luck.Chance(d.Duplication) {
		out = append(out, at+luck.Between(0, d.Jitter))
	}
	return out
}

// Stream is the time at which bytes of a stream that are sent now arrive, not
// before last, when what was sent earlier on it arrives. Not ok: the direction
// is cut, and the sender has to ask again after Heal.
func (d *Direction) Stream(now, last time.Duration, size int, luck *draw.Stream) (at time.Duration, ok bool) {
	if d.cut {
		return 0, false
	}
	return max(last, d.arrival(now, size, luck)), true
}

func (d *Direction) arrival(now time.Duration, size int, luck *draw.Stream) time.Duration {
	leaves := max(now, d.busy)
	if d.Rate > 0 {
		leaves += time.Duration(int64(size) * int64(time.Second) / d.Rate)
		d.busy = leaves
	}
	return max(d.stall, leaves+d.Latency+luck.Between(0, d.Jitter))
}
