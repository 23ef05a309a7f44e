package drbdsetup

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/optionc/pollux/daemon/format/drbdtext"
	"github.com/optionc/pollux/daemon/format/drbdwire"
	"github.com/optionc/pollux/daemon/node"
)

// events2 prints what there is, and what becomes of it until it is told to
// stop.
func events2(ctx context.Context, c *call) int {
	f := follower{call: c}
	if c.has("now") {
		f.dump()
		return 0
	}
	// The stream begins before the dump, so that nothing falls between them. What
	// the dump knows already is passed over by its number.
	err := c.daemon.Follow(ctx, func() error {
		c.status = node.Status{}
		if err := c.daemon.Status(ctx, &c.status); err != nil {
			return err
		}
		f.dump()
		return nil
	}, f.hear)
	if err != nil {
		c.complain("%s", err)
		return ExitFailed
	}
	return 0
}

// A follower knows what it has printed of each resource.
type follower struct {
	*call
	known []drbdtext.Resource // those that are not down
}

func (f *follower) dump() {
	only := ""
	if f.resource != nil {
		only = f.resource.Name
	}
	for i := range f.status.Resources {
		r := &f.status.Resources[i]
		if r.Down || only != "" && r.Name != only {
			continue
		}
		t := r.Text(f.status.Peer)
		f.known = append(f.known, t)
		f.lines(time.Now(), t.Exists(drbdtext.Detail{Statistics: f.has("statistics")}))
	}
	f.lines(time.Now(), drbdtext.ExistsEnd)
}

// hear prints what an event of polluxd's tells about states.
func (f *follower) hear(line json.RawMessage) {
	var e node.Event
	if err := json.Unmarshal(line, &e); err != nil || e.Resource == "" {
		return // it is not about a resource
	}
	at := -1
	for i := range f.known {
		if f.known[i].Name == e.Resource {
			at = i
		}
	}
	switch {
	case e.Down && at >= 0:
		f.lines(e.Time, f.known[at].Destroy())
		f.known = append(f.known[:at], f.known[at+1:]...)
	case e.Helper != "" && at >= 0:
		f.lines(e.Time, helperLine(&f.known[at], e))
	case e.StateWord == 0 || e.Sequence <= f.status.Sequence:
	case at >= 0:
		old := f.known[at]
		f.known[at].State = drbdwire.UnpackState(e.StateWord)
		f.lines(e.Time, f.known[at].Change(&old))
	default:
		f.appeared(e)
	}
}

func helperLine(r *drbdtext.Resource, e node.Event) string {
	if e.Exit == nil {
		return r.Call(e.Helper)
	}
	return r.Response(e.Helper, *e.Exit)
}

// appeared tells of a resource that was down.
func (f *follower) appeared(e node.Event) {
	for i := range f.status.Resources {
		if r := &f.status.Resources[i]; r.Name == e.Resource && (f.resource == nil || f.resource.Name == r.Name) {
			t := r.Text(f.status.Peer)
			t.State = drbdwire.UnpackState(e.StateWord)
			f.known = append(f.known, t)
			f.lines(e.Time, t.Create())
		}
	}
}

// lines prints what happened at that time.
func (f *follower) lines(at time.Time, text string) {
	for line := range strings.Lines(text) {
		if f.has("timestamps") {
			line = at.Format("2006-01-02T15:04:05.000000-07:00") + " " + line
		}
		f.print("%s", line)
	}
}
