package site

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/optionc/pollux/qemu/record"
)

// Event is a line of `pollux events`, or of a guest's console that is no
// record, and when it came here.
type Event struct {
	At       time.Time
	Resource string
	Text     string
}

func (n *Node) hearEvent(line string) {
	var e Event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		e.Text = line
	}
	n.note(e)
}

func (n *Node) note(e Event) {
	e.At = time.Now()
	n.mu.Lock()
	n.events = append(n.events, e)
	n.mu.Unlock()
	n.pair.say("%s: %s", n.Name, strings.TrimSpace(e.Resource+" "+e.Text))
}

// hearGuest keeps records, and notes the rest.
func (n *Node) hearGuest(line string) {
	r, err := record.Parse([]byte(line))
	if err != nil {
		if strings.HasPrefix(line, "recorder:") {
			n.note(Event{Text: "web1 " + strings.TrimPrefix(line, "recorder: ")})
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.printed = append(n.printed, promise{time.Now(), r})
}

// promise is a record that a guest has printed, and when it came here.
type promise struct {
	at     time.Time
	record record.Record
}

// Printed is the number of the last record that a guest on this node has
// promised, and how many lines it printed.
func (n *Node) Printed() (last int64, lines int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.printed) == 0 {
		return 0, 0
	}
	return n.printed[len(n.printed)-1].record.Number, len(n.printed)
}

// Events are what the node has said since a time.
func (n *Node) Events(since time.Time) []Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.IndexFunc(n.events, func(e Event) bool { return !e.At.Before(since) })
	if at < 0 {
		return nil
	}
	return slices.Clone(n.events[at:])
}

// When is the time at which the first event since then had that in its text.
func (n *Node) When(since time.Time, text string) (time.Time, error) {
	for _, e := range n.Events(since) {
		if strings.Contains(e.Text, text) {
			return e.At, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: %q: not among its events", n.Name, text)
}

// firstRecord is when the first record since then came; zero if there is none.
func (n *Node) firstRecord(since time.Time) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.printed {
		if p.at.After(since) {
			return p.at
		}
	}
	return time.Time{}
}
