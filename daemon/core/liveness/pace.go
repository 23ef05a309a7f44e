package liveness

import "time"

// pace is how regularly the peer's heartbeats come: what a good deadtime depends on.
type pace struct {
	longest time.Duration // from one status to the next, while the peer did not count as dead
	jitter  time.Duration // mean deviation from the keepalive
}

// smoothing is how many heartbeats a jitter is made of, about. Source: RFC 3550, section 6.4.1.
const smoothing = 16

// hear takes the time since the last status.
func (p *pace) hear(since, keepalive time.Duration) {
	p.longest = max(p.longest, since)
	// A status that is due to a change comes early, and says nothing about the network.
	if off := since - keepalive; off > 0 {
		p.jitter += (off - p.jitter) / smoothing
	}
}

// deadtime is one that the longest silence so far stays well below: twice as long, in whole seconds.
func (p *pace) deadtime(keepalive time.Duration) time.Duration {
	least := max(2*p.longest, 2*keepalive+1)
	return (least + time.Second - 1).Truncate(time.Second)
}
