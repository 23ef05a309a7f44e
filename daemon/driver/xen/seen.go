package xen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Seen is which guests were seen to run. An image that is on the volume of such a
// guest does not belong to its disk any more: somebody has started it by hand, or
// its image could not be read when it was started.
type Seen struct {
	mu     sync.Mutex
	guests map[string]sight
}

// sight is the domain that a guest was seen as last.
type sight struct {
	id    int
	clean bool      // its volume has no image since
	at    time.Time // when that was last tried
}

// trySpoilEach is how often a volume is tried that can't be read or written: each
// try may leave a program that hangs.
const trySpoilEach = time.Minute

var errHasRun = errors.New("it has run since its memory was saved")

// of is how a guest was seen last; a nil Seen remembers nothing.
func (s *Seen) of(name string) (last sight, ok bool) {
	if s == nil {
		return sight{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok = s.guests[name]
	return last, ok
}

func (s *Seen) note(name string, now sight) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guests == nil {
		s.guests = map[string]sight{}
	}
	s.guests[name] = now
}

// spoil takes the images of guests away that run.
func (g Guests) spoil(ctx context.Context, guests []guest, domains map[string]domain) {
	for _, one := range guests {
		d, runs := domains[one.name]
		last, ok := g.Seen.of(one.name)
		known := ok && last.id == d.id && (last.clean || time.Since(last.at) < trySpoilEach)
		if one.image == "" || !runs || known {
			continue
		}
		found, err := g.marked(ctx, one)
		if err == nil && strings.HasPrefix(found, markImage) {
			if err = g.mark(ctx, one, markEmpty); err == nil {
				g.warn(fmt.Errorf("guest %s runs, and its memory was saved before: that is not used any more", one.name))
			}
		}
		if err != nil {
			g.warn(fmt.Errorf("guest %s runs, and whether its memory was saved before can't be seen: %w", one.name, err))
		}
		g.Seen.note(one.name, sight{id: d.id, clean: err == nil, at: time.Now()})
	}
}
