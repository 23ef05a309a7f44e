package xen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Displaced are guests that a node runs for itself. They make room when guests of
// a group come, and come back when these have left:
//
//	        Leave: shut down, or destroyed          Return
//	runs ------------------------------> owed ------------------> runs
//	                                      |  made by somebody else
//	                                      +----------------------> runs
//
// Only what was stopped here is started again. What is owed stands in a file that
// ends with the uptime of the host: after a boot it is for the host to start what
// it runs for itself. Make one with NewDisplaced.
type Displaced struct {
	guests Guests // by their Files
	record string // the file with what is owed: the guests' files
	warn   func(error)

	busy chan struct{} // full while guests leave or return

	mu  sync.Mutex
	end context.CancelFunc // of the Return that is under way
}

// NewDisplaced takes the guests by their Files, a file to write down what is owed,
// and who hears what goes wrong while guests are displaced.
func NewDisplaced(guests Guests, record string, warn func(error)) *Displaced {
	return &Displaced{guests: guests, record: record, warn: warn, busy: make(chan struct{}, 1)}
}

// Leave stops those that run, and writes down which, before anything is done. It
// ends a Return that is under way.
func (d *Displaced) Leave(ctx context.Context) error {
	d.mu.Lock()
	if d.end != nil {
		d.end()
	}
	d.mu.Unlock()
	if err := d.begin(ctx); err != nil {
		return failed("displace guests", err)
	}
	defer d.done()
	guests, unreadable := d.declared()
	domains, err := d.guests.domains(ctx)
	if err != nil {
		return failed("displace guests", unreadable, err)
	}
	running := with(guests, domains)
	if len(running) == 0 {
		return failed("displace guests", unreadable)
	}
	// That they may not come back by themselves does not keep them here.
	owed, unread := d.read()
	for _, one := range running {
		if !slices.Contains(owed, one.file) {
			owed = append(owed, one.file)
		}
	}
	return failed("displace guests", unreadable, unread, d.write(owed), d.guests.end(ctx, running))
}

// begin waits until nobody leaves or returns.
func (d *Displaced) begin(ctx context.Context) error {
	select {
	case d.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Displaced) done() { <-d.busy }

func failed(goal string, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", goal, err)
	}
	return nil
}

// declared are the guests in the order in which they start. A file that can't be
// read keeps no other guest here.
func (d *Displaced) declared() (guests []guest, err error) {
	for _, file := range d.guests.Files {
		one, bad := read(file)
		if bad != nil {
			err = errors.Join(err, bad)
			continue
		}
		guests = append(guests, one)
	}
	slices.SortStableFunc(guests, byOrder)
	return guests, err
}

// Owed are the names of those that were stopped and have not come back; a file
// that is not declared any more owes nothing.
func (d *Displaced) Owed() ([]string, error) {
	guests, err := d.owed()
	return namesOf(guests), err
}

func (d *Displaced) owed() ([]guest, error) {
	files, err := d.read()
	if err != nil || len(files) == 0 {
		return nil, err
	}
	guests, err := d.declared()
	return slices.DeleteFunc(guests, func(one guest) bool { return !slices.Contains(files, one.file) }), err
}

// Return starts what is owed, one after the other, as long as there is room for
// it: free is asked before each. It gives the names of those that have come back.
func (d *Displaced) Return(ctx context.Context, free func() bool) (back []string, err error) {
	if err := d.begin(ctx); err != nil {
		return nil, failed("bring displaced guests back", err)
	}
	defer d.done()
	returning, end := context.WithCancel(ctx)
	defer end()
	d.mu.Lock()
	d.end = end
	d.mu.Unlock()
	guests, unreadable := d.owed()
	domains, err := d.guests.domains(ctx)
	if err != nil {
		return nil, failed("bring displaced guests back", err)
	}
	var left []string
	for _, one := range guests {
		if returning.Err() != nil || !free() {
			left = append(left, one.file)
			continue
		}
		// What is begun is not broken off: a Leave, and the end of the daemon, wait.
		have, exists := domains[one.name]
		if failed := d.guests.start(context.WithoutCancel(ctx), one, have, exists); failed != nil {
			left = append(left, one.file)
			err = errors.Join(err, fmt.Errorf("start guest %s: %w", one.name, failed))
			continue
		}
		back = append(back, one.name)
	}
	return back, failed("bring displaced guests back", unreadable, err, d.write(left))
}

// read reads the record: paths of files.
func (d *Displaced) read() ([]string, error) {
	text, err := os.ReadFile(d.record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []string
	if err == nil {
		err = json.Unmarshal(text, &files)
	}
	if err != nil {
		return nil, fmt.Errorf("record of displaced guests, %s: %w", d.record, err)
	}
	return files, nil
}

// write replaces the record. A crash leaves the old one or the new one.
func (d *Displaced) write(files []string) error {
	text, err := json.Marshal(files)
	if err == nil {
		fresh := filepath.Join(filepath.Dir(d.record), "."+filepath.Base(d.record))
		if err = os.WriteFile(fresh, text, 0o600); err == nil {
			err = os.Rename(fresh, d.record)
		}
	}
	if err != nil {
		return fmt.Errorf("record displaced guests: %w", err)
	}
	return nil
}
