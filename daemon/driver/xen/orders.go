package xen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errStill is the end of a wait for domains that do not go away.
var errStill = errors.New("still there when the time was up")

// shutdownsAtOnce is how many guests are asked at the same time to shut down.
const shutdownsAtOnce = 4

// Start creates each guest that Xen does not have. A paused guest goes on; what is
// left of a crashed one, or one that was shut down, is destroyed first. It tries
// all guests of a pollux_order, and fails if one failed.
//
// Guests that find no room are not begun with.
func (g Guests) Start(ctx context.Context) error {
	guests, domains, err := g.look(ctx)
	if err != nil {
		return fmt.Errorf("start the guests of %s: %w", g.dir(), err)
	}
	if len(guests) == 0 {
		return nil
	}
	if missing := without(guests, domains); len(missing) > 0 {
		if err := g.makeRoom(ctx, missing); err != nil {
			return fmt.Errorf("start the guests of %s: %w", g.dir(), err)
		}
	}
	for _, level := range levels(guests) {
		failed := each(level, g.AtOnce, func(one guest) error {
			d, exists := domains[one.name]
			if err := g.start(ctx, one, d, exists); err != nil {
				return fmt.Errorf("start guest %s: %w", one.name, err)
			}
			return nil
		})
		if failed != nil {
			return failed
		}
	}
	return g.confirm(ctx, guests)
}

// without are the guests that Xen does not have.
func without(guests []guest, domains map[string]domain) []guest {
	return slices.DeleteFunc(slices.Clone(guests), func(one guest) bool { _, exists := domains[one.name]; return exists })
}

// with are those that it has.
func with(guests []guest, domains map[string]domain) []guest {
	return slices.DeleteFunc(slices.Clone(guests), func(one guest) bool { _, exists := domains[one.name]; return !exists })
}

// confirm looks whether guests that were started are there.
func (g Guests) confirm(ctx context.Context, guests []guest) error {
	domains, err := g.domains(ctx)
	if err != nil {
		return fmt.Errorf("look at the guests of %s after their start: %w", g.dir(), err)
	}
	g.spoil(ctx, guests, domains)
	var gone error
	for _, one := range without(guests, domains) {
		gone = errors.Join(gone, fmt.Errorf("start guest %s: xl succeeded, but the guest is gone", one.name))
	}
	return gone
}

// each does something with guests, with so many at once, and begins in their
// order. It joins the errors in the same order.
func each(guests []guest, atOnce int, do func(guest) error) error {
	failed := make([]error, len(guests))
	var working sync.WaitGroup
	free := make(chan struct{}, max(atOnce, 1))
	for i, guest := range guests {
		free <- struct{}{}
		working.Go(func() {
			failed[i] = do(guest)
			<-free
		})
	}
	working.Wait()
	return errors.Join(failed...)
}

func (g Guests) start(ctx context.Context, one guest, d domain, exists bool) error {
	switch {
	case exists && d.trouble() == "":
		return nil
	case exists && d.trouble() == "is paused":
		_, err := g.xl(ctx, orderLimit, "unpause", strconv.Itoa(d.id))
		return err
	case exists:
		if err := g.wait(ctx, []guest{one}, func(guest) time.Duration { return 0 }); err != nil {
			return err
		}
	}
	if one.image != "" {
		switch done, err := g.restore(ctx, one); {
		case done:
			return nil
		case err != nil:
			g.warn(fmt.Errorf("guest %s starts afresh: %w", one.name, err))
		}
	}
	// xl creates one guest after the other: each waits for those before it.
	_, err := g.xl(ctx, createLimit*time.Duration(max(g.AtOnce, 1)), "create", one.file)
	return err
}

func (g Guests) warn(err error) {
	if g.Warn != nil {
		g.Warn(err)
	}
}

// Stop asks the guests to shut down, those that started last first, and waits
// until Xen has none of them any more. Who takes longer than its time is
// destroyed. It fails if one is still there.
func (g Guests) Stop(ctx context.Context) error {
	guests, err := g.configured()
	if err == nil {
		err = g.end(ctx, guests)
	}
	if err != nil {
		return fmt.Errorf("stop the guests of %s: %w", g.dir(), err)
	}
	return nil
}

// StopWithin is Stop with a limit for all guests together: whoever is left after
// half of it is destroyed.
func (g Guests) StopWithin(ctx context.Context, within time.Duration) error {
	g.hurry = time.Now().Add(within / 2)
	return g.Stop(ctx)
}

// end brings guests down, one pollux_order after the other. One that survives
// does not keep those that come after it.
func (g Guests) end(ctx context.Context, guests []guest) error {
	var failed error
	for _, level := range slices.Backward(levels(guests)) {
		domains, err := g.domains(ctx)
		if err != nil {
			return errors.Join(failed, err)
		}
		level = with(level, domains)
		slices.Reverse(level)
		patience := g.patienceFrom(time.Now())
		_ = each(level, shutdownsAtOnce, func(one guest) error {
			g.shutdown(ctx, one, domains[one.name], patience(one))
			return nil
		})
		failed = errors.Join(failed, g.wait(ctx, level, patience))
		if ctx.Err() != nil {
			return failed
		}
	}
	return failed
}

