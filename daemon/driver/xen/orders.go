package xen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errStill is the end of a wait for domains that do not go away.
var errStill = errors.New("still there when the time was up")

// Start creates each guest that Xen does not have, one after the other. A
// paused guest goes on; what is left of a crashed one, or one that was shut
// down, is destroyed first. It tries all guests, and fails if one failed.
func (g Guests) Start(ctx context.Context) error {
	guests, domains, err := g.look(ctx)
	if err != nil {
		return fmt.Errorf("start the guests of %s: %w", g.dir(), err)
	}
	if len(guests) == 0 {
		return nil
	}
	var failed error
	for _, guest := range guests {
		d, exists := domains[guest.name]
		if err := g.start(ctx, guest, d, exists); err != nil {
			failed = errors.Join(failed, fmt.Errorf("start guest %s: %w", guest.name, err))
		}
	}
	if failed != nil {
		return failed
	}
	domains, err = g.domains(ctx)
	if err != nil {
		return fmt.Errorf("look at the guests of %s after their start: %w", g.dir(), err)
	}
	for _, guest := range guests {
		if _, exists := domains[guest.name]; !exists {
			failed = errors.Join(failed, fmt.Errorf("start guest %s: xl succeeded, but the guest is gone", guest.name))
		}
	}
	return failed
}

func (g Guests) start(ctx context.Context, guest guest, d domain, exists bool) error {
	switch {
	case exists && d.trouble() == "":
		return nil
	case exists && d.trouble() == "is paused":
		_, err := g.xl(ctx, orderLimit, "unpause", strconv.Itoa(d.id))
		return err
	case exists:
		if err := g.destroy(ctx, guest, d); err != nil {
			return err
		}
	}
	_, err := g.xl(ctx, createLimit, "create", guest.file)
	return err
}

// Stop asks all guests to shut down, waits until Xen has none of them any more,
// destroys those that take longer than Patience, and fails if one is still
// there.
func (g Guests) Stop(ctx context.Context) error {
	guests, domains, err := g.look(ctx)
	if err != nil {
		return fmt.Errorf("stop the guests of %s: %w", g.dir(), err)
	}
	slices.Reverse(guests)
	for _, guest := range guests {
		if d, exists := domains[guest.name]; exists {
			g.shutdown(ctx, d)
		}
	}
	patience := g.Patience
	if patience <= 0 {
		patience = DefaultPatience
	}
	err = g.waitGone(ctx, guests, patience)
	if err == nil || ctx.Err() != nil {
		return asStop(g, err)
	}
	// Ask again: what could not be asked a moment ago decides nothing now.
	domains, err = g.domains(ctx)
	if err != nil {
		return asStop(g, err)
	}
	var failed error
	for _, guest := range guests {
		if d, exists := domains[guest.name]; exists {
			failed = errors.Join(failed, g.destroy(ctx, guest, d))
		}
	}
	return asStop(g, failed)
}

func asStop(g Guests, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stop the guests of %s: %w", g.dir(), err)
}

// shutdown asks one domain to end. Whether it heard does not matter here: who
// is not gone in time is destroyed.
func (g Guests) shutdown(ctx context.Context, d domain) {
	id := strconv.Itoa(d.id)
	switch {
	case d.has("c"):
		// Nobody is left who could shut it down.
		_, _ = g.xl(ctx, destroyLimit, "destroy", id)
	case d.has("s"), d.has("d"):
		// On its way already.
	case d.has("p"):
		// A paused guest hears nothing.
		_, _ = g.xl(ctx, orderLimit, "unpause", id)
		_, _ = g.xl(ctx, orderLimit, "shutdown", "-F", id)
	default:
		// -F: a guest without Xen's drivers gets its power button pressed.
		_, _ = g.xl(ctx, orderLimit, "shutdown", "-F", id)
	}
}

// destroy ends a domain at once, and waits until Xen has it no more.
func (g Guests) destroy(ctx context.Context, only guest, d domain) error {
	_, err := g.xl(ctx, destroyLimit, "destroy", strconv.Itoa(d.id))
	gone := g.waitGone(ctx, []guest{only}, destroyLimit)
	if gone != nil {
		return errors.Join(err, gone)
	}
	return nil
}

// waitGone waits until Xen has no domain of these guests. Its error is the last
// thing that was seen while there was time.
func (g Guests) waitGone(ctx context.Context, guests []guest, limit time.Duration) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var seen error
	for {
		domains, err := g.domains(within)
		var left []string
		for _, guest := range guests {
			if _, exists := domains[guest.name]; exists {
				left = append(left, guest.name)
			}
		}
		switch {
		case err == nil && len(left) == 0:
			return nil
		case err == nil:
			seen = fmt.Errorf("%s: %w", strings.Join(left, ", "), errStill)
		case seen == nil || within.Err() == nil:
			seen = err
		}
		poll := time.NewTimer(pollInterval)
		select {
		case <-poll.C:
		case <-within.Done():
			poll.Stop()
		}
		if within.Err() != nil {
			return seen
		}
	}
}