// patienceWith is how long a guest has to shut down.
func (g Guests) patienceWith(one guest) time.Duration {
	switch {
	case one.patience >= 0:
		return one.patience
	case g.Patience > 0:
		return g.Patience
	default:
		return DefaultPatience
	}
}

// patienceFrom is how long guests have that are asked to shut down now.
func (g Guests) patienceFrom(now time.Time) func(guest) time.Duration {
	if g.hurry.IsZero() {
		return g.patienceWith
	}
	left := max(0, g.hurry.Sub(now))
	return func(one guest) time.Duration { return min(left, g.patienceWith(one)) }
}

// shutdown asks one domain to end. Whether it heard does not matter here: who
// is not gone in time is destroyed.
func (g Guests) shutdown(ctx context.Context, one guest, d domain, patience time.Duration) {
	id := strconv.Itoa(d.id)
	switch {
	case d.has("c"):
		// Nobody is left who could shut it down.
		_, _ = g.xl(ctx, destroyLimit, "destroy", id)
	case d.has("s"), d.has("d"), patience == 0:
		// On its way already, or not asked.
	case d.has("p"):
		// A paused guest hears nothing.
		_, _ = g.xl(ctx, orderLimit, "unpause", id)
		_, _ = g.xl(ctx, orderLimit, "shutdown", "-F", id)
	case one.image != "" && g.hurry.IsZero(): // else its device may be frozen
		if err := g.save(ctx, one, d); err != nil {
			g.warn(err)
			_, _ = g.xl(ctx, orderLimit, "shutdown", "-F", id)
		}
	default:
		// -F: a guest without Xen's drivers gets its power button pressed.
		_, _ = g.xl(ctx, orderLimit, "shutdown", "-F", id)
	}
}

// haltedLimit is how long a domain that has shut down may stay. The xl that made it
// destroys it at once; but that xl ends when it sees a save begin, and is not there
// any more when a guest that could not be saved shuts down.
const haltedLimit = 5 * time.Second

// wait waits until Xen has no domain of these guests, and destroys each whose
// time is up, or which has halted and is there all the same. It fails when one
// outlives that, or Xen can't be asked any more.
func (g Guests) wait(ctx context.Context, guests []guest, patience func(guest) time.Duration) error {
	w := waiting{
		Guests: g, since: time.Now(), patience: patience, left: guests,
		halted: map[string]time.Time{}, destroyed: map[string]time.Time{},
	}
	for len(w.left) > 0 {
		if err := w.look(ctx); err != nil {
			return err
		}
		if len(w.left) == 0 {
			break
		}
		poll := time.NewTimer(pollInterval)
		select {
		case <-poll.C:
		case <-ctx.Done():
			poll.Stop()
			return fmt.Errorf("%s: %w", w.names(), context.Cause(ctx))
		}
	}
	return nil
}

// waiting is a wait for guests that end.
type waiting struct {
	Guests
	since     time.Time
	patience  func(guest) time.Duration
	left      []guest
	halted    map[string]time.Time // since when each has been seen shut down
	destroyed map[string]time.Time // when each was
	failed    error                // why one could not be destroyed
	silent    time.Time            // since when Xen has not answered
}

// look takes from left who is gone, and destroys whose time is up.
func (w *waiting) look(ctx context.Context) error {
	domains, err := w.domains(ctx)
	if err != nil {
		return w.unseen(err)
	}
	w.silent = time.Time{}
	w.left = with(w.left, domains)
	stuck := 0
	for _, one := range w.left {
		at, tried := w.destroyed[one.name]
		switch {
		case !tried && (time.Since(w.since) >= w.patience(one) || w.remains(one, domains[one.name])):
			w.destroyed[one.name] = time.Now()
			_, err := w.xl(ctx, destroyLimit, "destroy", strconv.Itoa(domains[one.name].id))
			w.failed = errors.Join(w.failed, err)
		case tried && time.Since(at) >= destroyLimit:
			stuck++
		}
	}
	if stuck > 0 && stuck == len(w.left) {
		return errors.Join(w.failed, fmt.Errorf("%s: %w", w.names(), errStill))
	}
	return nil
}

// remains says that nobody takes a domain away that has shut down. One that has
// crashed may be having its memory dumped.
func (w *waiting) remains(one guest, d domain) bool {
	if !d.has("s") || d.has("c") {
		delete(w.halted, one.name)
		return false
	}
	if _, seen := w.halted[one.name]; !seen {
		w.halted[one.name] = time.Now()
	}
	return time.Since(w.halted[one.name]) >= haltedLimit
}

// unseen bears it for a while that Xen does not answer: nothing is decided by that.
func (w *waiting) unseen(err error) error {
	if w.silent.IsZero() {
		w.silent = time.Now()
	}
	if time.Since(w.silent) < destroyLimit {
		return nil
	}
	return err
}

func (w *waiting) names() string { return strings.Join(namesOf(w.left), ", ") }
